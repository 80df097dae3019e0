/* The server's connections, and how long each keeps its slot: a request must come in whole in time,
 * a transfer must move, and nobody gets more than a share of the slots. The library's own timeout
 * is not used: it takes a client that sends a byte now and then for active, and one that reads
 * slowly, while much waits for it in the kernel, for idle. */
#include "http/internal.h"

#include <stdlib.h>

#include "base/thread.h"
#include "http/asked.h"

/* When most slots are taken, the server waits less. */
#define CROWDED_REQUEST_MS 5000
#define CROWDED_LEAST 65536 /* bytes of a transfer in its window */

enum MHD_Result fw_http_admit(void *context, const struct sockaddr *address, socklen_t len)
{
	struct fw_http *http = context;
	bool room = fw_http_slots_admit(&http->slots, address);

	(void)len;
	if (!room)
		fw_count(http->config.counters, FW_COUNT_DOWNLOADS_REFUSED);
	return room ? MHD_YES : MHD_NO;
}

static struct fw_http_connection *connection_at(struct fw_http_slot *slot)
{
	return (struct fw_http_connection *)(void *)((char *)slot -
		offsetof(struct fw_http_connection, slot));
}

static struct fw_http_connection *take_slot(struct fw_http *http, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *address =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct fw_http_connection *connection = address ? calloc(1, sizeof(*connection)) : NULL;

	if (!connection)
		return NULL;
	connection->slot.address = fw_http_address_of(address->client_addr);
	connection->slot.socket = fw_http_socket_of(mhd);
	if (fw_http_slots_take(&http->slots, &connection->slot) == FW_OK)
		return connection;
	free(connection);
	return NULL;
}

static void leave_slot(struct fw_http *http, struct fw_http_connection *connection)
{
	fw_http_slots_leave(&http->slots, &connection->slot);
	free(connection);
}

void fw_http_on_connection(void *context, struct MHD_Connection *mhd, void **connection,
	enum MHD_ConnectionNotificationCode code)
{
	/* the library started this thread */
	fw_thread_step_behind();
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*connection = take_slot(context, mhd);
		if (!*connection)
			shutdown(fw_http_socket_of(mhd), SHUT_RDWR);
	} else if (*connection) {
		leave_slot(context, *connection);
		*connection = NULL;
	}
}

struct fw_http_connection *fw_http_connection_of(struct MHD_Connection *mhd)
{
	return fw_http_context_of(mhd);
}

void fw_http_connection_renew(struct fw_http *http, struct fw_http_connection *connection,
	struct fw_http_transfer *transfer)
{
	pthread_mutex_lock(&http->slots.lock);
	connection->slot.since = fw_boot_ms();
	connection->transfer = transfer;
	if (transfer)
		fw_http_transfer_begin(http, transfer, connection->slot.socket);
	pthread_mutex_unlock(&http->slots.lock);
}

/* With the lock held: may the connection keep its slot? */
static bool may_stay(
	struct fw_http *http, struct fw_http_connection *connection, int64_t now, bool crowded)
{
	const struct fw_http_config *config = &http->config;
	int64_t patience = (int64_t)config->timeout_seconds * 1000;

	if (!connection->transfer)
		return now - connection->slot.since <
			(crowded && patience > CROWDED_REQUEST_MS ? CROWDED_REQUEST_MS : patience);
	if (!fw_http_transfer_holds(connection->transfer))
		return false;
	fw_http_transfer_report(http, connection->transfer, connection->slot.socket);
	/* a client is not judged by what the kernel does not say */
	return !http->knows_acks ||
		fw_http_transfer_moves(connection->transfer, now,
			(int64_t)config->window_seconds * 1000,
			crowded ? CROWDED_LEAST : FW_HTTP_LEAST);
}

/* With the lock held. The server's thread wakes up to a closed connection. Bytes of a file that
 * wait in the kernel are dropped with it. */
static void end_connection(const struct fw_http_connection *connection)
{
	static const struct linger at_once = {1, 0};

	if (connection->transfer)
		setsockopt(
			connection->slot.socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	shutdown(connection->slot.socket, SHUT_RDWR);
}

/* Which firmware that is being sent must not be sent any more. The catalog is asked without the
 * lock. NULL when out of memory: the next sample asks again. */
static struct fw_table *find_withdrawn(struct fw_http *http)
{
	struct fw_table *found = http->config.withdrawn ? fw_table_new(0) : NULL;
	struct fw_table_walk walk = {.bucket = 0};

	if (!found)
		return NULL;
	pthread_mutex_lock(&http->slots.lock);
	for (struct fw_http_slot *slot = http->slots.first; slot; slot = slot->next) {
		struct fw_http_connection *connection = connection_at(slot);

		if (connection->transfer)
			fw_table_put(
				found, fw_slice_of(connection->transfer->firmware_id), http, NULL);
	}
	pthread_mutex_unlock(&http->slots.lock);
	while (fw_table_next(found, &walk)) {
		if (!http->config.withdrawn(http->config.context, walk.key))
			fw_table_remove(found, walk.key);
	}
	return found;
}

void fw_http_sample(struct fw_http *http)
{
	struct fw_table *withdrawn = http ? find_withdrawn(http) : NULL;
	int64_t now = fw_boot_ms();
	bool crowded;

	if (!http)
		return;
	pthread_mutex_lock(&http->slots.lock);
	crowded = fw_http_slots_crowded(&http->slots);
	for (struct fw_http_slot *slot = http->slots.first; slot; slot = slot->next) {
		struct fw_http_connection *connection = connection_at(slot);
		bool ended = withdrawn && connection->transfer &&
			fw_table_get(withdrawn, fw_slice_of(connection->transfer->firmware_id));

		if (ended || !may_stay(http, connection, now, crowded))
			end_connection(connection);
	}
	pthread_mutex_unlock(&http->slots.lock);
	fw_table_free(withdrawn);
}
