/* Which devices told which version a moment ago, so that a device that asks again and again is not written down each time. A small
 * cache of fixed size that may forget; never wrong but by a collision of 64-bit hashes. Broker thread only; pure. */
#ifndef FW_RECENT_H
#define FW_RECENT_H

#include "fw.h"

struct fw_recent;

struct fw_recent *fw_recent_new(void); /* NULL when out of memory */
void fw_recent_free(struct fw_recent *recent); /* NULL is fine */

/* What a device told, and what it was told. */
struct fw_recent_words {
	struct fw_slice version; /* that it runs; empty: none told */
	struct fw_slice offered; /* firmware id that it was offered; empty: none */
};

/* True when this is news: other words than the last ones, or those are more than a minute old or of another generation of the catalog, in
 * which an operator may have deleted the device. `now`: Unix ms. */
bool fw_recent_note(struct fw_recent *recent, struct fw_slice product, struct fw_slice device, struct fw_recent_words words, uint64_t generation, int64_t now);

/* The next note of the device is news. */
void fw_recent_forget(struct fw_recent *recent, struct fw_slice product, struct fw_slice device);

#endif
