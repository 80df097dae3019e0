/* Text that others wrote. Each function looks at bytes: what is harmful, or a blank, has at most
 * three in UTF-8. */
#include "text.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define CUT "..."

size_t fw_text_harmful(const char *at, size_t len)
{
	const unsigned char *byte = (const unsigned char *)at;

	if (byte[0] < 0x80)
		return byte[0] < 0x20 || byte[0] == 0x7f;
	if (len >= 2 && byte[0] == 0xc2)
		return byte[1] >= 0x80 && byte[1] < 0xa0 ? 2 : 0;
	if (len >= 2 && byte[0] == 0xd8)
		return byte[1] == 0x9c ? 2 : 0;
	if (len < 3 || byte[0] != 0xe2)
		return 0;
	if (byte[1] == 0x80)
		return byte[2] == 0x8e || byte[2] == 0x8f || (byte[2] >= 0xaa && byte[2] <= 0xae)
			? 3
			: 0;
	return byte[1] == 0x81 && byte[2] >= 0xa6 && byte[2] <= 0xa9 ? 3 : 0;
}

static bool is_kept_as_it_is(struct fw_slice text)
{
	if (text.len > FW_KEPT_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (fw_text_harmful(text.at + i, text.len - i))
			return false;
	}
	return true;
}

/* What stands for the character at `at`; *step: its bytes. */
static struct fw_slice shown(const char *at, size_t len, size_t *step)
{
	*step = fw_text_harmful(at, len);
	if (!*step) {
		for (*step = 1; *step < len && ((unsigned char)at[*step] & 0xc0) == 0x80;)
			++*step;
		return (struct fw_slice){at, *step};
	}
	return *at == '\t' || *at == '\n' || *at == '\r' ? FW_SLICE(" ") : FW_SLICE(REPLACEMENT);
}

struct fw_slice fw_text_keep(struct fw_slice text, char buffer[FW_KEPT_MAX])
{
	size_t used = 0, whole = 0, step;

	if (is_kept_as_it_is(text))
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

static const struct fw_slice unseen[] = {
	{" ", 1}, {"\t", 1}, {"\0", 1},
	/* U+00A0, U+1680 */
	{"\xc2\xa0", 2}, {"\xe1\x9a\x80", 3},
	/* U+2000 to U+200F */
	{"\xe2\x80\x80", 3}, {"\xe2\x80\x81", 3}, {"\xe2\x80\x82", 3}, {"\xe2\x80\x83", 3},
	{"\xe2\x80\x84", 3}, {"\xe2\x80\x85", 3}, {"\xe2\x80\x86", 3}, {"\xe2\x80\x87", 3},
	{"\xe2\x80\x88", 3}, {"\xe2\x80\x89", 3}, {"\xe2\x80\x8a", 3}, {"\xe2\x80\x8b", 3},
	{"\xe2\x80\x8c", 3}, {"\xe2\x80\x8d", 3}, {"\xe2\x80\x8e", 3}, {"\xe2\x80\x8f", 3},
	/* U+202F, U+205F, U+2060, U+3000, U+FEFF */
	{"\xe2\x80\xaf", 3}, {"\xe2\x81\x9f", 3}, {"\xe2\x81\xa0", 3}, {"\xe3\x80\x80", 3},
	{"\xef\xbb\xbf", 3},
};

/* Bytes of what nobody sees at the front of `text`, or at its end. */
static size_t unseen_at(struct fw_slice text, bool end)
{
	unsigned char byte = (unsigned char)(text.len ? text.at[end ? text.len - 1 : 0] : 'x');

	if (byte > ' ' && byte < 0x80)
		return 0;
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++) {
		size_t len = unseen[i].len;

		if (len <= text.len &&
			memcmp(end ? text.at + text.len - len : text.at, unseen[i].at, len) == 0)
			return len;
	}
	return 0;
}

struct fw_slice fw_text_trim(struct fw_slice text)
{
	size_t len;

	while ((len = unseen_at(text, false)) > 0)
		text = (struct fw_slice){text.at + len, text.len - len};
	while ((len = unseen_at(text, true)) > 0)
		text.len -= len;
	return text;
}
