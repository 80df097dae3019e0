/* A span that is added swallows those that it touches. Of too many, the smallest goes. */
#include "files/spans.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void remove_some(struct fw_span *spans, size_t *count, size_t at, size_t some)
{
	memmove(spans + at, spans + at + some, (*count - at - some) * sizeof(*spans));
	*count -= some;
}

static size_t smallest(const struct fw_span *spans, size_t count)
{
	size_t found = 0;

	for (size_t i = 1; i < count; i++) {
		if (spans[i].to - spans[i].from < spans[found].to - spans[found].from)
			found = i;
	}
	return found;
}

/* Makes room for one more, by forgetting a smaller one. False: there is none. */
static bool make_room(struct fw_span *spans, size_t *count, const struct fw_span *span, size_t *at)
{
	size_t lost = smallest(spans, *count);

	if (spans[lost].to - spans[lost].from >= span->to - span->from)
		return false;
	remove_some(spans, count, lost, 1);
	*at -= lost < *at;
	return true;
}

void fw_spans_add(struct fw_span *spans, size_t *count, size_t most, struct fw_span span)
{
	size_t at = 0, end;

	if (span.from >= span.to || !most)
		return;
	while (at < *count && spans[at].to < span.from)
		at++;
	for (end = at; end < *count && spans[end].from <= span.to; end++) {
		span.from = spans[end].from < span.from ? spans[end].from : span.from;
		span.to = spans[end].to > span.to ? spans[end].to : span.to;
	}
	remove_some(spans, count, at, end - at);
	if (*count >= most && !make_room(spans, count, &span, &at))
		return;
	memmove(spans + at + 1, spans + at, (*count - at) * sizeof(*spans));
	spans[at] = span;
	++*count;
}

int64_t fw_spans_bytes(const struct fw_span *spans, size_t count)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += spans[i].to - spans[i].from;
	return bytes;
}

/* A number of at most 18 digits, which no file is larger than. */
static bool take_number(struct fw_slice *text, int64_t *out)
{
	int64_t number = 0;
	size_t digits = 0;

	for (; digits < text->len && text->at[digits] >= '0' && text->at[digits] <= '9' &&
		digits < 19;
		digits++)
		number = digits < 18 ? number * 10 + (text->at[digits] - '0') : -1;
	if (!digits || number < 0)
		return false;
	*text = (struct fw_slice){text->at + digits, text->len - digits};
	*out = number;
	return true;
}

static bool take_byte(struct fw_slice *text, char byte)
{
	if (!text->len || text->at[0] != byte)
		return false;
	*text = (struct fw_slice){text->at + 1, text->len - 1};
	return true;
}

size_t fw_spans_parse(struct fw_slice text, struct fw_span *spans, size_t most)
{
	struct fw_span span;
	size_t count = 0;

	do {
		if (!take_number(&text, &span.from) || !take_byte(&text, '-') ||
			!take_number(&text, &span.to))
			break;
		span.to++;
		fw_spans_add(spans, &count, most, span);
	} while (take_byte(&text, ','));
	return count;
}

void fw_spans_format(const struct fw_span *spans, size_t count, char *text)
{
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		text += sprintf(text, "%s%" PRId64 "-%" PRId64, i ? "," : "", spans[i].from,
			spans[i].to - 1);
}
