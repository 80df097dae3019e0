/* Fixed-size cache of the version each device last reported, and of what it was offered. Repeated
 * pulls within a minute are not spooled again. It may forget; it is never wrong but by a collision
 * of 64-bit hashes. Broker thread only; pure. */
#ifndef FW_SERVICE_PULL_DEDUP_H
#define FW_SERVICE_PULL_DEDUP_H

#include "base/fw.h"

struct fw_pull_dedup;

struct fw_pull_dedup *fw_pull_dedup_new(void);             /* NULL when out of memory */
void fw_pull_dedup_free(struct fw_pull_dedup *pull_dedup); /* NULL is fine */

/* What a device reported and what it was offered, by which connection, in which generation of the
 * catalog. */
struct fw_pull_report {
	struct fw_slice version; /* empty: it reported none */
	struct fw_slice offered; /* firmware id that it was offered; empty: none */
	uint64_t connection, generation;
	int64_t now; /* Unix ms */
};

/* True when this is new, and remembers it. New is another version or offer than the last; also an
 * equal one when the last is over a minute old, or came by another connection (an upgrade may wait
 * for a report by the new one), or in another generation (an operator may have deleted the device).
 */
bool fw_pull_dedup_note(struct fw_pull_dedup *pull_dedup, struct fw_slice product,
	struct fw_slice device, const struct fw_pull_report *pull);

/* Forgets the device: what it reports next is new. */
void fw_pull_dedup_forget(
	struct fw_pull_dedup *pull_dedup, struct fw_slice product, struct fw_slice device);

#endif
