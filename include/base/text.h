/* Text that others wrote: what of it may be shown and kept, and what stands in and around it that
 * nobody sees. Bytes that are no UTF-8 are neither harmful nor blank. Pure, allocates nothing; any
 * thread. */
#ifndef FW_BASE_TEXT_H
#define FW_BASE_TEXT_H

#include "base/fw.h"

#define FW_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for what cannot be shown */
#define FW_KEPT_MAX 1024u             /* bytes of a text that is kept, such as an errorReason */

/* Bytes of the character at `at` (of `len` bytes, at least 1) when a terminal would obey it rather
 * than show it: the controls C0, DEL and C1, and those of direction (U+061C, U+200E, U+200F, U+202A
 * to U+202E, U+2066 to U+2069). 0: it is harmless. */
size_t fw_text_harmful(const char *at, size_t len);

/* No such character in it? */
bool fw_text_is_harmless(struct fw_slice text);

/* `text`, valid UTF-8 that may hold NUL, as it is kept: a space for each tab and line end, U+FFFD
 * for each other harmful character, and no more than FW_KEPT_MAX bytes, the last three of them
 * "..." when something was cut off. The result is `text` itself, or lies in `buffer`, which is not
 * terminated. */
struct fw_slice fw_text_sanitize(struct fw_slice text, char buffer[FW_KEPT_MAX]);

/* UTF-8 without NUL, and without what FW_TEXT_UNSEEN names? A plain space is fine. */
bool fw_text_visible(struct fw_slice text);

enum fw_text_blank {
	/* what a device means no more than a space: space, tab, line ends, NUL, Unicode's spaces,
	 * what has no width (U+200B to U+200F, U+2060), byte-order marks */
	FW_TEXT_BLANK = 1,
	/* and whatever else nobody sees: other controls, fillers, variation
	 * selectors, what turns the direction of writing */
	FW_TEXT_UNSEEN = 2,
};

/* `text` without these at its ends; borrowed from it. */
struct fw_slice fw_text_trim(struct fw_slice text, enum fw_text_blank blank);

#endif
