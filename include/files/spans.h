/* Sets of byte ranges of a file. A set is an array: sorted, bounded, and no two spans touch. Pure;
 * any thread. */
#ifndef FW_FILES_SPANS_H
#define FW_FILES_SPANS_H

#include "base/fw.h"

/* From a byte to the one behind its last. */
struct fw_span {
	int64_t from, to;
};

#define FW_SPANS_TEXT 44u /* bytes that a span takes as text, with its comma, at most */

/* Adds a span to `*count` of at most `most`; spans that touch become one. When there are too many
 * the smallest is forgotten: a set never has a byte that was not added. An empty span adds nothing.
 */
void fw_spans_add(struct fw_span *spans, size_t *count, size_t most, struct fw_span span);

int64_t fw_spans_bytes(const struct fw_span *spans, size_t count); /* in all */

/* Reads "0-99,200-299", both ends included, as in a Range header (RFC 9110, section 14.1.1): up to
 * `most` spans. Text that is not of this form gives what stands before the mistake. Returns the
 * count. */
size_t fw_spans_parse(struct fw_slice text, struct fw_span *spans, size_t most);

/* The reverse, terminated; `text` has count * FW_SPANS_TEXT + 1 bytes. */
void fw_spans_format(const struct fw_span *spans, size_t count, char *text);

#endif
