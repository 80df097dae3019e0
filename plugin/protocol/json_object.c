/* A recursive descent, no deeper than FW_DEPTH_MAX. Each step moves `at` behind what it has read
 * and returns true, or sets `why` and returns false.
 *
 * A name that an object gives twice is found by a table of hashes, each of the object's number and
 * the name: 64 bits are equal by accident less often than memory fails. The table has at least
 * twice as many slots as a text of this length can have names. */
#include "protocol/json_object.h"

#include <locale.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX (FW_PAYLOAD_MAX / 2) /* a name takes five bytes at least: "":0, */

struct scan {
	const char *at, *end;
	char *room; /* where escapes are resolved; never more than what has been read */
	bool (*is_wanted)(struct fw_slice name);
	struct fw_json_scan *members;
	size_t count;
	const char *why;
	uint64_t seed, objects; /* objects: how many have begun */
	size_t mask;
	uint64_t names[SLOTS_MAX]; /* hashes; 0: free */
};

/* Random: a client that knew the seed could choose names that all go to one slot. */
static uint64_t hash_seed(void)
{
	static _Atomic uint64_t seed;
	uint64_t mine = atomic_load_explicit(&seed, memory_order_relaxed);

	if (!mine) {
		mine = fw_random() | 1;
		atomic_store_explicit(&seed, mine, memory_order_relaxed);
	}
	return mine;
}

static bool fail(struct scan *scan, const char *why)
{
	scan->why = why;
	return false;
}

/* What stands at `at` is a mistake: says which. */
static bool fail_here(struct scan *scan)
{
	size_t left = (size_t)(scan->end - scan->at);

	if (!left)
		return fail(scan, "the payload ends before its JSON object does");
	if ((unsigned char)*scan->at >= 0x80 && !fw_utf8_valid(scan->at, left))
		return fail(scan, "the payload is not valid UTF-8");
	return fail(scan, "the payload is not a JSON object");
}

static void skip_space(struct scan *scan)
{
	scan->at = fw_json_scan_skip_space(scan->at, scan->end);
}

static bool is_at(const struct scan *scan, char wanted)
{
	return scan->at < scan->end && *scan->at == wanted;
}

/* --- texts --- */

