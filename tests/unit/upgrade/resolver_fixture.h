/* A resolver with a source that is a table in memory. */
#ifndef FW_TEST_RESOLVER_FIXTURE_H
#define FW_TEST_RESOLVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/resolver.h"

#define LAMP FW_SLICE("lamp")

#define D1 FW_SLICE("d1")

#define NOW 1700000000000

static struct {
	enum fw_status error; /* of every question but generation; FW_OK: none */
	enum fw_status generation_error;
	uint64_t generation;
	bool restless; /* the generation moves each time it is asked for */
	unsigned asked, rows_asked;
	struct fw_product product;
	struct {
		const char *version;
		int64_t order;
		bool ready;
	} firmware[8];
	const char *open[4];   /* versions, lowest order first */
	const char *under_way; /* of these, the one that is processing */
	bool held;             /* it cannot be handed out now */
	bool downgrade;        /* of all open rows */
	const char *recorded;
	const char *label;  /* what it says again and again when 2.0 is installed */
	const char *before; /* what it ran before the upgrade that it completed */
} source;

static struct fw_unapplied *unapplied;

static struct fw_resolver *catalog;

static inline enum fw_status generation(void *context, uint64_t *out)
{
	(void)context;
	if (source.restless)
		source.generation++;
	*out = source.generation;
	return source.generation_error;
}

static inline enum fw_status product(void *context, struct fw_slice id, struct fw_product *out)
{
	(void)context;
	source.asked++;
	if (source.error)
		return source.error;
	*out = source.product;
	return fw_slice_equal(id, LAMP) ? FW_OK : FW_NOT_FOUND;
}

static inline enum fw_status copy_of(size_t i, struct fw_firmware **out)
{
	char id[32];

	snprintf(id, sizeof(id), "f%s", source.firmware[i].version);
	*out = fw_firmware_copy(&(struct fw_firmware){.order = source.firmware[i].order,
		.ready = source.firmware[i].ready,
		.firmware_id = id,
		.version = source.firmware[i].version,
		.rendered = source.firmware[i].ready ? "\"url\":\"x\"" : NULL});
	assert_non_null(*out);
	return FW_OK;
}

static inline enum fw_status by_version(
	void *context, struct fw_slice id, struct fw_slice version, struct fw_firmware **out)
{
	(void)context;
	(void)id;
	source.asked++;
	if (source.error)
		return source.error;
	for (size_t i = 0; i < 8 && source.firmware[i].version; i++) {
		if (fw_slice_equal(fw_slice_of(source.firmware[i].version), version))
			return copy_of(i, out);
	}
	return FW_NOT_FOUND;
}

/* Firmware 2.0 has the id f2.0. */
static inline enum fw_status by_id(
	void *context, struct fw_slice id, struct fw_slice firmware_id, struct fw_firmware **out)
{
	if (!firmware_id.len || firmware_id.at[0] != 'f')
		return FW_NOT_FOUND;
	return by_version(
		context, id, (struct fw_slice){firmware_id.at + 1, firmware_id.len - 1}, out);
}

/* The highest ready one, or the lowest above `above`. */
static inline enum fw_status best(bool highest, int64_t above, struct fw_firmware **out)
{
	size_t found = 8;

	source.asked++;
	if (source.error)
		return source.error;
	for (size_t i = 0; i < 8 && source.firmware[i].version; i++) {
		int64_t order = source.firmware[i].order;

		if (source.firmware[i].ready && order > above &&
			(found == 8 || (order > source.firmware[found].order) == highest))
			found = i;
	}
	return found == 8 ? FW_NOT_FOUND : copy_of(found, out);
}

static inline enum fw_status latest(
	void *context, struct fw_slice id, int64_t order, struct fw_firmware **out)
{
	(void)order;
	(void)context;
	(void)id;
	return best(true, INT64_MIN, out);
}

static inline enum fw_status next(
	void *context, struct fw_slice id, int64_t order, struct fw_firmware **out)
{
	(void)context;
	(void)id;
	return best(false, order, out);
}

