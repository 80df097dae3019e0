/* The HTTP face as a table: which method and path is which command, and what of a request becomes
 * its members. The server, the documents and the page's tests read it. Pure; any thread. */
#ifndef FW_CONTROL_ROUTES_H
#define FW_CONTROL_ROUTES_H

#include <jansson.h>

#include "base/fw.h"

/* What answers a route. */
enum fw_route_kind {
	FW_ROUTE_COMMAND,  /* the command of the table */
	FW_ROUTE_COMMANDS, /* a request as $CONTROL takes it */
	FW_ROUTE_PUT,      /* the command, a create that may be repeated */
	FW_ROUTE_UPLOAD,   /* the body is a file */
	FW_ROUTE_LOGIN,    /* the session: POST, GET, DELETE */
	FW_ROUTE_SESSION,
	FW_ROUTE_LOGOUT,
	FW_ROUTE_HEALTH,
	FW_ROUTE_METRICS,
	FW_ROUTE_OPENAPI,
};

struct fw_route {
	const char *method;
	/* {name} is a part that becomes the member of that name */
	const char *path;
	enum fw_route_kind kind;
	const char *command; /* NULL: none */
	unsigned created; /* the status when it is done: 201 for what makes something, else 200 */
	const char *help; /* for what is no command */
};

const struct fw_route *fw_routes(size_t *count); /* static */

/* May it be had without a login? */
bool fw_route_is_public(const struct fw_route *route);

/* Takes it a body? */
bool fw_route_takes_body(const struct fw_route *route);

#define FW_ROUTE_PARTS 3u   /* variable parts of a path */
#define FW_ROUTE_VALUE 256u /* bytes of one, decoded, with its terminator */

struct fw_route_match {
	const struct fw_route *route; /* NULL: none */
	/* the variable parts in their order, decoded */
	char value[FW_ROUTE_PARTS][FW_ROUTE_VALUE];
	unsigned count;
	/* the path is known, by these methods: "GET, PATCH"; empty: it is not */
	char allowed[64];
};

/* `path` is as it was sent, without its query. HEAD is taken as GET. */
void fw_route_find(const char *method, const char *path, struct fw_route_match *out);

/* The request as a command: what its path, its query (without '?'; may be NULL) and its body (an
 * object; NULL: none) say. A new reference, or NULL with a message: a member that is said twice, or
 * differently, a query that is no text. `command`: the route's, or another one of the same names.
 */
json_t *fw_route_command(const struct fw_route_match *match, const char *command, const char *query,
	const json_t *body, struct fw_error *error);

#endif
