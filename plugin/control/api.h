/* One request of the HTTP face, without HTTP: which command it is, and what its outcome is as
 * status, text and ETag. Pure but for the command; any thread. */
#ifndef FW_CONTROL_API_H
#define FW_CONTROL_API_H

#include "control/commands.h"
#include "control/routes.h"

#define FW_API_ETAG 36u /* bytes of one, with its quotes and terminator */

/* Carries out a command: fw_commands_run, or who stands in for it. */
struct fw_api_commands {
	void *context;
	json_t *(*run)(void *context, const struct fw_asker *asker, const json_t *command);
	json_t *(*request)(void *context, const struct fw_asker *asker, struct fw_slice body);
};

/* Borrowed. */
struct fw_api_request {
	const struct fw_route_match *match; /* of a command: COMMAND, PUT or COMMANDS */
	const char *query;                  /* without '?'; NULL: none */
	struct fw_slice body;
	const struct fw_asker *asker;
	const char *if_match, *if_none_match; /* NULL: absent */
};

struct fw_api_answer {
	unsigned status;
	char *text;             /* malloc'd JSON; NULL: none, as with 304 */
	size_t len;             /* bytes */
	char etag[FW_API_ETAG]; /* empty: none */
	int retry_after;        /* seconds; 0: not told */
};

/* *out is the caller's: free its text. Always answers; without memory by a status alone. */
void fw_api_answer(const struct fw_api_commands *commands, const struct fw_api_request *request,
	struct fw_api_answer *out);

/* An error by itself: {"code","message"}. `code` NULL: that of the status. */
void fw_api_refuse(
	struct fw_api_answer *out, unsigned status, const char *code, const char *message);

/* {"code","message"} or another small object; takes over `body`. */
void fw_api_say(struct fw_api_answer *out, unsigned status, json_t *body);

/* A GET was done with status 200: gives its text an ETag, and answers 304 or 412 instead where the
 * conditions (NULL: absent) say so. Of another status nothing changes. */
void fw_api_tag(struct fw_api_answer *out, const char *if_match, const char *if_none_match);

/* The body as an object, a new reference; empty: NULL with *none. NULL with a sentence for what is
 * none, or is refused by fw_body_parse. */
json_t *fw_api_parse(struct fw_slice body, bool *none, struct fw_error *error);

/* The status of an error's code, such as 404 of "not_found". */
unsigned fw_api_status(const char *code);

/* The code of a status that the server itself answers. Static. */
const char *fw_api_code(unsigned status);

#endif
