/* Two tables, since the store applies in order. Entries are made in `young`. Once all that `old`
 * holds is applied, `old` is forgotten whole, and `young` takes its place. Invariant: every
 * sequence in `old` is at most `old_last`. After a long lock of the catalog a table may have a
 * million entries, so a forgotten one is freed a few entries at each call. */
#include "upgrade/unapplied.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

#define FREED_A_CALL 64u /* a call adds one device at most, so this catches up */

struct device {
	char *runs;      /* a version, or the id of a firmware; NULL: no uplink named one */
	bool runs_by_id; /* it is the id of a firmware */
	bool completed;  /* it is that of an upgrade the device has completed */
	char *closed[FW_UNAPPLIED_CLOSED_MAX];
	size_t closed_count;
	/* only of an entry whose key is the device id alone, which has nothing else */
	char *product;
	bool unchecked; /* another product may have the id */
};

struct fw_unapplied {
	struct fw_table *young, *old;
	struct fw_retired retired;
	uint64_t old_last;
};

static void device_free(void *value)
{
	struct device *device = value;

	if (!device)
		return;
	free(device->runs);
	free(device->product);
	for (size_t i = 0; i < device->closed_count; i++)
		free(device->closed[i]);
	free(device);
}

struct fw_unapplied *fw_unapplied_new(void)
{
	struct fw_unapplied *unapplied = calloc(1, sizeof(*unapplied));

	if (!unapplied)
		return NULL;
	unapplied->young = fw_table_new(0);
	unapplied->old = fw_table_new(0);
	if (!unapplied->young || !unapplied->old) {
		fw_unapplied_free(unapplied);
		return NULL;
	}
	return unapplied;
}

void fw_unapplied_free(struct fw_unapplied *unapplied)
{
	if (!unapplied)
		return;
	fw_table_clear(unapplied->young, device_free);
	fw_table_clear(unapplied->old, device_free);
	fw_table_free(unapplied->young);
	fw_table_free(unapplied->old);
	fw_retired_free_some(&unapplied->retired, SIZE_MAX, device_free);
	free(unapplied);
}

static bool has_room(const struct fw_unapplied *unapplied)
{
	return fw_table_count(unapplied->young) + fw_table_count(unapplied->old) +
		unapplied->retired.count <
		FW_UNAPPLIED_MAX;
}

static struct device *young_device(struct fw_unapplied *unapplied, struct fw_slice key)
{
	struct device *device = fw_table_get(unapplied->young, key);

	if (device)
		return device;
	device = calloc(1, sizeof(*device));
	if (device && fw_table_put(unapplied->young, key, device, NULL) != FW_OK) {
		free(device);
		return NULL;
	}
	return device;
}

/* Of too many, the oldest is forgotten: until the store has closed its row, it may be offered
 * again. */
static enum fw_status note_closed(struct device *device, struct fw_slice closed)
{
	char *copy = strndup(closed.at, closed.len);

	if (!copy)
		return FW_NOMEM;
	if (device->closed_count == FW_UNAPPLIED_CLOSED_MAX) {
		free(device->closed[0]);
		memmove(device->closed, device->closed + 1,
			sizeof(device->closed) - sizeof(device->closed[0]));
		device->closed_count--;
	}
	device->closed[device->closed_count++] = copy;
	return FW_OK;
}

static enum fw_status note_runs(struct device *device, const struct fw_running *runs)
{
	bool by_id = runs->version.len == 0;
	struct fw_slice name = by_id ? runs->firmware_id : runs->version;
	char *copy = strndup(name.at, name.len);

	if (!copy)
		return FW_NOMEM;
	free(device->runs);
	device->runs = copy;
	device->runs_by_id = by_id;
	device->completed = runs->completed;
	return FW_OK;
}

/* The device of the uplink runs this (may be empty; if it is completed, after a restart), and the
 * upgrade to `closed`, a firmware id or a version, has ended (may be empty). */
static enum fw_status note_device(struct fw_unapplied *unapplied, const struct fw_uplink *uplink,
	const struct fw_running *runs, struct fw_slice closed)
{
	char key[FW_DEVICE_KEY];
	struct device *device =
		young_device(unapplied, fw_device_key(key, uplink->product, uplink->device));
	enum fw_status status = device ? FW_OK : FW_NOMEM;

	if (status == FW_OK && (runs->version.len || runs->firmware_id.len))
		status = note_runs(device, runs);
	return status == FW_OK && closed.len ? note_closed(device, closed) : status;
}

static struct device *find_device(const struct fw_table *table, struct fw_slice key)
{
	return fw_table_count(table) ? fw_table_get(table, key) : NULL;
}

static struct device *find_id(const struct fw_unapplied *unapplied, struct fw_slice device_id)
{
	struct device *device = find_device(unapplied->old, device_id);

	return device ? device : find_device(unapplied->young, device_id);
}

