/* What every server asks libmicrohttpd about a connection and its request. On the thread that
 * handles them. */
#ifndef FW_HTTP_ASKED_H
#define FW_HTTP_ASKED_H

struct MHD_Connection;

/* Its socket; -1 when the library does not say. */
int fw_http_socket_of(struct MHD_Connection *mhd);

/* What the server keeps of the connection (socket_context of the library); NULL: nothing. */
void *fw_http_context_of(struct MHD_Connection *mhd);

/* How often the request has the header Host (RFC 9112, section 3.2: once). */
unsigned fw_http_count_hosts(struct MHD_Connection *mhd);

/* The path in a request's target, and what follows it; borrowed from `target`. Proxies may send
 * "http://host/path" (RFC 9112, section 3.2.2). Pure; any thread. */
const char *fw_http_path_of(const char *target);

#endif
