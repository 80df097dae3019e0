/* Reading the plainest JSON quickly. Nearly every message of a device is a flat object of a few
 * short ASCII members; for those, building a tree costs more than all the rest of a pull. Whatever
 * is not that plain, right or wrong, is left to object.h. Pure, allocates nothing; any thread. */
#ifndef FW_PROTOCOL_JSON_SCAN_H
#define FW_PROTOCOL_JSON_SCAN_H

#include "base/fw.h"

#define FW_PLAIN_MEMBERS 16u

/* The last two are what fw_object_read finds beside them: a number that is no integer of 64 bits,
 * and an object or an array. */
enum fw_plain_type {
	FW_PLAIN_TEXT,
	FW_PLAIN_INTEGER,
	FW_PLAIN_TRUE,
	FW_PLAIN_FALSE,
	FW_PLAIN_NULL,
	FW_PLAIN_REAL,
	FW_PLAIN_OTHER
};

struct fw_plain {
	struct fw_slice name; /* without its quotes; borrowed from the payload, as is text */
	enum fw_plain_type type;
	struct fw_slice text; /* without its quotes; a number as it stands */
	int64_t integer;
};

/* Both begin at `at` and return where they ended; nothing is read at `end`. White space (RFC 8259, section 2), and
 * one of the words true, false and null, which sets the member's type; NULL: it is none of them. */
static inline const char *fw_plain_skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

const char *fw_plain_read_word(const char *at, const char *end, struct fw_plain *member);

/* The members of a plain object: at most FW_PLAIN_MEMBERS, no two of one name, names and texts of printable ASCII without escapes, integers
 * from 0 on of at most 15 digits, true, false and null. 0 when it is anything else, an empty object too. */
size_t fw_plain_parse(const char *bytes, size_t len, struct fw_plain members[FW_PLAIN_MEMBERS]);

/* The text of the number, or of the string with its quotes, that is the value of the object's own
 * member `name`: in any JSON object that fw_object_read has taken, plain or not. Empty when no
 * member has this name, spelled without escapes. */
struct fw_slice fw_plain_find(const char *json, size_t len, struct fw_slice name);

#endif