struct fw_slice fw_unapplied_product(
	const struct fw_unapplied *unapplied, struct fw_slice device_id, bool *unchecked)
{
	const struct device *device = find_id(unapplied, device_id);

	*unchecked = device && device->unchecked;
	return device ? fw_slice_of(device->product) : (struct fw_slice){NULL, 0};
}

/* The id was heard for the product of the uplink. */
static enum fw_status note_id(struct fw_unapplied *unapplied, const struct fw_uplink *uplink)
{
	struct device *device = find_id(unapplied, uplink->device);

	if (device && device->product) {
		if (fw_slice_equal(fw_slice_of(device->product), uplink->product))
			device->unchecked &= uplink->unchecked;
		return FW_OK;
	}
	device = young_device(unapplied, uplink->device);
	if (!device)
		return FW_NOMEM;
	device->product = strndup(uplink->product.at, uplink->product.len);
	device->unchecked = uplink->unchecked;
	return device->product ? FW_OK : FW_NOMEM;
}

/* Forgets `old`, and makes `young` the old one; forgets that, too, when all of it is applied. */
static void turn_over(struct fw_unapplied *unapplied, uint64_t applied, uint64_t last)
{
	struct fw_table *empty;

	fw_table_retire(&unapplied->old, &unapplied->retired, device_free);
	if (applied >= last)
		fw_table_retire(&unapplied->young, &unapplied->retired, device_free);
	empty = unapplied->old;
	unapplied->old = unapplied->young;
	unapplied->young = empty;
	unapplied->old_last = last;
}

void fw_unapplied_applied(struct fw_unapplied *unapplied, uint64_t applied, uint64_t last)
{
	if (applied >= unapplied->old_last &&
		fw_table_count(unapplied->young) + fw_table_count(unapplied->old) > 0)
		turn_over(unapplied, applied, last);
	fw_retired_free_some(&unapplied->retired, FREED_A_CALL, device_free);
}

struct fw_running fw_unapplied_running(
	const struct fw_unapplied *unapplied, struct fw_slice product, struct fw_slice device_id)
{
	const struct fw_table *const tables[] = {unapplied->young, unapplied->old};
	char buffer[FW_DEVICE_KEY];
	struct fw_slice key = fw_device_key(buffer, product, device_id);

	for (size_t i = 0; i < 2; i++) {
		const struct device *device = find_device(tables[i], key);

		if (device && device->runs)
			return (struct fw_running){
				.version = fw_slice_of(device->runs_by_id ? NULL : device->runs),
				.firmware_id =
					fw_slice_of(device->runs_by_id ? device->runs : NULL),
				.completed = device->completed};
	}
	return (struct fw_running){.completed = false};
}

static bool device_closed(
	const struct device *device, struct fw_slice firmware_id, struct fw_slice version)
{
	for (size_t i = 0; device && i < device->closed_count; i++) {
		struct fw_slice done = fw_slice_of(device->closed[i]);

		if (fw_slice_equal(done, firmware_id) || fw_slice_equal(done, version))
			return true;
	}
	return device && device->runs &&
		fw_slice_equal(
			fw_slice_of(device->runs), device->runs_by_id ? firmware_id : version);
}

bool fw_unapplied_closed(const struct fw_unapplied *unapplied, struct fw_slice product,
	struct fw_slice device_id, struct fw_slice firmware_id, struct fw_slice version)
{
	char buffer[FW_DEVICE_KEY];
	struct fw_slice key = fw_device_key(buffer, product, device_id);

	return device_closed(find_device(unapplied->young, key), firmware_id, version) ||
		device_closed(find_device(unapplied->old, key), firmware_id, version);
}

static enum fw_status note_said(struct fw_unapplied *unapplied, const struct fw_uplink *uplink)
{
	struct fw_running runs = {.version = uplink->version};
	struct fw_slice ended = {NULL, 0};

	if (uplink->kind == FW_UPLINK_REPLY ||
		(uplink->kind == FW_UPLINK_PROGRESS && !uplink->complete))
		return FW_OK;
	if (uplink->kind == FW_UPLINK_PROGRESS) {
		ended = uplink->firmware_id.len ? uplink->firmware_id : uplink->version;
		if (!uplink->success)
			runs.version.len = 0;
		else if (!runs.version.len && ended.len <= FW_ID_MAX)
			runs.firmware_id = ended;
		runs.completed = uplink->success;
	}
	if (!runs.version.len && !ended.len)
		return FW_OK;
	return has_room(unapplied) ? note_device(unapplied, uplink, &runs, ended) : FW_FULL;
}

enum fw_status fw_unapplied_note(
	struct fw_unapplied *unapplied, const struct fw_uplink *uplink, bool unregistered)
{
	enum fw_status status = note_said(unapplied, uplink);

	if (status != FW_OK || !unregistered)
		return status;
	return has_room(unapplied) ? note_id(unapplied, uplink) : FW_FULL;
}
