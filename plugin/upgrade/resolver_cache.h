/* The cache of what the catalog says of products and firmware. For the resolver's files only. */
#ifndef FW_UPGRADE_RESOLVER_CACHE_H
#define FW_UPGRADE_RESOLVER_CACHE_H

#include "base/table.h"
#include "upgrade/resolver.h"

/* What nearly every pull of a product asks, kept with the product: with thousands of products each
 * look-up that is saved is a cache miss less. */
struct fw_resolver_shortcut {
	bool has_latest;
	const struct fw_firmware *latest; /* NULL: there is none */
	size_t version_len;               /* of the current version asked for last; 0: none yet */
	char version[32];
	int64_t order; /* of that version, 0: not in the catalog */
};

struct fw_resolver_entry {
	enum fw_status status; /* FW_OK or FW_NOT_FOUND */
	struct fw_product product;
	struct fw_resolver_shortcut shortcut; /* of a product */
	struct fw_firmware *firmware;
};

/* Which row of the catalog is asked for. Not 0: it begins the key of the entry. */
enum fw_resolver_ask {
	FW_ASK_PRODUCT = 1,
	FW_ASK_BY_VERSION, /* the firmware of this version: `name` */
	FW_ASK_BY_ID,      /* the firmware of this id: `name` */
	FW_ASK_LATEST,     /* the latest firmware */
	FW_ASK_LATEST_FOR, /* the latest for what runs a version of `order` */
	FW_ASK_NEXT,       /* the next firmware above `order` */
};

struct fw_resolver_question {
	enum fw_resolver_ask kind;
	struct fw_slice product;
	struct fw_slice name; /* FW_ASK_BY_VERSION, FW_ASK_BY_ID */
	int64_t order;        /* FW_ASK_LATEST_FOR, FW_ASK_NEXT */
};

struct fw_resolver_cache {
	const struct fw_resolver_source *source;
	struct fw_table *known, *unknown;
	struct fw_retired retired;
	uint64_t generation; /* of what is cached */
};

/* `source` is borrowed. FW_OK or FW_NOMEM; to be closed in both cases. */
enum fw_status fw_resolver_cache_init(
	struct fw_resolver_cache *cache, const struct fw_resolver_source *source);
void fw_resolver_cache_close(struct fw_resolver_cache *cache);

/* At the beginning of each answer: drops both tables if the generation moved. Entries found after
 * it are not freed until the next call. FW_OK, or the source's error. */
enum fw_status fw_resolver_cache_refresh(struct fw_resolver_cache *cache);

/* *out: the cached entry, whatever its status. FW_OK, FW_INVALID (the name is too long),
 * FW_NOMEM, or the source's error. */
enum fw_status fw_resolver_cache_look_up(struct fw_resolver_cache *cache,
	const struct fw_resolver_question *question, struct fw_resolver_entry **out);

/* As fw_resolver_cache_look_up, for a question about firmware. *out: the cache's own until the next
 * refresh; NULL: there is no such firmware, or an error. */
enum fw_status fw_resolver_cache_firmware(struct fw_resolver_cache *cache,
	const struct fw_resolver_question *question, const struct fw_firmware **out);
enum fw_status fw_resolver_cache_by_version(struct fw_resolver_cache *cache,
	struct fw_slice product, struct fw_slice version, const struct fw_firmware **out);

#endif
