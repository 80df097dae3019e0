/* What a device runs, as far as the resolver knows: the version that its pull names, else what an
 * unapplied uplink says, else what the catalog has. */
#include <string.h>

#include "upgrade/resolver_internal.h"

/* The version that an unapplied uplink names, by its firmware's id too. FW_OK, FW_NOT_FOUND, or the
 * source's error. */
static enum fw_status find_running(
	struct fw_resolver *resolver, struct fw_slice product, struct fw_running *running)
{
	const struct fw_firmware *firmware;
	enum fw_status status;

	if (!running->firmware_id.len)
		return running->version.len ? FW_OK : FW_NOT_FOUND;
	status = fw_resolver_cache_firmware(&resolver->cache,
		&(struct fw_resolver_question){
			.kind = FW_ASK_BY_ID, .product = product, .name = running->firmware_id},
		&firmware);
	if (status != FW_OK || !firmware)
		return status == FW_OK ? FW_NOT_FOUND : status;
	running->version = fw_slice_of(firmware->version);
	return FW_OK;
}

/* Within an answer. As fw_resolver_device_version. */
static enum fw_status find_device_version(struct fw_resolver *resolver, struct fw_slice product,
	struct fw_slice device, char *version, size_t size)
{
	struct fw_running running = fw_unapplied_running(resolver->unapplied, product, device);
	enum fw_status status = find_running(resolver, product, &running);

	if (status == FW_OK && running.version.len < size) {
		fw_slice_copy(running.version, version, size);
		return FW_OK;
	}
	if (status != FW_OK && status != FW_NOT_FOUND)
		return status;
	return resolver->cache.source->device_version(
		resolver->cache.source->context, product, device, version, size);
}

enum fw_status fw_resolver_device_version(struct fw_resolver *resolver, struct fw_slice product,
	struct fw_slice device, char *version, size_t size)
{
	struct fw_running running = fw_unapplied_running(resolver->unapplied, product, device);
	/* what an uplink says is told though the catalog cannot be asked */
	enum fw_status status =
		running.firmware_id.len ? fw_resolver_cache_refresh(&resolver->cache) : FW_OK;

	return status == FW_OK ? find_device_version(resolver, product, device, version, size)
			       : status;
}

/* *out: version_order of a version of the product, 0: it is not in the catalog. */
static enum fw_status find_order(struct fw_resolver *resolver, struct fw_slice product,
	struct fw_slice version, struct fw_resolver_shortcut *shortcut, int64_t *out)
{
	const struct fw_firmware *known;
	enum fw_status status;

	if (!fw_slice_equal(version, (struct fw_slice){shortcut->version, shortcut->version_len})) {
		status = fw_resolver_cache_by_version(&resolver->cache, product, version, &known);
		if (status != FW_OK || version.len > sizeof(shortcut->version)) {
			*out = status == FW_OK && known ? known->order : 0;
			return status;
		}
		memcpy(shortcut->version, version.at, version.len);
		shortcut->version_len = version.len;
		shortcut->order = known ? known->order : 0;
	}
	*out = shortcut->order;
	return FW_OK;
}

enum fw_status fw_resolver_find_current(struct fw_resolver *resolver, const struct fw_pull *pull,
	struct fw_resolver_shortcut *shortcut, struct fw_resolver_current *current)
{
	enum fw_status status;

	current->version = pull->current;
	current->order = 0;
	if (!current->version.len) {
		status = find_device_version(resolver, pull->product, pull->device, current->buffer,
			sizeof(current->buffer));
		if (status == FW_NOT_FOUND)
			return FW_OK;
		if (status != FW_OK)
			return status;
		current->version = fw_slice_of(current->buffer);
	}
	return find_order(resolver, pull->product, current->version, shortcut, &current->order);
}

enum fw_status fw_resolver_is_before_restart(struct fw_resolver *resolver,
	const struct fw_pull *pull, const struct fw_product *product, bool *before)
{
	const struct fw_resolver_source *source = resolver->cache.source;
	struct fw_running running;
	char version[FW_VERSION_BUFFER];
	enum fw_status status;

	*before = false;
	if (!pull->current.len)
		return FW_OK;
	running = fw_unapplied_running(resolver->unapplied, pull->product, pull->device);
	status = find_running(resolver, pull->product, &running);
	/* not applied yet: the catalog has the version before */
	if (status == FW_OK)
		status = running.completed ? source->device_version(source->context, pull->product,
						     pull->device, version, sizeof(version))
					   : FW_NOT_FOUND;
	else if (status == FW_NOT_FOUND && (product->completing || resolver->completions))
		status = source->completed_from(source->context, pull->product, pull->device,
			pull->now, version, sizeof(version));
	*before = status == FW_OK && fw_slice_equal(pull->current, fw_slice_of(version));
	return status == FW_NOT_FOUND ? FW_OK : status;
}
