#include "base/counter.h"

static const char *const topics[FW_COUNTERS] = {
	[FW_COUNT_PULLS_ANSWERED] = "pulls/answered",
	[FW_COUNT_PULLS_BAD_REQUEST] = "pulls/refused/bad_request",
	[FW_COUNT_PULLS_UNKNOWN_PRODUCT] = "pulls/refused/unknown_product",
	[FW_COUNT_PULLS_FIRMWARE_DISABLED] = "pulls/refused/firmware_disabled",
	[FW_COUNT_PULLS_VERSION_NOT_FOUND] = "pulls/refused/version_not_found",
	[FW_COUNT_PULLS_NO_UPDATE] = "pulls/refused/no_update",
	[FW_COUNT_READS] = "reads",
	[FW_COUNT_REPORTS] = "reports",
	[FW_COUNT_PROGRESS] = "progress",
	[FW_COUNT_REPLIES] = "replies",
	[FW_COUNT_REFUSED] = "messages/refused",
	[FW_COUNT_MENDED] = "messages/mended",
	[FW_COUNT_ASTRAY] = "messages/astray",
	[FW_COUNT_LIMITED] = "messages/limited",
	[FW_COUNT_UNSAVED] = "messages/unsaved",
	[FW_COUNT_PUSHES] = "pushes",
	[FW_COUNT_DOWNLOADS_BEGUN] = "downloads/begun",
	[FW_COUNT_DOWNLOADS_FINISHED] = "downloads/finished",
	[FW_COUNT_DOWNLOADS_BYTES] = "downloads/bytes",
	[FW_COUNT_DOWNLOADS_REFUSED] = "downloads/refused",
	[FW_COUNT_CHUNKS_SENT] = "chunks/sent",
	[FW_COUNT_CHUNKS_BYTES] = "chunks/bytes",
	[FW_COUNT_CHUNKS_REFUSED] = "chunks/refused",
	[FW_COUNT_SPOOL_BYTES] = "spool/bytes",
};

const char *fw_counter_topic(enum fw_counter counter)
{
	return topics[counter];
}
