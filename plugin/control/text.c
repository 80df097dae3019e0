/* Text of statements, in memory that grows. */
#include <stdio.h>
#include <stdlib.h>

#include "control/internal.h"

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
	if (text->len + (size_t)len >= text->size) {
		size_t size = 2 * (text->len + (size_t)len + 256);
		char *at = realloc(text->at, size);

		text->failed = !at;
		text->at = at ? at : text->at;
		text->size = at ? size : text->size;
	}
	for (int i = 0; !text->failed && i <= len; i++)
		text->at[text->len + (size_t)i] = piece[i];
	text->len += text->failed ? 0 : (size_t)len;
	free(piece);
}

char *fw_text_end(struct fw_text *text)
{
	if (!text->failed && text->at)
		return text->at;
	free(text->at);
	return NULL;
}
