/* The HTTP face as a table: which method and path is which command, and how a request becomes the
 * members of that command. The server and the OpenAPI description read it. Pure; any thread. */
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
	FW_ROUTE_LOGIN,    /* POST of the session */
	FW_ROUTE_SESSION,  /* its GET */
	FW_ROUTE_LOGOUT,   /* its DELETE */
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
	unsigned created;    /* the status of success: 201 where something is made, else 200 */
	const char *help;    /* of what is no command; NULL: the command has its own */
};

const struct fw_route *fw_routes(size_t *count); /* static */

/* True if it needs no login. */
bool fw_route_is_public(const struct fw_route *route);

/* True if the request has a body: POST, PUT, PATCH. */
bool fw_route_takes_body(const struct fw_route *route);

#define FW_ROUTE_PARTS 3u   /* variable parts of a path */
#define FW_ROUTE_VALUE 256u /* bytes of one, decoded, with its terminator */

struct fw_route_match {
	const struct fw_route *route; /* NULL: none */
	/* the variable parts in their order, decoded */
	char value[FW_ROUTE_PARTS][FW_ROUTE_VALUE];
	unsigned count;
	/* without a route: the methods of this path, such as "GET, PATCH"; empty: no such path */
	char allowed[64];
};

/* Fills *out for a path as it was sent, without its query. HEAD is taken as GET. */
void fw_route_find(const char *method, const char *path, struct fw_route_match *out);

/* The request as a command: the members of its path, its query (without '?'; may be NULL) and its
 * body (an object; NULL: none). A new reference, or NULL with a message: a member has two values,
 * or the query cannot be decoded. `command`: the route's, or another one whose members have the
 * names of the path. */
json_t *fw_route_command(const struct fw_route_match *match, const char *command, const char *query,
	const json_t *body, struct fw_error *error);

#endif
