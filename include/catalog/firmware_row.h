/* A row of firmware, as pull answers and pushes use it. For catalog/ and store/; on the thread that
 * owns the statement's connection. */
#ifndef FW_CATALOG_FIRMWARE_ROW_H
#define FW_CATALOG_FIRMWARE_ROW_H

#include <sqlite3.h>

#include "upgrade/resolver.h"

/* A query for fw_firmware_row_read: FW_SELECT_FIRMWARE "WHERE f. ..." */
#define FW_SELECT_FIRMWARE                                                                         \
	"SELECT f.version_order, f.state = 'ready', f.firmware_id, f.version, f.url, f.sign, "     \
	"f.sign_method, f.parameters, f.size,"                                                     \
	" f.file, ff.sha256 IS NOT NULL, ff.url_made, ff.size, ff.mtime_ns, ff.ctime_ns, ff.inode" \
	" FROM firmware f LEFT JOIN firmware_file ff ON ff.firmware_id = f.firmware_id AND "       \
	"ff.file = f.file "

/* The first row, as a new fw_firmware, owned by the caller, to be freed with free(); the statement
 * is reset. FW_OK, FW_NOT_FOUND when there is no row, FW_NOMEM, or an error. A row whose state was
 * set to 'ready' around the triggers counts as not ready when it lacks a member of the offer, has
 * parameters that are no JSON, or names a file that was not verified. `url_per_device`: a url that
 * the plugin made is written for each device, and not rendered. */
enum fw_status fw_firmware_row_read(
	sqlite3_stmt *statement, bool url_per_device, struct fw_firmware **out);

#endif
