/* Work at which an operator's trigger ended a transaction (RAISE(ROLLBACK)): it is passed over for
 * a minute, as it would end the next one, too, and hold up all that is done together with it. Store
 * thread only. */
#ifndef FW_STORE_POISON_H
#define FW_STORE_POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than a transaction of the scheduler tries. Of too many, the oldest is forgotten. */
#define FW_POISON_MAX 1024u

struct fw_poison {
	struct {
		uint64_t work; /* a hash that names it */
		int64_t until; /* boot ms */
	} found[FW_POISON_MAX];
	size_t count, next; /* next: the place of the next one */
};

void fw_poison_add(struct fw_poison *poison, uint64_t work, int64_t now);
bool fw_poison_has(const struct fw_poison *poison, uint64_t work, int64_t now);

#endif
