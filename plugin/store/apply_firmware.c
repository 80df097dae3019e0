/* Which firmware an uplink names: by its id or its version, with the last answer remembered. */
#include "store/apply_internal.h"

const char *const fw_apply_firmware_sql[FW_APPLY_STATEMENTS] = {
	[FW_APPLY_FIRMWARE_BY_ID] =
		"SELECT firmware_id, version FROM firmware WHERE product_id = ?1 AND "
		"firmware_id = ?2",
	[FW_APPLY_FIRMWARE_BY_VERSION] =
		"SELECT firmware_id, version FROM firmware WHERE product_id = ?1 AND version = ?2",
};

/* Reads the catalog. FW_OK, FW_NOT_FOUND, or an error. */
static enum fw_status find_firmware(struct fw_apply *apply, struct fw_slice product,
	struct fw_slice asked, bool by_id, struct fw_firmware_ref *found)
{
	enum fw_apply_statement which =
		by_id ? FW_APPLY_FIRMWARE_BY_ID : FW_APPLY_FIRMWARE_BY_VERSION;
	sqlite3_stmt *statement = fw_db_start(apply->statements[which], product, asked);
	enum fw_status status = fw_db_step(statement);

	if (status != FW_OK)
		return status;
	fw_db_copy_text(statement, 0, found->firmware_id, sizeof(found->firmware_id));
	fw_db_copy_text(statement, 1, found->version, sizeof(found->version));
	sqlite3_reset(statement);
	return FW_OK;
}

enum fw_status fw_apply_firmware_query(struct fw_apply *apply, struct fw_slice product,
	struct fw_slice asked, bool by_id, struct fw_firmware_ref *found)
{
	struct fw_apply_last_firmware *last = &apply->last_firmware;
	enum fw_status status;

	if (last->transaction == apply->with.transaction->number && last->by_id == by_id &&
		fw_slice_equal(asked, fw_slice_of(last->asked)) &&
		fw_slice_equal(product, fw_slice_of(last->product))) {
		*found = last->found;
		return FW_OK;
	}
	status = find_firmware(apply, product, asked, by_id, found);
	if (status != FW_OK)
		return status;
	*last = (struct fw_apply_last_firmware){
		.transaction = apply->with.transaction->number, .by_id = by_id, .found = *found};
	fw_slice_copy(product, last->product, sizeof(last->product));
	fw_slice_copy(asked, last->asked, sizeof(last->asked));
	return FW_OK;
}
