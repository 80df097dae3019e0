/* Refuses the requests that a page of another site makes a browser send. Pure; any thread.
 *
 * - Host must be a name of this server: else another site whose name resolves to this machine would
 *   count as this server's page (DNS rebinding).
 * - A request that may change something comes from this server's page (Origin, Sec-Fetch-Site) or
 *   from no page, and has a Content-Type that no HTML form can send. */
#ifndef FW_CONTROL_GUARD_H
#define FW_CONTROL_GUARD_H

#include "base/fw.h"

/* Borrowed. */
struct fw_guard {
	const char *listen; /* address:port; NULL: a unix socket */
	int port;
	bool tls;
	bool behind_proxy; /* clients reach the proxy, maybe by another port, and by TLS */
	char **hosts;      /* admin_hosts, NULL-terminated; NULL: none */
};

/* True if Host names this server. `local`: the numeric address that the client connected to; NULL:
 * not known. On a unix socket, which no browser can reach, any Host does. */
bool fw_guard_host(const struct fw_guard *guard, struct fw_slice host, const char *local);

/* True if the request comes from this server's page, or from none. `origin`, `fetch_site`: the
 * headers Origin and Sec-Fetch-Site; NULL: absent. */
bool fw_guard_origin(const struct fw_guard *guard, struct fw_slice host, const char *origin,
	const char *fetch_site);

enum fw_guard_type { FW_TYPE_NONE, FW_TYPE_JSON, FW_TYPE_BYTES, FW_TYPE_OTHER };

/* What a Content-Type says; NULL: FW_TYPE_NONE. JSON in a charset other than UTF-8 is
 * FW_TYPE_OTHER. */
enum fw_guard_type fw_guard_type(const char *content_type);

#endif
