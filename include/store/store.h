/* The store: one thread that owns the catalog's writing connection. It applies what the spool
 * holds, in order, in short transactions, and runs the scheduler. The broker thread never waits for
 * it. */
#ifndef FW_STORE_STORE_H
#define FW_STORE_STORE_H

#include "base/clock.h"
#include "base/counter.h"
#include "base/fw.h"
#include "base/options.h"
#include "files/hosting.h"
#include "files/transfers.h"
#include "spool/spool.h"
#include "store/outbox.h"
#include "store/presence_queue.h"
#include "upgrade/places.h"

struct fw_store;

struct fw_store_config {
	const struct fw_options *options; /* borrowed, like all here, for the life of the store */
	struct fw_counters *counters;
	struct fw_outbox *outbox;
	struct fw_hosting *hosting;
	struct fw_transfers *transfers;
	bool own_table; /* the I/O thread has one (base/io_thread.h) */
	/* the broker reports each client that connects: a device that is not known to be online is
	 * offline */
	bool sees_connections;
	/* the connections of this run have this number or a higher one */
	uint64_t first_connection;
};

/* On the I/O thread (base/io_thread.h), like all that follows but for the broker thread's. Checks,
 * makes or migrates the catalog, opens it and its spool. FW_OK, or an error with a message in
 * `error`. The caller owns *out. */
enum fw_status fw_store_open(
	const struct fw_store_config *config, struct fw_store **out, struct fw_error *error);

/* Starts the store's thread. */
enum fw_status fw_store_start(struct fw_store *store, struct fw_error *error);

/* Applies what is left for at most some seconds (the rest stays in the spool), and ends the thread.
 * NULL is fine, and so is a store that was not started. */
void fw_store_stop(struct fw_store *store);

/* Stops and closes; the spool is sealed by then. NULL is fine. */
void fw_store_close(struct fw_store *store);

/* Broker thread: where uplinks go. Follow an append with fw_store_wake. */
struct fw_spool *fw_store_spool(struct fw_store *store);

/* The places that starts take: of the store, until it is closed. Any thread. */
struct fw_places *fw_store_places(struct fw_store *store);

/* The scheduler's clock, as it was set when the store was opened. Any thread. */
struct fw_clock fw_store_clock(const struct fw_store *store);

/* Broker thread. There is something new in the spool. Costs an atomic load while the store's thread
 * works. */
void fw_store_wake(struct fw_store *store);

/* Broker thread. A device showed itself, or is gone; `product` of the event empty: every device of
 * that id. A device that does not listen yet is not pushed: it would miss the message. The event
 * takes its place in the order of the uplinks; `after` and the times are set here, the rest is
 * copied. Where memory or the queue's room does not suffice, the event is lost; the store then asks
 * about all devices (FW_OUTGOING_PRESENCE). */
void fw_store_note_presence(struct fw_store *store, struct fw_presence_event event);

/* Any thread. The sequence up to which the spool is in the catalog. */
uint64_t fw_store_applied(const struct fw_store *store);

#endif
