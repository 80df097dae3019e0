/* Option `sync full`: no acknowledged uplink is unsafe for longer than an interval.
 *
 * An uplink is safe when the catalog has it, since each commit syncs SQLite's log, or when its
 * spool segment was synced. So while the store keeps up, the spool is never synced. There is a look
 * at least every half of the interval. An uplink that the look before has seen, and that the
 * catalog still does not have, is at least that old: then the spool is synced.
 *
 * A segment of the spool is deleted after the commit that applied its records, and so after the
 * sync of the log behind it. One that an earlier run applied is deleted after the first commit of
 * this one: that run may have ended before its log was synced. */
#include "store/durability.h"

int64_t fw_durability_sleep_ms(const struct fw_durability *durability, int64_t ms)
{
	return durability->full && ms > durability->interval_ms / 2 ? durability->interval_ms / 2
								    : ms;
}

enum fw_status fw_durability_flush(struct fw_durability *durability, uint64_t applied)
{
	if (!durability->full ||
		fw_spool_last(durability->spool) <=
			(applied > durability->synced ? applied : durability->synced))
		return FW_OK;
	return fw_spool_sync(durability->spool, &durability->synced);
}

enum fw_status fw_durability_check(struct fw_durability *durability, uint64_t applied)
{
	int64_t now = fw_boot_ms(), since = now - durability->looked_ms;
	uint64_t safe = applied > durability->synced ? applied : durability->synced;
	enum fw_status status = FW_OK;

	if (!durability->full || since < durability->interval_ms / 2)
		return FW_OK;
	/* or the thread was held up: uplinks that came since the last look may be as old */
	if (durability->seen > safe || since >= durability->interval_ms)
		status = fw_durability_flush(durability, applied);
	durability->seen = fw_spool_last(durability->spool);
	durability->looked_ms = now;
	return status;
}
