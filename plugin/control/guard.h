/* Which requests are refused before anything is asked of them: those that a page of somebody else
 * makes a browser send. Pure; any thread.
 *
 * - Host must be a name of ours: else another site's name, resolved to this machine, would make its
 *   page one of ours (DNS rebinding).
 * - What may change something comes from our own page (Origin, Sec-Fetch-Site), or from no page,
 *   and has a type that no HTML form can send. */
#ifndef FW_CONTROL_GUARD_H
#define FW_CONTROL_GUARD_H

#include "base/fw.h"

/* Borrowed. */
struct fw_guard {
	const char *listen; /* address:port; NULL: a unix socket */
	int port;
	bool tls;
	bool behind_proxy; /* which may be reached by another port, and by TLS */
	char **hosts;      /* admin_hosts, NULL-terminated; NULL: none */
};

/* Is the value of Host ours? `local`: the numeric address that the client connected to. Behind a
 * unix socket, which no browser can reach, any is. */
bool fw_guard_host(const struct fw_guard *guard, struct fw_slice host, const char *local);

/* Does the request come from our own page, or from none? `origin`, `fetch_site`: NULL is absent. */
bool fw_guard_origin(const struct fw_guard *guard, struct fw_slice host, const char *origin,
	const char *fetch_site);

enum fw_guard_type { FW_TYPE_NONE, FW_TYPE_JSON, FW_TYPE_BYTES, FW_TYPE_OTHER };

/* What a Content-Type says; NULL: FW_TYPE_NONE. JSON in any charset but another than UTF-8. */
enum fw_guard_type fw_guard_type(const char *content_type);

#endif
