/* Reading plain JSON quickly. Nearly every message of a device is a flat object of a few short
 * ASCII members; building a tree of it costs more than all the rest of a pull. Text that is not
 * plain, right or wrong, is left to protocol/json_object.h. Pure, allocates nothing; any thread. */
#ifndef FW_PROTOCOL_JSON_SCAN_H
#define FW_PROTOCOL_JSON_SCAN_H

#include "base/fw.h"

#define FW_JSON_MEMBERS 16u

/* The last two are what fw_json_object_read finds beside them: a number that is no integer of 64
 * bits, and an object or an array. */
enum fw_json_scan_type {
	FW_JSON_TEXT,
	FW_JSON_INTEGER,
	FW_JSON_TRUE,
	FW_JSON_FALSE,
	FW_JSON_NULL,
	FW_JSON_REAL,
	FW_JSON_OTHER
};

struct fw_json_scan {
	struct fw_slice name; /* without its quotes; borrowed from the payload, as is text */
	enum fw_json_scan_type type;
	struct fw_slice text; /* without its quotes; a number as it stands */
	int64_t integer;
};

/* Skips white space (RFC 8259, section 2) from `at`; returns where it ended. Nothing is read at
 * `end`. */
static inline const char *fw_json_scan_skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* Reads one of the words true, false and null at `at`, sets the member's type, and returns where
 * the word ended; NULL: it is none of them. Nothing is read at `end`. */
const char *fw_json_scan_read_word(const char *at, const char *end, struct fw_json_scan *member);

/* The members of a plain object: at most FW_JSON_MEMBERS, no two of one name, names and texts of
 * printable ASCII without escapes, integers from 0 on of at most 15 digits, true, false and null. 0
 * when it is anything else, an empty object too. */
size_t fw_json_scan_parse(
	const char *bytes, size_t len, struct fw_json_scan members[FW_JSON_MEMBERS]);

/* The text of the number, or of the string with its quotes, that is the value of the object's own
 * member `name`: in any JSON object that fw_json_object_read has taken, plain or not. Empty when no
 * member has this name, spelled without escapes. */
struct fw_slice fw_json_scan_find(const char *json, size_t len, struct fw_slice name);

#endif
