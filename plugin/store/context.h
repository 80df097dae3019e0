/* What the parts of the store share and do not change: options, and what belongs to others. For the
 * store's own files; store thread only. */
#ifndef FW_STORE_CONTEXT_H
#define FW_STORE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"

struct fw_counters;
struct fw_hosting;
struct fw_outbox;
struct fw_places;
struct fw_task_status;

struct fw_store_context {
	struct fw_outbox *outbox;      /* borrowed */
	struct fw_counters *counters;  /* borrowed; NULL: nothing is counted */
	struct fw_hosting *hosting;    /* borrowed */
	struct fw_places *places;      /* borrowed; NULL until the parts are open */
	struct fw_task_status *status; /* borrowed; NULL: no status is published */
	/* option connection_rate: pushes a second to one connection, and task events a second; 0:
	 * no limit */
	int64_t rate;
	bool gateways;                          /* a connection may be that of many devices */
	bool sees_connections;                  /* as in struct fw_store_config */
	enum fw_registration_mode registration; /* which devices uplinks add */
	/* connections of this run of the broker have this number or a higher one */
	uint64_t first_connection;
};

#endif
