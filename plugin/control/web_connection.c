/* The server's connections: each has a slot, and a time after which it is ended. The keeper, a
 * thread, does that: the library's timeout does not end a client that sends a byte now and then.
 * While there is no connection the keeper sleeps. */
#include "control/web_internal.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "http/asked.h"

#define CROWDED_MS 5000 /* the longest time of a connection while most slots are taken */
#define LOOK_MS 500     /* between two looks of the keeper */

enum MHD_Result fw_web_admit(void *context, const struct sockaddr *address, socklen_t len)
{
	struct fw_web *web = context;

	(void)len;
	return fw_http_slots_admit(&web->slots, address) ? MHD_YES : MHD_NO;
}

static void write_address(const struct sockaddr *address, socklen_t len, char out[FW_WEB_FROM])
{
	if (getnameinfo(address, len, out, FW_WEB_FROM, NULL, 0, NI_NUMERICHOST) != 0)
		out[0] = '\0';
}

/* Writes the client's address, or its user id, and the local address that it connected to. */
static void describe(struct fw_web_connection *connection, bool is_unix)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	struct ucred peer = {.uid = (uid_t)-1};

	if (is_unix) {
		len = sizeof(peer);
		getsockopt(connection->slot.socket, SOL_SOCKET, SO_PEERCRED, &peer, &len);
		snprintf(connection->from, sizeof(connection->from), "uid %ld", (long)peer.uid);
		return;
	}
	if (getpeername(connection->slot.socket, (struct sockaddr *)&address, &len) == 0)
		write_address((struct sockaddr *)&address, len, connection->from);
	len = sizeof(address);
	if (getsockname(connection->slot.socket, (struct sockaddr *)&address, &len) == 0)
		write_address((struct sockaddr *)&address, len, connection->local);
}

static struct fw_web_connection *take_slot(struct fw_web *web, struct MHD_Connection *mhd)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(address);
	struct fw_web_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->slot.socket = fw_http_socket_of(mhd);
	getpeername(connection->slot.socket, (struct sockaddr *)&address, &len);
	connection->slot.address = fw_http_address_of((const struct sockaddr *)&address);
	connection->patience_ms = (int)web->config.timeout_seconds * 1000;
	describe(connection, web->is_unix);
	if (fw_http_slots_take(&web->slots, &connection->slot) != FW_OK) {
		free(connection);
		return NULL;
	}
	pthread_mutex_lock(&web->slots.lock);
	pthread_cond_signal(&web->changed);
	pthread_mutex_unlock(&web->slots.lock);
	return connection;
}

void fw_web_on_connection(void *context, struct MHD_Connection *mhd, void **connection,
	enum MHD_ConnectionNotificationCode code)
{
	struct fw_web *web = context;

	/* the library started this thread; threads that it starts from here inherit the priority */
	fw_thread_step_behind();
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*connection = take_slot(web, mhd);
		if (!*connection)
			shutdown(fw_http_socket_of(mhd), SHUT_RDWR);
	} else if (*connection) {
		fw_http_slots_leave(&web->slots, &((struct fw_web_connection *)*connection)->slot);
		free(*connection);
		*connection = NULL;
	}
}

struct fw_web_connection *fw_web_connection_of(struct MHD_Connection *mhd)
{
	return fw_http_context_of(mhd);
}

void fw_web_patience(struct fw_web *web, struct fw_web_connection *connection, unsigned seconds)
{
	pthread_mutex_lock(&web->slots.lock);
	connection->slot.since = fw_boot_ms();
	connection->patience_ms = (int)seconds * 1000;
	pthread_mutex_unlock(&web->slots.lock);
}

/* With the lock held. */
static void end_late(struct fw_web *web)
{
	int64_t now = fw_boot_ms();
	bool crowded = fw_http_slots_crowded(&web->slots);

	for (struct fw_http_slot *slot = web->slots.first; slot; slot = slot->next) {
		const struct fw_web_connection *connection =
			(struct fw_web_connection *)(void *)((char *)slot -
				offsetof(struct fw_web_connection, slot));
		int patience = connection->patience_ms;

		if (patience && crowded && patience > CROWDED_MS)
			patience = CROWDED_MS;
		/* its thread wakes up to a closed connection */
		if (patience && now - slot->since >= patience)
			shutdown(slot->socket, SHUT_RDWR);
	}
}

void *fw_web_keep(void *context)
{
	struct fw_web *web = context;

	fw_thread_step_behind();
	pthread_mutex_lock(&web->slots.lock);
	while (!web->stopping) {
		struct timespec deadline = fw_after_ms(LOOK_MS);

		if (!web->slots.first) {
			pthread_cond_wait(&web->changed, &web->slots.lock);
			continue;
		}
		pthread_cond_timedwait(&web->changed, &web->slots.lock, &deadline);
		end_late(web);
	}
	pthread_mutex_unlock(&web->slots.lock);
	return NULL;
}
