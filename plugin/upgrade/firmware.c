/* Firmware as the resolver hands it out: one block of memory with its texts behind it. */
#include "upgrade/resolver.h"

#include <stdlib.h>
#include <string.h>

static size_t text_room(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *put_text(char **at, const char *text)
{
	char *put = *at;

	*at += text_room(text);
	return text ? memcpy(put, text, text_room(text)) : NULL;
}

struct fw_firmware *fw_firmware_copy(const struct fw_firmware *firmware)
{
	struct fw_firmware *copy = malloc(sizeof(*copy) + text_room(firmware->version) +
		text_room(firmware->rendered) + text_room(firmware->firmware_id) +
		text_room(firmware->file));
	char *at;

	if (!copy)
		return NULL;
	*copy = *firmware;
	at = (char *)(copy + 1);
	copy->version = put_text(&at, firmware->version);
	copy->rendered = put_text(&at, firmware->rendered);
	copy->firmware_id = put_text(&at, firmware->firmware_id);
	copy->file = put_text(&at, firmware->file);
	return copy;
}
