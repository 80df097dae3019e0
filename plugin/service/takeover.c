/* Memory is of fixed size. Two tables of pointers, one slot a hash, remember clients that published
 * without a subscription, and clients that are gone while their session is kept. A pointer that is
 * overwritten makes one end count that was no take-over; a line needs four of one id in a minute.
 * Ids that were taken over lie in sets of four slots: the one whose last take-over is longest ago
 * makes room. */
#include "service/takeover.h"

#include <stdio.h>
#include <stdlib.h>

#include "service/refusal_log.h"

#define POINTERS 16384u /* powers of two */
#define SETS 256u
#define WAYS 4u
#define MINUTE_MS 60000
/* Take-overs of an id in a minute that are not logged: a device whose link breaks makes some. */
#define FREE 3u
#define LINES_MOST 10u

/* An id that was taken over. Zero: never. */
struct id {
	uint64_t hash;
	int64_t at[FREE]; /* the last ones, the oldest first */
	int64_t logged_at;
};

struct fw_takeovers {
	uint64_t seed;
	const void *bare[POINTERS]; /* published last without a subscription, in a clean session */
	const void *kept[POINTERS]; /* gone, their session kept */
	struct id ids[SETS][WAYS];
	int64_t minute_at; /* when the minute began in which `lines` were written */
	unsigned lines;
	uint64_t suppressed; /* lines since the last one that was written */
};

struct fw_takeovers *fw_takeovers_new(void)
{
	struct fw_takeovers *takeovers = calloc(1, sizeof(*takeovers));

	if (takeovers)
		takeovers->seed = fw_random();
	return takeovers;
}

void fw_takeovers_free(struct fw_takeovers *takeovers)
{
	free(takeovers);
}

static const void **slot_of(const void **table, const void *handle)
{
	uint64_t hash = (uint64_t)(uintptr_t)handle * UINT64_C(0x9e3779b97f4a7c15);

	return &table[hash >> 50 & (POINTERS - 1)];
}

static void remember(const void **table, const void *handle)
{
	*slot_of(table, handle) = handle;
}

/* Was it remembered? */
static bool forget(const void **table, const void *handle)
{
	const void **slot = slot_of(table, handle);

	if (*slot != handle)
		return false;
	*slot = NULL;
	return true;
}

void fw_takeovers_spoke(struct fw_takeovers *takeovers, const struct fw_takeover_client *client)
{
	if (client->clean && !client->subscribed)
		remember(takeovers->bare, client->handle);
	else
		forget(takeovers->bare, client->handle);
}

/* Does the client look as 2.0 leaves one that is thrown out? See the header. */
static bool is_stripped(const struct fw_takeover_client *client, bool was_bare)
{
	return client->clean && !client->subscribed && !was_bare;
}

static bool is_taken_over(struct fw_takeovers *takeovers, const struct fw_takeover_client *client,
	enum fw_ending ending)
{
	bool was_bare = forget(takeovers->bare, client->handle),
	     was_gone = forget(takeovers->kept, client->handle);

	if (was_gone)
		return false;
	if (!client->clean)
		remember(takeovers->kept, client->handle);
	if (ending == FW_ENDING_UNTOLD)
		return is_stripped(client, was_bare);
	return ending == FW_ENDING_TAKEN_OVER;
}

static struct id *find_id(struct fw_takeovers *takeovers, uint64_t hash)
{
	struct id *set = takeovers->ids[(hash ^ hash >> 32) & (SETS - 1)], *oldest = set;

	for (struct id *id = set; id < set + WAYS; id++) {
		if (id->hash == hash)
			return id;
		if (id->at[FREE - 1] < oldest->at[FREE - 1])
			oldest = id;
	}
	*oldest = (struct id){.hash = hash};
	return oldest;
}

/* More than FREE in a minute, and no line within one? */
static bool is_due(struct id *id, int64_t now)
{
	int64_t first = id->at[0];

	for (unsigned i = 1; i < FREE; i++)
		id->at[i - 1] = id->at[i];
	id->at[FREE - 1] = now;
	if (!first || now - first >= MINUTE_MS ||
		(id->logged_at && now - id->logged_at < MINUTE_MS))
		return false;
	id->logged_at = now;
	return true;
}

static bool has_room(struct fw_takeovers *takeovers, int64_t now)
{
	if (now - takeovers->minute_at >= MINUTE_MS) {
		takeovers->minute_at = now;
		takeovers->lines = 0;
	}
	if (takeovers->lines >= LINES_MOST) {
		takeovers->suppressed++;
		return false;
	}
	takeovers->lines++;
	return true;
}

static void write_line(
	struct fw_takeovers *takeovers, const char *id, enum fw_ending ending, char *line)
{
	char safe[FW_REFUSAL_NAME], more[80] = "";

	fw_refusal_escape(safe, id);
	if (takeovers->suppressed)
		snprintf(more, sizeof(more), " (and %llu more such ids since the last such line)",
			(unsigned long long)takeovers->suppressed);
	takeovers->suppressed = 0;
	snprintf(line, FW_TAKEOVER_LINE,
		"client id %s: connections were taken over more than %u times within a minute: "
		"two clients use it and throw each other out%s; give each an id of its own%s",
		safe, FREE,
		ending == FW_ENDING_UNTOLD ? " (or one connects again and again, and goes before "
					     "it subscribes or says anything)"
					   : "",
		more);
}

bool fw_takeovers_ended(struct fw_takeovers *takeovers, const struct fw_takeover_client *client,
	enum fw_ending ending, int64_t now, char *line)
{
	struct fw_slice id = fw_slice_of(client->id);

	if (!is_taken_over(takeovers, client, ending))
		return false;
	if (!is_due(find_id(takeovers, fw_hash(takeovers->seed, id.at, id.len)), now) ||
		!has_room(takeovers, now))
		return false;
	write_line(takeovers, client->id, ending, line);
	return true;
}