/* The number of four hexadecimal digits; -1: they are none. */
static int read_hex(const char *at, const char *end)
{
	int number = 0;

	if (end - at < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		char digit = at[i];

		if (digit >= '0' && digit <= '9')
			number = number * 16 + digit - '0';
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			number = number * 16 + (digit | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return number;
}

/* `at` is behind \u; *used: bytes read from there. -1: no character. */
static int read_unicode(const char *at, const char *end, size_t *used)
{
	int high = read_hex(at, end), low;

	*used = 4;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || end - at < 10 || at[4] != '\\' || at[5] != 'u')
		return -1;
	low = read_hex(at + 6, end);
	*used = 10;
	return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
					      : -1;
}

static char *put_utf8(char *out, int point)
{
	if (point < 0x80) {
		*out++ = (char)point;
		return out;
	}
	if (point < 0x800) {
		*out++ = (char)(0xc0 | point >> 6);
	} else if (point < 0x10000) {
		*out++ = (char)(0xe0 | point >> 12);
		*out++ = (char)(0x80 | (point >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | point >> 18);
		*out++ = (char)(0x80 | (point >> 12 & 0x3f));
		*out++ = (char)(0x80 | (point >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (point & 0x3f));
	return out;
}

/* The character behind the backslash before `at`; -1: there is no such escape. */
static int read_escape(const char *at, const char *end, size_t *used)
{
	static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

	*used = 1;
	if (at == end)
		return -1;
	if (*at == 'u') {
		int point = read_unicode(at + 1, end, used);

		++*used;
		return point;
	}
	for (const char *escape = escapes; *escape; escape += 2) {
		if (*escape == *at)
			return escape[1];
	}
	return -1;
}

/* From the opening quote; *text: what is between the quotes, escapes and all. */
static bool skip_text(struct scan *scan, struct fw_slice *text, bool *escaped)
{
	const char *from = ++scan->at;
	bool ascii = true;
	size_t used;

	*escaped = false;
	for (; scan->at < scan->end && *scan->at != '"'; scan->at++) {
		unsigned char byte = (unsigned char)*scan->at;

		if (byte < 0x20)
			return fail_here(scan);
		ascii = ascii && byte < 0x80;
		if (byte != '\\')
			continue;
		if (read_escape(scan->at + 1, scan->end, &used) < 0)
			return fail_here(scan);
		*escaped = true;
		scan->at += used;
	}
	*text = (struct fw_slice){from, (size_t)(scan->at - from)};
	if (!ascii && !fw_utf8_valid(text->at, text->len))
		return fail(scan, "the payload is not valid UTF-8");
	if (scan->at == scan->end)
		return fail_here(scan);
	scan->at++;
	return true;
}

/* Escapes are longer than what they stand for, so that `room` suffices. */
static struct fw_slice resolve(struct scan *scan, struct fw_slice text)
{
	const char *end = text.at + text.len;
	char *from = scan->room;
	size_t used;

	for (const char *at = text.at; at < end; at += used) {
		if (*at != '\\') {
			*scan->room++ = *at;
			used = 1;
			continue;
		}
		scan->room = put_utf8(scan->room, read_escape(at + 1, end, &used));
		used++;
	}
	return (struct fw_slice){from, (size_t)(scan->room - from)};
}

static bool read_text(struct scan *scan, struct fw_slice *text)
{
	bool escaped;

	if (!skip_text(scan, text, &escaped))
		return false;
	if (escaped)
		*text = resolve(scan, *text);
	return true;
}

/* --- numbers and words --- */

static bool skip_digits(struct scan *scan)
{
	const char *from = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > from || fail_here(scan);
}

double fw_json_object_real(struct fw_slice number)
{
	/* what is behind a number in an object ends it: a comma, a bracket or a blank. In glibc
	 * this locale takes no memory. */
	return strtod_l(number.at, NULL, newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

/* As jansson has it: what fits into 64 bits is an integer, and what is too large for that is taken
 * for a real. Unlike it, what is too large for a real is still a number: whoever needs it judges
 * it, and the message may do without. */
static bool read_integer(struct fw_slice number, int64_t *integer)
{
	bool negative = number.at[0] == '-';

	*integer = 0;
	for (size_t i = negative; i < number.len; i++) {
		int digit = number.at[i] - '0';

		if (__builtin_mul_overflow(*integer, 10, integer) ||
			__builtin_add_overflow(*integer, negative ? -digit : digit, integer))
			return false;
	}
	return true;
}

static bool read_number(struct scan *scan, struct fw_json_scan *member)
{
	const char *from = scan->at;
	bool whole = true;

	scan->at += *scan->at == '-';
	if (is_at(scan, '0'))
		scan->at++;
	else if (!skip_digits(scan))
		return false;
	if (is_at(scan, '.')) {
		whole = false;
		scan->at++;
		if (!skip_digits(scan))
			return false;
	}
	if (is_at(scan, 'e') || is_at(scan, 'E')) {
		whole = false;
		scan->at++;
		scan->at += is_at(scan, '+') || is_at(scan, '-');
		if (!skip_digits(scan))
			return false;
	}
	member->text = (struct fw_slice){from, (size_t)(scan->at - from)};
	member->type = whole && read_integer(member->text, &member->integer) ? FW_JSON_INTEGER
									     : FW_JSON_REAL;
	/* what ends it is read with it: fw_json_object_real() */
	return scan->at < scan->end || fail_here(scan);
}

static bool read_word(struct scan *scan, struct fw_json_scan *member)
{
	const char *behind = fw_json_scan_read_word(scan->at, scan->end, member);

	if (!behind)
		return fail_here(scan);
	scan->at = behind;
	return true;
}

/* --- objects and arrays --- */

static bool read_value(struct scan *scan, unsigned depth, struct fw_json_scan *member);

static bool check_name(struct scan *scan, struct fw_slice name, uint64_t object)
{
	uint64_t hash = fw_hash(object, name.at, name.len) | 1;
	size_t slot = (size_t)(hash >> 20 ^ hash) & scan->mask;

	if (name.len && memchr(name.at, '\0', name.len))
		return fail(scan, "the name of a member contains a NUL character");
	for (; scan->names[slot]; slot = (slot + 1) & scan->mask) {
		if (scan->names[slot] == hash)
			return fail(scan, "a member is given twice");
	}
	scan->names[slot] = hash;
	return true;
}

static bool read_member(struct scan *scan, unsigned depth, uint64_t object)
{
	struct fw_json_scan member = {0};

	if (!is_at(scan, '"'))
		return fail_here(scan);
	if (!read_text(scan, &member.name) || !check_name(scan, member.name, object))
		return false;
	skip_space(scan);
	if (!is_at(scan, ':'))
		return fail_here(scan);
	scan->at++;
	if (!read_value(scan, depth, &member))
		return false;
	if (depth == 1 && scan->count < FW_JSON_MEMBERS && scan->is_wanted(member.name))
		scan->members[scan->count++] = member;
	return true;
}

/* From the opening bracket. */
static bool read_container(struct scan *scan, unsigned depth)
{
	char closing = *scan->at == '{' ? '}' : ']';
	uint64_t number = ++scan->objects, object = fw_hash(scan->seed, &number, sizeof(number));
	struct fw_json_scan element;

	if (depth > FW_DEPTH_MAX)
		return fail(scan, "the payload is nested too deeply: 16 levels at most");
	scan->at++;
	skip_space(scan);
	if (is_at(scan, closing)) {
		scan->at++;
		return true;
	}
	for (;;) {
		skip_space(scan);
		if (!(closing == '}' ? read_member(scan, depth, object)
				     : read_value(scan, depth, &element)))
			return false;
		skip_space(scan);
		if (is_at(scan, closing)) {
			scan->at++;
			return true;
		}
		if (!is_at(scan, ','))
			return fail_here(scan);
		scan->at++;
	}
}

/* Texts that nobody asks for have their escapes resolved too: that is no dearer than to ask. */
static bool read_value(struct scan *scan, unsigned depth, struct fw_json_scan *member)
{
	skip_space(scan);
	if (scan->at == scan->end)
		return fail_here(scan);
	switch (*scan->at) {
	case '"':
		member->type = FW_JSON_TEXT;
		return read_text(scan, &member->text);
	case '{':
	case '[':
		member->type = FW_JSON_OTHER;
		return read_container(scan, depth + 1);
	default:
		return *scan->at == '-' || (*scan->at >= '0' && *scan->at <= '9')
			? read_number(scan, member)
			: read_word(scan, member);
	}
}

enum fw_status fw_json_object_read(struct fw_slice text, bool (*is_wanted)(struct fw_slice name),
	char *room, struct fw_json_scan members[FW_JSON_MEMBERS], size_t *count, const char **why)
{
	struct scan scan;

	scan.at = text.at;
	scan.end = text.at + text.len;
	scan.room = room;
	scan.is_wanted = is_wanted;
	scan.members = members;
	scan.count = 0;
	scan.seed = hash_seed();
	scan.objects = 0;
	scan.why = "the payload is not a JSON object";
	for (scan.mask = 63; scan.mask + 1 < text.len / 2 && scan.mask + 1 < SLOTS_MAX;)
		scan.mask = 2 * scan.mask + 1;
	memset(scan.names, 0, (scan.mask + 1) * sizeof(scan.names[0]));
	skip_space(&scan);
	if (is_at(&scan, '{') && read_container(&scan, 1)) {
		skip_space(&scan);
		if (scan.at == scan.end) {
			*count = scan.count;
			return FW_OK;
		}
		fail_here(&scan);
	} else if (text.len && (unsigned char)text.at[0] >= 0x80) {
		fail_here(&scan);
	}
	*why = scan.why;
	return FW_INVALID;
}
