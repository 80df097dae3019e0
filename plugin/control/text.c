/* Text of statements, in memory that grows. Without memory it is marked as failed: so the callers
 * check it once, at its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/internal.h"

static void grow(struct fw_text *text, size_t size)
{
	char *at = realloc(text->at, size);

	if (at) {
		text->at = at;
		text->size = size;
	}
	text->failed = !at;
}

void fw_text_add(struct fw_text *text, const char *format, ...)
{
	va_list arguments;
	char *piece = NULL;
	int len;

	if (text->failed)
		return;
	va_start(arguments, format);
	len = vasprintf(&piece, format, arguments);
	va_end(arguments);
	if (len < 0) {
		text->failed = true;
		return;
	}
	if (text->len + (size_t)len >= text->size)
		grow(text, 2 * (text->len + (size_t)len + 256));
	if (!text->failed) {
		memcpy(text->at + text->len, piece, (size_t)len + 1);
		text->len += (size_t)len;
	}
	free(piece);
}

char *fw_text_end(struct fw_text *text)
{
	if (!text->failed && text->at)
		return text->at;
	free(text->at);
	return NULL;
}
