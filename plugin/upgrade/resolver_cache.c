/* Two tables, of what is in the catalog and of what is not.
 *
 * "Not found" is cached too. A product or a version that the catalog does not have goes into a
 * table of its own: a device can invent any number of them, which must not evict what others ask
 * for.
 *
 * Both tables are dropped when the catalog's generation changes, a full one alone. A dropped table
 * is freed a few entries at each answer, so no answer waits for it; what is asked again costs one
 * indexed look-up. */
#include "upgrade/resolver_cache.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX 65536u /* entries */
#define UNKNOWN_MAX 16384u
#define FREED_AN_ANSWER 64u /* an answer adds four entries at most, so this catches up */
#define KEY_MAX (2 + FW_ID_MAX + FW_VERSION_MAX * 4)

static void entry_free(void *value)
{
	struct fw_resolver_entry *entry = value;

	free(entry->firmware);
	free(entry);
}

enum fw_status fw_resolver_cache_init(
	struct fw_resolver_cache *cache, const struct fw_resolver_source *source)
{
	cache->source = source;
	cache->known = fw_table_new(0);
	cache->unknown = fw_table_new(0);
	return cache->known && cache->unknown ? FW_OK : FW_NOMEM;
}

void fw_resolver_cache_close(struct fw_resolver_cache *cache)
{
	fw_table_clear(cache->known, entry_free);
	fw_table_clear(cache->unknown, entry_free);
	fw_table_free(cache->known);
	fw_table_free(cache->unknown);
	fw_retired_free_some(&cache->retired, SIZE_MAX, entry_free);
}

enum fw_status fw_resolver_cache_refresh(struct fw_resolver_cache *cache)
{
	uint64_t generation;
	enum fw_status status = cache->source->generation(cache->source->context, &generation);
	bool moved;

	if (status != FW_OK)
		return status;
	moved = generation != cache->generation;
	cache->generation = generation;
	if (moved || fw_table_count(cache->known) >= KNOWN_MAX)
		fw_table_retire(&cache->known, &cache->retired, entry_free);
	if (moved || fw_table_count(cache->unknown) >= UNKNOWN_MAX)
		fw_table_retire(&cache->unknown, &cache->retired, entry_free);
	fw_retired_free_some(&cache->retired, FREED_AN_ANSWER, entry_free);
	return FW_OK;
}

static enum fw_status ask_source(const struct fw_resolver_source *source,
	const struct fw_resolver_question *question, struct fw_resolver_entry *entry)
{
	switch (question->kind) {
	case FW_ASK_PRODUCT:
		return source->product(source->context, question->product, &entry->product);
	case FW_ASK_BY_VERSION:
		return source->by_version(
			source->context, question->product, question->name, &entry->firmware);
	case FW_ASK_BY_ID:
		return source->by_id(
			source->context, question->product, question->name, &entry->firmware);
	case FW_ASK_LATEST:
	case FW_ASK_LATEST_FOR:
		return source->latest(
			source->context, question->product, question->order, &entry->firmware);
	case FW_ASK_NEXT:
		break;
	}
	return source->next(source->context, question->product, question->order, &entry->firmware);
}

static bool has_name(const struct fw_resolver_question *question)
{
	return question->kind == FW_ASK_BY_VERSION || question->kind == FW_ASK_BY_ID;
}

/* kind, product, NUL, and the name or the order: neither ids nor kinds have a NUL. */
static size_t make_key(const struct fw_resolver_question *question, char *key)
{
	size_t len = 0;

	key[len++] = (char)question->kind;
	memcpy(key + len, question->product.at, question->product.len);
	len += question->product.len;
	key[len++] = '\0';
	if (has_name(question)) {
		memcpy(key + len, question->name.at, question->name.len);
		len += question->name.len;
	} else if (question->kind == FW_ASK_NEXT || question->kind == FW_ASK_LATEST_FOR) {
		memcpy(key + len, &question->order, sizeof(question->order));
		len += sizeof(question->order);
	}
	return len;
}

static struct fw_table *place_of(struct fw_resolver_cache *cache,
	const struct fw_resolver_question *question, enum fw_status status)
{
	return status == FW_NOT_FOUND && (question->kind == FW_ASK_PRODUCT || has_name(question))
		? cache->unknown
		: cache->known;
}

static enum fw_status load(struct fw_resolver_cache *cache,
	const struct fw_resolver_question *question, struct fw_slice key,
	struct fw_resolver_entry **out)
{
	struct fw_resolver_entry *entry = calloc(1, sizeof(*entry));
	enum fw_status status;

	if (!entry)
		return FW_NOMEM;
	entry->status = ask_source(cache->source, question, entry);
	status = entry->status;
	if (status == FW_OK || status == FW_NOT_FOUND)
		status = fw_table_put(place_of(cache, question, status), key, entry, NULL);
	if (status != FW_OK) {
		entry_free(entry);
		return status;
	}
	*out = entry;
	return FW_OK;
}

enum fw_status fw_resolver_cache_look_up(struct fw_resolver_cache *cache,
	const struct fw_resolver_question *question, struct fw_resolver_entry **out)
{
	char buffer[KEY_MAX];
	struct fw_slice key;
	struct fw_resolver_entry *entry;
	enum fw_status status = FW_OK;

	if (question->name.len > FW_VERSION_MAX * 4)
		return FW_INVALID;
	key = (struct fw_slice){buffer, make_key(question, buffer)};
	entry = fw_table_get(cache->known, key);
	if (!entry)
		entry = fw_table_get(cache->unknown, key);
	if (!entry)
		status = load(cache, question, key, &entry);
	*out = entry;
	return status;
}

enum fw_status fw_resolver_cache_firmware(struct fw_resolver_cache *cache,
	const struct fw_resolver_question *question, const struct fw_firmware **out)
{
	struct fw_resolver_entry *entry;
	enum fw_status status = fw_resolver_cache_look_up(cache, question, &entry);

	*out = status == FW_OK ? entry->firmware : NULL;
	return status;
}

enum fw_status fw_resolver_cache_by_version(struct fw_resolver_cache *cache,
	struct fw_slice product, struct fw_slice version, const struct fw_firmware **out)
{
	return fw_resolver_cache_firmware(cache,
		&(struct fw_resolver_question){
			.kind = FW_ASK_BY_VERSION, .product = product, .name = version},
		out);
}
