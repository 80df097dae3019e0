/* What the files of the resolver share. For resolver.c and resolver_version.c only; on the
 * resolver's thread. The functions return FW_OK, or the error of the source or of its cache. */
#ifndef FW_UPGRADE_RESOLVER_INTERNAL_H
#define FW_UPGRADE_RESOLVER_INTERNAL_H

#include "upgrade/resolver.h"
#include "upgrade/resolver_cache.h"

struct fw_resolver {
	struct fw_resolver_cache cache;
	const struct fw_unapplied *unapplied;
	bool completions; /* some device has completed an upgrade since the start */
};

/* What the device runs: the version in the pull, or else the recorded one. */
struct fw_resolver_current {
	char buffer[FW_VERSION_BUFFER];
	struct fw_slice version; /* empty: unknown */
	int64_t order;           /* 0: not in the catalog */
};

/* *current: what the device of the pull runs, with an empty version if that is unknown.
 * current->version points into the pull or into current->buffer. */
enum fw_status fw_resolver_find_current(struct fw_resolver *resolver, const struct fw_pull *pull,
	struct fw_resolver_shortcut *shortcut, struct fw_resolver_current *current);

/* *before: the device has completed an upgrade, and pulls before it restarts: it still names the
 * version before. */
enum fw_status fw_resolver_is_before_restart(struct fw_resolver *resolver,
	const struct fw_pull *pull, const struct fw_product *product, bool *before);

#endif
