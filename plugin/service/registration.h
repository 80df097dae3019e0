/* For which products a device is served (option `registration`): a device of one product must not
 * get the firmware of another by asking under its topics. Broker thread only; pure: the catalog is
 * asked by a function.
 *
 * With `once` an id belongs to the product it was first heard for, by a row of the catalog or by an
 * uplink that is acknowledged and not applied yet, and to each product that an operator added it
 * to. With `closed` it belongs where it has a row. */
#ifndef FW_SERVICE_REGISTRATION_H
#define FW_SERVICE_REGISTRATION_H

#include "base/fw.h"
#include "base/options.h"
#include "upgrade/unapplied.h"

enum fw_standing {
	FW_STANDING_REGISTERED, /* it belongs to the product */
	FW_STANDING_UNHEARD,    /* nothing was ever heard of the id: what it says registers it */
	FW_STANDING_FOREIGN,    /* it does not belong to the product */
	FW_STANDING_UNKNOWN,    /* the catalog cannot be asked */
};

/* Has the catalog a row of the device in the product, and has it one in another product? FW_OK, or
 * an error. */
typedef enum fw_status fw_registration_find(void *context, struct fw_slice product,
	struct fw_slice device, bool *here, bool *elsewhere);

struct fw_registration;

/* `unapplied` and `context` are borrowed. NULL when out of memory. */
struct fw_registration *fw_registration_new(enum fw_registration_mode mode,
	fw_registration_find *find, void *context, const struct fw_unapplied *unapplied);
void fw_registration_free(struct fw_registration *registration); /* NULL is fine */

/* How the device stands to the product. `generation` is the catalog's. A row that was found is
 * cached until the generation moves; an operator's DELETE moves it (schema/triggers/device.sql,
 * device_delete). A row that was not found is not cached, so an operator's INSERT counts at once.
 */
enum fw_standing fw_registration_of(struct fw_registration *registration, struct fw_slice product,
	struct fw_slice device, uint64_t generation);

#endif
