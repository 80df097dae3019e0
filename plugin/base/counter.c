/* Names of the counters, and which one a request for a command belongs to. */
#include "base/counter.h"

#include <string.h>

static const char *const topics[FW_COUNTERS_PUBLISHED] = {
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

unsigned fw_counter_took(size_t index)
{
	/* up to the longest timeout that a task may have, about a day */
	static const unsigned seconds[FW_COUNT_DURATIONS] = {
		5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400, 0};

	return index < FW_COUNT_DURATIONS ? seconds[index] : 0;
}

static const char *const faces[FW_COUNT_FACES] = {"control", "http"};
static const char *const outcomes[FW_COUNT_OUTCOMES] = {
	"ok", "bad_request", "not_found", "conflict", "not_allowed", "busy", "too_large", "failed"};

const char *fw_counter_face(size_t face)
{
	return face < FW_COUNT_FACES ? faces[face] : "";
}

const char *fw_counter_outcome(size_t outcome)
{
	return outcome < FW_COUNT_OUTCOMES ? outcomes[outcome] : "";
}

/* The index of `name` of `count` names, or of the last one. */
static size_t index_of(const char *const *names, size_t count, const char *name)
{
	size_t i = 0;

	while (i + 1 < count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

void fw_count_request(struct fw_counters *counters, const char *face, const char *outcome)
{
	size_t index = index_of(faces, FW_COUNT_FACES, face) * FW_COUNT_OUTCOMES +
		index_of(outcomes, FW_COUNT_OUTCOMES, outcome);

	fw_count(counters, (enum fw_counter)(FW_COUNT_REQUESTS + index));
}
