/* Answers a request of the HTTP face, without HTTP: makes it a command, has that carried out, and
 * gives the outcome as status, text and ETag. Pure but for the command; any thread. */
#ifndef FW_CONTROL_API_H
#define FW_CONTROL_API_H

#include "control/commands.h"
#include "control/routes.h"

#define FW_API_ETAG 35u /* bytes of one, with its quotes and terminator */

/* How commands are carried out: by fw_commands_run and fw_commands_request, or a test's own. */
struct fw_api_commands {
	void *context;
	json_t *(*run)(void *context, const struct fw_asker *asker, const json_t *command);
	json_t *(*request)(void *context, const struct fw_asker *asker, struct fw_slice body);
};

/* Borrowed. */
struct fw_api_request {
	const struct fw_route_match *match; /* of a kind COMMAND, PUT or COMMANDS */
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

/* Fills *out, whose text the caller frees. Always answers; without memory by a status alone. */
void fw_api_answer(const struct fw_api_commands *commands, const struct fw_api_request *request,
	struct fw_api_answer *out);

/* Makes *out an error: {"code","message"}. `code` NULL: that of the status. As fw_api_say. */
void fw_api_refuse(
	struct fw_api_answer *out, unsigned status, const char *code, const char *message);

/* Makes *out this status with `body`, which it takes over. Frees the text that *out has: zero it
 * before its first use. Without memory the status is 500. */
void fw_api_say(struct fw_api_answer *out, unsigned status, json_t *body);

/* Gives a GET of status 200 an ETag, and makes it 304 or 412 where the conditions (NULL: absent)
 * say so. Leaves another status alone. */
void fw_api_tag(struct fw_api_answer *out, const char *if_match, const char *if_none_match);

/* The body as an object, a new reference. NULL with *none: the body is empty. NULL with a sentence
 * in `error`: it is no object, or fw_body_parse refuses it. */
json_t *fw_api_parse(struct fw_slice body, bool *none, struct fw_error *error);

/* The status of an error's code, such as 404 of "not_found"; 500 of one that is not known. */
unsigned fw_api_status(const char *code);

/* The code of an error's status, such as "not_found" of 404; else "failed". Static. */
const char *fw_api_code(unsigned status);

#endif
