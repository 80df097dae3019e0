/* What the simplest uplinks leave in `unapplied`. */
#ifndef FW_TEST_NOTED_UPLINK_H
#define FW_TEST_NOTED_UPLINK_H

#include "upgrade/unapplied.h"

/* The device reports `version`; or, if `closed` is not empty, has ended the upgrade to that
 * firmware: with success if there is a version. */
static inline enum fw_status note_uplink(struct fw_unapplied *unapplied, struct fw_slice product,
	struct fw_slice device, struct fw_slice version, struct fw_slice closed)
{
	const struct fw_uplink uplink = {
		.kind = closed.len ? FW_UPLINK_PROGRESS : FW_UPLINK_REPORT,
		.product = product,
		.device = device,
		.version = version,
		.firmware_id = closed,
		.complete = closed.len > 0,
		.success = version.len > 0,
	};

	return fw_unapplied_note(unapplied, &uplink, false);
}

/* The device, which the catalog may not have in this product, says nothing of versions. */
static inline enum fw_status note_id_heard(
	struct fw_unapplied *unapplied, struct fw_slice product, struct fw_slice device)
{
	const struct fw_uplink uplink = {
		.kind = FW_UPLINK_PULL, .product = product, .device = device};

	return fw_unapplied_note(unapplied, &uplink, true);
}

/* The same, while the catalog cannot be asked. */
static inline enum fw_status note_id_unchecked(
	struct fw_unapplied *unapplied, struct fw_slice product, struct fw_slice device)
{
	const struct fw_uplink uplink = {
		.kind = FW_UPLINK_PULL, .product = product, .device = device, .unchecked = true};

	return fw_unapplied_note(unapplied, &uplink, true);
}

#endif
