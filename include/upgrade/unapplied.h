/* What acknowledged uplinks said that the store has not applied yet. So a read after a report, and
 * a pull after a completed upgrade, are answered right, however long the catalog is locked. Broker
 * thread only; pure.
 *
 * Bounded: at most FW_UNAPPLIED_MAX devices, those forgotten but not freed yet included. */
#ifndef FW_UPGRADE_UNAPPLIED_H
#define FW_UPGRADE_UNAPPLIED_H

#include "base/fw.h"
#include "protocol/uplink.h"

#ifndef FW_UNAPPLIED_MAX /* tests use fewer */
#define FW_UNAPPLIED_MAX (1u << 20)
#endif
#define FW_UNAPPLIED_CLOSED_MAX 4u /* ended upgrades remembered for a device */

struct fw_unapplied;

struct fw_unapplied *fw_unapplied_new(void);            /* NULL when out of memory */
void fw_unapplied_free(struct fw_unapplied *unapplied); /* NULL is fine */

/* Notes what the uplink, appended to the spool last or about to be, says that answers depend on.
 * `unregistered`: the catalog may not have the device in this product, so it is noted that its id
 * was heard for it; of several products with this device id the first one is remembered. FW_OK;
 * FW_NOMEM; FW_FULL: no room for one more device. */
enum fw_status fw_unapplied_note(
	struct fw_unapplied *unapplied, const struct fw_uplink *uplink, bool unregistered);

/* The product of the first unapplied uplink with this device id, an empty slice when there is none.
 * *unchecked: all its uplinks are, so the id counts as heard for the product only if the catalog
 * has it in no other. Borrowed until the next change. */
struct fw_slice fw_unapplied_product(
	const struct fw_unapplied *unapplied, struct fw_slice device, bool *unchecked);

/* The store has applied all records up to `applied`; `last` is the last one that was appended, all
 * of which are noted here. Forgets what is no longer needed, and frees a part of what is forgotten:
 * call it often. */
void fw_unapplied_applied(struct fw_unapplied *unapplied, uint64_t applied, uint64_t last);

/* What the device runs, as its last unapplied uplink names it. */
struct fw_running {
	struct fw_slice version;     /* empty: none is named */
	struct fw_slice firmware_id; /* empty, unless it is all that the uplink names */
	bool completed;              /* it has completed that upgrade, and not reported since */
};

/* Both slices are empty when there is none; borrowed until the next change. */
struct fw_running fw_unapplied_running(
	const struct fw_unapplied *unapplied, struct fw_slice product, struct fw_slice device);

/* Has the upgrade to this firmware ended, or does the device run its `version`, by an unapplied
 * uplink? */
bool fw_unapplied_closed(const struct fw_unapplied *unapplied, struct fw_slice product,
	struct fw_slice device, struct fw_slice firmware_id, struct fw_slice version);

#endif
