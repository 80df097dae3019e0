/* A ring of hashes, each with the time until which its work is passed over. It is looked at for
 * each row that is tried, and is nearly always empty. */
#include "store/poison.h"

#define PASSED_OVER_MS 60000

void fw_poison_add(struct fw_poison *poison, uint64_t work, int64_t now)
{
	size_t place = poison->next;

	poison->next = (place + 1) % FW_POISON_MAX;
	if (poison->count < FW_POISON_MAX)
		poison->count++;
	poison->found[place].work = work;
	poison->found[place].until = now + PASSED_OVER_MS;
}

bool fw_poison_has(const struct fw_poison *poison, uint64_t work, int64_t now)
{
	for (size_t i = 0; i < poison->count; i++) {
		if (poison->found[i].work == work && now < poison->found[i].until)
			return true;
	}
	return false;
}
