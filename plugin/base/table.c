/* Linear hashing with chains. Buckets 0 to used-1 exist; a hash belongs to bucket hash & mask, or,
 * while that one does not exist yet, to the one it will be split from. Each insertion that finds
 * the table full splits one bucket in two. Invariant: (mask + 1) / 2 <= used <= mask + 1. */
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16u
#define LARGE_PIECE 2048u /* bytes: larger than the pieces that glibc keeps apart by size */

struct entry {
	struct entry *next;
	uint64_t hash;
	void *value;
	size_t len;
	char key[];
};

struct fw_table {
	struct entry **buckets;
	size_t allocated, used, mask, count;
	uint64_t seed;
	struct fw_table *next; /* of those retired */
};

static uint64_t hash_of(const struct fw_table *table, struct fw_slice key)
{
	/* FNV's low bits depend on the input's low bits alone, and they choose the bucket: mix the
	 * high ones in. */
	uint64_t hash = fw_hash(table->seed, key.at, key.len);

	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

static size_t bucket_of(const struct fw_table *table, uint64_t hash)
{
	size_t bucket = (size_t)hash & table->mask;

	return bucket < table->used ? bucket : bucket & table->mask >> 1;
}

/* Where the pointer to the entry of `key` stands, or the NULL at the end of its chain. */
static struct entry **find_entry(const struct fw_table *table, struct fw_slice key, uint64_t hash)
{
	struct entry **at = &table->buckets[bucket_of(table, hash)];

	while (*at) {
		const struct entry *entry = *at;

		if (entry->hash == hash && entry->len == key.len &&
			(key.len == 0 || memcmp(entry->key, key.at, key.len) == 0))
			break;
		at = &(*at)->next;
	}
	return at;
}

static bool allocate(struct fw_table *table, size_t buckets)
{
	size_t power = FIRST_BUCKETS;

	while (power < buckets && power <= SIZE_MAX / 2 / sizeof(*table->buckets))
		power *= 2;
	table->buckets = calloc(power, sizeof(*table->buckets));
	if (!table->buckets)
		return false;
	table->allocated = table->used = power;
	table->mask = power - 1;
	return true;
}

struct fw_table *fw_table_new(size_t expected)
{
	struct fw_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	if (!allocate(table, expected)) {
		free(table);
		return NULL;
	}
	table->seed = fw_random();
	return table;
}

void fw_table_free(struct fw_table *table)
{
	if (!table)
		return;
	fw_table_clear(table, NULL);
	free(table->buckets);
	free(table);
}

void *fw_table_get(const struct fw_table *table, struct fw_slice key)
{
	const struct entry *entry = *find_entry(table, key, hash_of(table, key));

	return entry ? entry->value : NULL;
}

/* Adds one bucket, and moves to it what belongs there. Without memory the chains just grow longer.
 */
static void split_bucket(struct fw_table *table)
{
	struct entry **at;

	if (table->used == table->allocated) {
		struct entry **larger =
			reallocarray(table->buckets, table->allocated, 2 * sizeof(*larger));

		if (!larger)
			return;
		table->buckets = larger;
		table->allocated *= 2;
	}
	if (table->used > table->mask)
		table->mask = 2 * table->mask + 1;
	table->buckets[table->used] = NULL;
	at = &table->buckets[table->used & table->mask >> 1];
	table->used++;
	while (*at) {
		struct entry *entry = *at;

		if (bucket_of(table, entry->hash) != table->used - 1) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		entry->next = table->buckets[table->used - 1];
		table->buckets[table->used - 1] = entry;
	}
}

enum fw_status fw_table_put(struct fw_table *table, struct fw_slice key, void *value, void **old)
{
	uint64_t hash = hash_of(table, key);
	struct entry **at = find_entry(table, key, hash);
	struct entry *entry = *at;

	if (old && entry)
		*old = entry->value;
	if (!entry) {
		if (key.len > SIZE_MAX - sizeof(*entry))
			return FW_NOMEM;
		entry = malloc(sizeof(*entry) + key.len);
		if (!entry)
			return FW_NOMEM;
		if (old)
			*old = NULL;
		*entry = (struct entry){.hash = hash, .len = key.len};
		if (key.len > 0)
			memcpy(entry->key, key.at, key.len);
		*at = entry;
		table->count++;
		if (table->count > table->used)
			split_bucket(table);
	}
	entry->value = value;
	return FW_OK;
}

void *fw_table_remove(struct fw_table *table, struct fw_slice key)
{
	struct entry **at = find_entry(table, key, hash_of(table, key));
	struct entry *entry = *at;
	void *value;

	if (!entry)
		return NULL;
	value = entry->value;
	*at = entry->next;
	table->count--;
	free(entry);
	return value;
}

size_t fw_table_count(const struct fw_table *table)
{
	return table->count;
}

void fw_table_clear(struct fw_table *table, void (*drop)(void *value))
{
	struct entry **smaller;

	if (!table)
		return;
	for (size_t i = 0; i < table->used; i++) {
		struct entry *entry = table->buckets[i], *next;

		table->buckets[i] = NULL;
		for (; entry; entry = next) {
			next = entry->next;
			if (drop)
				drop(entry->value);
			free(entry);
		}
	}
	table->count = 0;
	table->used = FIRST_BUCKETS;
	table->mask = FIRST_BUCKETS - 1;
	smaller = reallocarray(table->buckets, FIRST_BUCKETS, sizeof(*smaller));
	if (smaller) {
		table->buckets = smaller;
		table->allocated = FIRST_BUCKETS;
	}
}

void fw_table_retire(struct fw_table **table, struct fw_retired *retired, void (*drop)(void *value))
{
	struct fw_table *old = *table;
	struct fw_table *empty = old->count > FIRST_BUCKETS ? fw_table_new(0) : NULL;

	if (!empty) {
		fw_table_clear(old, drop);
		return;
	}
	old->next = retired->first;
	retired->first = old;
	retired->count += old->count;
	*table = empty;
}

/* glibc keeps small freed pieces apart, and joins all of them with their neighbours when a large
 * piece is asked for: ask while they are few. `volatile`: or the compiler leaves both calls out. */
static void join_freed_pieces(void)
{
	/* cppcheck-suppress unusedAllocatedMemory */
	void *volatile piece = malloc(LARGE_PIECE);

	free(piece);
}

bool fw_retired_free_some(struct fw_retired *retired, size_t most, void (*drop)(void *value))
{
	if (!retired->first)
		return false;
	for (; most > 0 && retired->first; most--) {
		struct fw_table *table = retired->first;
		struct entry **bucket = &table->buckets[table->used - 1];
		struct entry *entry = *bucket;

		if (entry) {
			*bucket = entry->next;
			retired->count--;
			if (drop)
				drop(entry->value);
			free(entry);
		} else if (--table->used == 0) {
			retired->first = table->next;
			free(table->buckets);
			free(table);
		}
	}
	join_freed_pieces();
	return retired->first != NULL;
}

bool fw_table_next(const struct fw_table *table, struct fw_table_walk *walk)
{
	const struct entry *entry = walk->next;

	while (!entry && walk->bucket < table->used)
		entry = table->buckets[walk->bucket++];
	if (!entry)
		return false;
	walk->next = entry->next;
	walk->key = (struct fw_slice){entry->key, entry->len};
	walk->value = entry->value;
	return true;
}
