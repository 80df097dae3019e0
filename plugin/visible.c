#include "visible.h"

#include <stdint.h>

static const struct {
	uint32_t first, last;
} unseen[] = {
	{0x00, 0x1f}, {0x7f, 0xa0}, {0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
	{0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f}, {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
	{0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_unseen(uint32_t character)
{
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++) {
		if (character >= unseen[i].first && character <= unseen[i].last)
			return true;
	}
	return false;
}

/* The character at `at`, which has `size` bytes, and is valid: RFC 3629, section 3. */
static uint32_t character_of(const char *at, size_t size)
{
	uint32_t character = (unsigned char)at[0] & (size == 1 ? 0x7fu : 0x7fu >> size);

	for (size_t i = 1; i < size; i++)
		character = character << 6 | ((unsigned char)at[i] & 0x3fu);
	return character;
}

/* Bytes of the character at the front; 0: there is none. */
static size_t front(struct fw_slice text)
{
	size_t size = 1;

	while (size < text.len && ((unsigned char)text.at[size] & 0xc0) == 0x80)
		size++;
	return text.len && (text.at[0] == '\0' || fw_utf8_valid(text.at, size)) ? size : 0;
}

/* Bytes of the character at the end; 0: there is none. */
static size_t back(struct fw_slice text)
{
	size_t size = 1;

	while (size < text.len && size < 4 && ((unsigned char)text.at[text.len - size] & 0xc0) == 0x80)
		size++;
	return text.len && front((struct fw_slice){text.at + text.len - size, size}) == size ? size : 0;
}

static bool is_blank(const char *at, size_t size)
{
	uint32_t character = size ? character_of(at, size) : 'x';

	return character == ' ' || is_unseen(character);
}

bool fw_visible(struct fw_slice text)
{
	size_t size;

	for (; text.len; text.at += size, text.len -= size) {
		size = front(text);
		if (size == 0 || is_unseen(character_of(text.at, size)))
			return false;
	}
	return true;
}

struct fw_slice fw_visible_trim(struct fw_slice text)
{
	size_t size;

	for (size = front(text); is_blank(text.at, size); size = front(text))
		text = (struct fw_slice){text.at + size, text.len - size};
	for (size = back(text); is_blank(text.at + text.len - size, size); size = back(text))
		text.len -= size;
	return text;
}