/* source.open has the lowest order first. */
static inline enum fw_status open_rows(void *context, struct fw_slice id, struct fw_slice device,
	bool lowest_first, struct fw_open_row *rows, size_t *count)
{
	size_t open = 0;

	(void)context;
	(void)id;
	source.rows_asked++;
	*count = 0;
	if (source.error)
		return source.error;
	while (open < 4 && source.open[open] && fw_slice_equal(device, D1))
		open++;
	for (size_t i = 0; i < open; i++) {
		size_t from = lowest_first ? i : open - 1 - i;

		snprintf(rows[i].version, sizeof(rows[i].version), "%s", source.open[from]);
		snprintf(
			rows[i].firmware_id, sizeof(rows[i].firmware_id), "f%s", source.open[from]);
		rows[i].order = 0;
		for (size_t k = 0; k < 8 && source.firmware[k].version; k++) {
			if (strcmp(source.firmware[k].version, source.open[from]) == 0)
				rows[i].order = source.firmware[k].order;
		}
		rows[i].processing =
			source.under_way && strcmp(source.open[from], source.under_way) == 0;
		rows[i].offered = !rows[i].processing || !source.held;
		rows[i].downgrade = source.downgrade;
		/* the one under way comes first */
		if (rows[i].processing && i) {
			struct fw_open_row first = rows[i];

			memmove(rows + 1, rows, i * sizeof(rows[0]));
			rows[0] = first;
		}
	}
	*count = open;
	return FW_OK;
}

static inline enum fw_status device_version(
	void *context, struct fw_slice id, struct fw_slice device, char *version, size_t size)
{
	(void)context;
	(void)id;
	if (source.error)
		return source.error;
	if (!source.recorded || !fw_slice_equal(device, D1))
		return FW_NOT_FOUND;
	snprintf(version, size, "%s", source.recorded);
	return FW_OK;
}

static inline enum fw_status completed_from(void *context, struct fw_slice id,
	struct fw_slice device, int64_t now, char *version, size_t size)
{
	(void)context;
	(void)id;
	assert_int_equal(now, NOW);
	if (source.error)
		return source.error;
	if (!source.before || !fw_slice_equal(device, D1))
		return FW_NOT_FOUND;
	snprintf(version, size, "%s", source.before);
	return FW_OK;
}

static inline enum fw_status is_mislabelled(void *context, struct fw_slice id,
	struct fw_slice device, const char *firmware_id, struct fw_slice version, bool *out)
{
	(void)context;
	(void)id;
	if (source.error)
		return source.error;
	if (!source.label || !fw_slice_equal(device, D1) || strcmp(firmware_id, "f2.0") != 0)
		return FW_NOT_FOUND;
	*out = fw_slice_equal(version, fw_slice_of(source.label));
	return FW_OK;
}

static const struct fw_resolver_source table = {NULL, generation, product, by_version, by_id,
	latest, next, open_rows, device_version, completed_from, is_mislabelled, NULL, NULL};

/* A product with 1.0, 1.1, 2.0 in this order, and 3.0 that is not ready. */
static inline int set_up(void **state)
{
	(void)state;
	memset(&source, 0, sizeof(source));
	source.generation = 1;
	source.product.enabled = true;
	source.firmware[0].version = "2.0", source.firmware[0].order = 3,
	source.firmware[0].ready = true;
	source.firmware[1].version = "1.0", source.firmware[1].order = 1,
	source.firmware[1].ready = true;
	source.firmware[2].version = "1.1", source.firmware[2].order = 2,
	source.firmware[2].ready = true;
	source.firmware[3].version = "3.0", source.firmware[3].order = 4;
	unapplied = fw_unapplied_new();
	catalog = fw_resolver_new(&table, unapplied);
	return unapplied && catalog ? 0 : -1;
}

static inline int tear_down(void **state)
{
	(void)state;
	fw_resolver_free(catalog);
	fw_unapplied_free(unapplied);
	return 0;
}

static inline struct fw_answer ask(const char *current, const char *request)
{
	struct fw_pull pull = {.product = LAMP,
		.device = D1,
		.current = fw_slice_of(current),
		.request = fw_slice_of(request),
		.now = NOW};
	struct fw_answer answer;

	assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), FW_OK);
	return answer;
}

static inline void assert_offer(const char *current, const char *request, const char *version)
{
	struct fw_answer answer = ask(current, request);

	assert_int_equal(answer.code, FW_PULL_OFFER);
	assert_string_equal(answer.firmware->version, version);
	assert_non_null(answer.firmware->rendered);
}

static inline void assert_code(const char *current, const char *request, enum fw_pull_code code)
{
	assert_int_equal(ask(current, request).code, code);
}

/* The table has changed. */
static inline void changed(void)
{
	source.generation++;
}

#endif
