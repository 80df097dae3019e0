/* A hash table from byte strings to pointers. Not locked: one thread at a time. Pure.
 *
 * The hash is seeded at random, so that a client cannot choose keys that collide. The table grows
 * one bucket an insertion (linear hashing): no insertion ever pauses to move everything, however
 * large the table. It never shrinks until it is cleared. A pointer is a key too:
 * fw_table_key_of_pointer. */
#ifndef FW_BASE_TABLE_H
#define FW_BASE_TABLE_H

#include "base/fw.h"

struct fw_table;

/* NULL when out of memory. The caller owns the table. `expected` entries fit without the table
 * growing; 0 will do. */
struct fw_table *fw_table_new(size_t expected);

/* NULL is fine. The values are the caller's: clear first to free them. */
void fw_table_free(struct fw_table *table);

/* The value of `key`, NULL when there is none. */
void *fw_table_get(const struct fw_table *table, struct fw_slice key);

/* Puts `value` (not NULL) under `key`, whose bytes are copied. The value that was there before goes
 * to *old when `old` is given, NULL if there was none. FW_OK, or FW_NOMEM: then the table is as it
 * was, and *old is not touched. Replacing a value never fails. */
enum fw_status fw_table_put(struct fw_table *table, struct fw_slice key, void *value, void **old);

/* Takes `key` out and returns its value, NULL when there was none. `key` may point into the entry
 * itself. */
void *fw_table_remove(struct fw_table *table, struct fw_slice key);

size_t fw_table_count(const struct fw_table *table);

/* Takes all out, and gives the memory back. `drop`, when given, is called with each value, and must
 * not use the table. A NULL table is fine. */
void fw_table_clear(struct fw_table *table, void (*drop)(void *value));

/* Tables put aside with all they hold, to be freed a few entries at a time: to free a large one at
 * once keeps every client waiting. Embedded; all zero when nothing is put aside. */
struct fw_retired {
	struct fw_table *first; /* the module's own */
	size_t count;           /* entries not freed yet */
};

/* Clears *table as fw_table_clear does, but leaves the freeing to fw_retired_free_some, to be
 * called with the same `drop`. *table is another table afterwards. A small table is freed here and
 * now, and so is any when out of memory. */
void fw_table_retire(
	struct fw_table **table, struct fw_retired *retired, void (*drop)(void *value));

/* Frees at most `most` entries (and passes no more buckets than that; SIZE_MAX: all). True when
 * some are left. */
bool fw_retired_free_some(struct fw_retired *retired, size_t most, void (*drop)(void *value));

/* Walks the entries in no particular order:
 *	struct fw_table_walk walk = {0};
 *	while (fw_table_next(table, &walk))
 *		... walk.key, walk.value ...
 * During a walk the entry just returned may be removed, or its value replaced; nothing else may be
 * put or removed. */
struct fw_table_walk {
	struct fw_slice key; /* borrowed from the table, until the entry is removed */
	void *value;
	size_t bucket; /* the next two are the table's own */
	const void *next;
};
bool fw_table_next(const struct fw_table *table, struct fw_table_walk *walk);

/* The bytes of the pointer itself as a key, not what it points at: borrowed from *pointer. */
static inline struct fw_slice fw_table_key_of_pointer(const void *const *pointer)
{
	return (struct fw_slice){(const char *)pointer, sizeof(*pointer)};
}

#endif
