/* Text that others wrote. One table tells what of Unicode is not simply shown: the ranges of
 * White_Space, Default_Ignorable_Code_Point and Bidi_Control, and the control characters. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define CUT "..."

/* A terminal obeys it. */
#define HARMFUL (1u << 8)

struct range {
	uint32_t first, last;
	unsigned is; /* enum fw_text_blank, and HARMFUL */
};

#define CONTROL (HARMFUL | FW_TEXT_UNSEEN)
#define BLANK (FW_TEXT_BLANK | FW_TEXT_UNSEEN)

/* Sorted. FW_TEXT_UNSEEN: the list of trigger check_text_insert in schema/triggers/text.sql. */
static const struct range ranges[] = {
	{0x00, 0x00, CONTROL | BLANK},
	{0x01, 0x08, CONTROL},
	{0x09, 0x0d, CONTROL | BLANK},
	{0x0e, 0x1f, CONTROL},
	{0x20, 0x20, FW_TEXT_BLANK},
	{0x7f, 0x9f, CONTROL},
	{0xa0, 0xa0, BLANK},
	{0xad, 0xad, FW_TEXT_UNSEEN},
	{0x34f, 0x34f, FW_TEXT_UNSEEN},
	{0x61c, 0x61c, CONTROL},
	{0x115f, 0x1160, FW_TEXT_UNSEEN},
	{0x1680, 0x1680, BLANK},
	{0x17b4, 0x17b5, FW_TEXT_UNSEEN},
	{0x180b, 0x180f, FW_TEXT_UNSEEN},
	{0x2000, 0x200d, BLANK},
	{0x200e, 0x200f, CONTROL | BLANK},
	{0x2028, 0x2029, FW_TEXT_UNSEEN},
	{0x202a, 0x202e, CONTROL},
	{0x202f, 0x202f, BLANK},
	{0x205f, 0x2060, BLANK},
	{0x2061, 0x2065, FW_TEXT_UNSEEN},
	{0x2066, 0x2069, CONTROL},
	{0x206a, 0x206f, FW_TEXT_UNSEEN},
	{0x2800, 0x2800, FW_TEXT_UNSEEN},
	{0x3000, 0x3000, BLANK},
	{0x3164, 0x3164, FW_TEXT_UNSEEN},
	{0xfe00, 0xfe0f, FW_TEXT_UNSEEN},
	{0xfeff, 0xfeff, BLANK},
	{0xffa0, 0xffa0, FW_TEXT_UNSEEN},
	{0xfff9, 0xfffb, FW_TEXT_UNSEEN},
	{0x1bca0, 0x1bca3, FW_TEXT_UNSEEN},
	{0x1d173, 0x1d17a, FW_TEXT_UNSEEN},
	{0xe0000, 0xe0fff, FW_TEXT_UNSEEN},
};

/* The character at `at`, which has `size` bytes, and is valid: RFC 3629, section 3. */
static uint32_t character_of(const char *at, size_t size)
{
	uint32_t character = (unsigned char)at[0] & (size == 1 ? 0x7fu : 0x7fu >> size);

	for (size_t i = 1; i < size; i++)
		character = character << 6 | ((unsigned char)at[i] & 0x3fu);
	return character;
}

static int compare(const void *key, const void *member)
{
	uint32_t character = *(const uint32_t *)key;
	const struct range *range = member;

	return (character > range->last) - (character < range->first);
}

/* What the character at `at`, of `size` bytes, is; 0: a character like any other. */
static unsigned kind_of(const char *at, size_t size)
{
	uint32_t character = character_of(at, size);
	const struct range *range;

	if (character > ' ' && character < 0x7f)
		return 0;
	range = bsearch(
		&character, ranges, sizeof(ranges) / sizeof(ranges[0]), sizeof(ranges[0]), compare);
	return range ? range->is : 0;
}

/* Bytes of the character at the front; 0: there is none. */
static size_t front(struct fw_slice text)
{
	/* fw_utf8_step takes NUL for none */
	return text.len && text.at[0] ? fw_utf8_step(text.at, text.len) : text.len > 0;
}

/* Bytes of the character at the end; 0: there is none. */
static size_t back(struct fw_slice text)
{
	size_t size = 1;

	while (size < text.len && size < 4 &&
		((unsigned char)text.at[text.len - size] & 0xc0) == 0x80)
		size++;
	if (!text.len || front((struct fw_slice){text.at + text.len - size, size}) != size)
		return 0;
	return size;
}

size_t fw_text_harmful(const char *at, size_t len)
{
	size_t size = front((struct fw_slice){at, len});

	return size && (kind_of(at, size) & HARMFUL) ? size : 0;
}

bool fw_text_is_harmless(struct fw_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (fw_text_harmful(text.at + i, text.len - i))
			return false;
	}
	return true;
}

/* What stands for the character at `at`; *step: its bytes. */
static struct fw_slice shown(const char *at, size_t len, size_t *step)
{
	bool harmful = fw_text_harmful(at, len);

	*step = front((struct fw_slice){at, len});
	*step += *step == 0;
	if (!harmful)
		return (struct fw_slice){at, *step};
	return *at == '\t' || *at == '\n' || *at == '\r' ? FW_SLICE(" ") : FW_SLICE(FW_REPLACEMENT);
}

struct fw_slice fw_text_sanitize(struct fw_slice text, char buffer[FW_KEPT_MAX])
{
	size_t used = 0, whole = 0, step;

	if (text.len <= FW_KEPT_MAX && fw_text_is_harmless(text))
		return text;
	for (size_t i = 0; i < text.len; i += step) {
		struct fw_slice piece = shown(text.at + i, text.len - i, &step);

		if (piece.len > FW_KEPT_MAX - used) {
			memcpy(buffer + whole, CUT, sizeof(CUT) - 1);
			return (struct fw_slice){buffer, whole + sizeof(CUT) - 1};
		}
		memcpy(buffer + used, piece.at, piece.len);
		used += piece.len;
		/* the last end of a character that leaves room for the dots */
		if (used <= FW_KEPT_MAX - (sizeof(CUT) - 1))
			whole = used;
	}
	return (struct fw_slice){buffer, used};
}

bool fw_text_visible(struct fw_slice text)
{
	size_t size;

	for (; text.len; text.at += size, text.len -= size) {
		size = front(text);
		if (size == 0 || (kind_of(text.at, size) & FW_TEXT_UNSEEN))
			return false;
	}
	return true;
}

struct fw_slice fw_text_trim(struct fw_slice text, enum fw_text_blank blank)
{
	unsigned any = (unsigned)blank | FW_TEXT_BLANK;
	size_t size;

	while ((size = front(text)) > 0 && (kind_of(text.at, size) & any))
		text = (struct fw_slice){text.at + size, text.len - size};
	while ((size = back(text)) > 0 && (kind_of(text.at + text.len - size, size) & any))
		text.len -= size;
	return text;
}
