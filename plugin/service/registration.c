/* A cache of fixed size remembers which rows of devices were found, by a seeded 64-bit hash of
 * product and device: the message of a device that is known costs no query. Nothing else is cached,
 * so nothing else can be stale. */
#include "service/registration.h"

#include <stdlib.h>

#define SLOTS 65536u /* a power of two */

/* A row of this device was found in this generation of the catalog. */
struct slot {
	uint64_t device; /* hash of product and device */
	uint64_t generation;
};

struct fw_registration {
	enum fw_registration_mode mode;
	fw_registration_find *find;
	void *context;
	const struct fw_unapplied *unapplied;
	uint64_t seed;
	struct slot slots[SLOTS];
};

struct fw_registration *fw_registration_new(enum fw_registration_mode mode,
	fw_registration_find *find, void *context, const struct fw_unapplied *unapplied)
{
	struct fw_registration *registration = calloc(1, sizeof(*registration));

	if (!registration)
		return NULL;
	registration->mode = mode;
	registration->find = find;
	registration->context = context;
	registration->unapplied = unapplied;
	registration->seed = fw_random();
	return registration;
}

void fw_registration_free(struct fw_registration *registration)
{
	free(registration);
}

/* The catalog has no row of the device in the product. */
static enum fw_standing without_row(const struct fw_registration *registration,
	struct fw_slice product, struct fw_slice device, bool elsewhere)
{
	struct fw_slice heard;
	bool unchecked;

	if (registration->mode == FW_REGISTRATION_CLOSED)
		return FW_STANDING_FOREIGN;
	heard = fw_unapplied_product(registration->unapplied, device, &unchecked);
	if (heard.len && !(unchecked && elsewhere))
		return fw_slice_equal(heard, product) ? FW_STANDING_REGISTERED
						      : FW_STANDING_FOREIGN;
	return elsewhere ? FW_STANDING_FOREIGN : FW_STANDING_UNHEARD;
}

enum fw_standing fw_registration_of(struct fw_registration *registration, struct fw_slice product,
	struct fw_slice device, uint64_t generation)
{
	uint64_t hash;
	struct slot *slot;
	bool here = false, elsewhere = false;

	if (registration->mode == FW_REGISTRATION_OPEN)
		return FW_STANDING_REGISTERED;
	hash = fw_hash_device(registration->seed, product, device);
	slot = &registration->slots[(hash ^ hash >> 32) & (SLOTS - 1)];
	if (slot->device == hash && slot->generation == generation)
		return FW_STANDING_REGISTERED;
	if (registration->find(registration->context, product, device, &here, &elsewhere) != FW_OK)
		return FW_STANDING_UNKNOWN;
	if (!here)
		return without_row(registration, product, device, elsewhere);
	*slot = (struct slot){hash, generation};
	return FW_STANDING_REGISTERED;
}
