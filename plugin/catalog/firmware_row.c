/* Makes a struct fw_firmware of a row: its texts are SQLite's at first, the offer is rendered from
 * them, and fw_firmware_copy takes all into one block. */
#include "catalog/firmware_row.h"

#include <stdlib.h>

#include "catalog/db.h"

static const char *text_of(sqlite3_stmt *statement, int column)
{
	return (const char *)sqlite3_column_text(statement, column);
}

static void read_file(sqlite3_stmt *statement, bool url_per_device, struct fw_firmware *firmware)
{
	firmware->file = text_of(statement, 9);
	if (!firmware->file)
		return;
	firmware->ready = firmware->ready && sqlite3_column_int(statement, 10);
	firmware->url_per_device = url_per_device && sqlite3_column_int(statement, 11);
	firmware->stamp = (struct fw_file_stamp){.size = sqlite3_column_int64(statement, 12),
		.mtime_ns = sqlite3_column_int64(statement, 13),
		.ctime_ns = sqlite3_column_int64(statement, 14),
		.inode = sqlite3_column_int64(statement, 15)};
}

/* *out stays NULL when the row cannot be offered. FW_OK or FW_NOMEM. */
static enum fw_status render(const struct fw_offer *offer, char **out)
{
	enum fw_status status = FW_INVALID;

	if (offer->url && offer->sign && offer->sign_method && offer->parameters)
		status = fw_message_render_offer(offer, out);
	return status == FW_INVALID ? FW_OK : status;
}

static enum fw_status make_firmware(
	sqlite3_stmt *statement, bool url_per_device, struct fw_firmware **out)
{
	struct fw_firmware firmware = {.order = sqlite3_column_int64(statement, 0),
		.ready = sqlite3_column_int(statement, 1) != 0,
		.firmware_id = text_of(statement, 2),
		.version = text_of(statement, 3)};
	enum fw_status status = FW_OK;
	char *rendered = NULL;

	if (!firmware.firmware_id || !firmware.version)
		return FW_NOMEM;
	read_file(statement, url_per_device, &firmware);
	if (firmware.ready)
		status = render(&(struct fw_offer){.firmware_id = firmware.firmware_id,
					.version = firmware.version,
					.url = text_of(statement, 4),
					.sign = text_of(statement, 5),
					.sign_method = text_of(statement, 6),
					.parameters = text_of(statement, 7),
					.size = sqlite3_column_int64(statement, 8),
					.url_per_device = firmware.url_per_device},
			&rendered);
	firmware.rendered = rendered;
	firmware.ready = rendered != NULL;
	*out = status == FW_OK ? fw_firmware_copy(&firmware) : NULL;
	free(rendered);
	return *out ? FW_OK : FW_NOMEM;
}

enum fw_status fw_firmware_row_read(
	sqlite3_stmt *statement, bool url_per_device, struct fw_firmware **out)
{
	enum fw_status status = fw_db_step(statement);

	if (status != FW_OK)
		return status;
	status = make_firmware(statement, url_per_device, out);
	sqlite3_reset(statement);
	return status;
}
