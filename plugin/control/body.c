/* Bounds a body before jansson parses it. jansson descends by recursion, and its own bound is for
 * larger stacks than those of the plugin's threads. And an empty object, written in two bytes,
 * takes a hundred times as much memory. */
#include "control/body.h"

struct nesting {
	unsigned depth, deepest, brackets;
};

static struct nesting nesting_of(struct fw_slice body)
{
	struct nesting seen = {0};
	bool quoted = false;

	for (size_t i = 0; i < body.len; i++) {
		char c = body.at[i];

		if (quoted && c == '\\') {
			i++;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '{' || c == '[')) {
			seen.brackets++;
			if (++seen.depth > seen.deepest)
				seen.deepest = seen.depth;
		} else if (!quoted && seen.depth && (c == '}' || c == ']')) {
			seen.depth--;
		}
	}
	return seen;
}

json_t *fw_body_parse(struct fw_slice body, struct fw_error *error)
{
	struct nesting seen = nesting_of(body);
	json_error_t fault;
	json_t *parsed = NULL;

	if (seen.deepest > FW_BODY_DEPTH)
		fw_error_set(error, "the body is nested too deep: at most 32 brackets");
	else if (seen.brackets > FW_BODY_BRACKETS)
		fw_error_set(error, "the body has too many objects and arrays: at most 20000");
	else if (!(parsed = json_loadb(
			   body.len ? body.at : "", body.len, JSON_REJECT_DUPLICATES, &fault)))
		fw_error_set(error, "the body is no JSON: %s", fault.text);
	return parsed;
}
