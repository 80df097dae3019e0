/* The cache of the catalog gives up what is old or made up a little at a time: no answer waits for
 * many entries to be freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t freed;

static void counted_free(void *memory)
{
	freed += memory != NULL;
	free(memory);
}

#define free counted_free

#include "upgrade/resolver.c"
#include "upgrade/resolver_cache.c"

#define FREED_MOST (64 * 2) /* an entry, its firmware */

static struct {
	uint64_t generation;
	unsigned asked;
} counts;

static struct fw_unapplied *unapplied;
static struct fw_resolver *catalog;

static enum fw_status give_generation(void *context, uint64_t *out)
{
	(void)context;
	*out = counts.generation;
	return FW_OK;
}

/* Products that begin with "lamp" are there. */
static enum fw_status give_product(void *context, struct fw_slice id, struct fw_product *out)
{
	(void)context;
	counts.asked++;
	*out = (struct fw_product){.enabled = true};
	return id.len >= 4 && memcmp(id.at, "lamp", 4) == 0 ? FW_OK : FW_NOT_FOUND;
}

static enum fw_status give_firmware(struct fw_firmware **out)
{
	*out = fw_firmware_copy(&(struct fw_firmware){.order = 1,
		.ready = true,
		.version = "1.0",
		.firmware_id = "f1",
		.rendered = "\"url\":\"x\""});
	assert_non_null(*out);
	return FW_OK;
}

/* So are versions that begin with "1." */
static enum fw_status give_version(
	void *context, struct fw_slice id, struct fw_slice version, struct fw_firmware **out)
{
	(void)context;
	(void)id;
	counts.asked++;
	return memcmp(version.at, "1.", 2) == 0 ? give_firmware(out) : FW_NOT_FOUND;
}

static enum fw_status give_latest(
	void *context, struct fw_slice id, int64_t order, struct fw_firmware **out)
{
	(void)order;
	(void)context;
	(void)id;
	counts.asked++;
	return give_firmware(out);
}

static enum fw_status give_device_version(
	void *context, struct fw_slice id, struct fw_slice device, char *version, size_t size)
{
	(void)context;
	(void)id;
	(void)device;
	if (size)
		version[0] = '\0';
	return FW_NOT_FOUND;
}

static const struct fw_resolver_source table = {.generation = give_generation,
	.product = give_product,
	.by_version = give_version,
	.latest = give_latest,
	.device_version = give_device_version};

static int set_up(void **state)
{
	(void)state;
	memset(&counts, 0, sizeof(counts));
	counts.generation = 1;
	unapplied = fw_unapplied_new();
	catalog = fw_resolver_new(&table, unapplied);
	return unapplied && catalog ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fw_resolver_free(catalog);
	fw_unapplied_free(unapplied);
	return 0;
}

/* One answer, that frees little. */
static struct fw_answer ask(const char *product, const char *request)
{
	struct fw_pull pull = {.product = fw_slice_of(product),
		.device = FW_SLICE("d1"),
		.request = fw_slice_of(request)};
	struct fw_answer answer;

	freed = 0;
	assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), FW_OK);
	assert_true(freed <= FREED_MOST);
	return answer;
}

static void fill(unsigned versions)
{
	char version[16];

	for (unsigned i = 0; i < versions; i++) {
		snprintf(version, sizeof(version), "1.%u", i);
		assert_int_equal(ask("lamp", version).code, FW_PULL_OFFER);
	}
}

static void test_an_old_generation_is_freed_little_by_little(void **state)
{
	size_t in_all = 0;

	(void)state;
	fill(5000);
	counts.generation++;
	counts.asked = 0;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(ask("lamp", "1.7").code, FW_PULL_OFFER);
		in_all += freed;
	}
	assert_int_equal(counts.asked, 2); /* what is old answers nothing */
	assert_int_equal(in_all, 5000 * 2 + 1);
	assert_int_equal(catalog->cache.retired.count, 0);
}

/* Operators at work, and little in the cache each time. */
static void test_generation_after_generation(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		fill(100);
		counts.generation++;
		assert_true(catalog->cache.retired.count <= 300);
	}
}

/* A device that asks for versions it made up, and for products, takes nothing from the others. */
static void test_what_is_made_up_pushes_out_nothing_else(void **state)
{
	(void)state;
	fill(1000);
	ask("lamp", NULL);
	for (unsigned i = 0; i < 100000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "x%u", i);
		if (i % 2)
			assert_int_equal(ask("lamp", text).code, FW_PULL_VERSION_NOT_FOUND);
		else
			assert_int_equal(ask(text, "1.0").code, FW_PULL_UNKNOWN_PRODUCT);
		assert_true(fw_table_count(catalog->cache.unknown) + catalog->cache.retired.count <=
			2 * 16384);
	}
	counts.asked = 0;
	fill(1000);
	ask("lamp", NULL);
	assert_int_equal(counts.asked, 0);
}

static void test_a_catalog_larger_than_the_cache(void **state)
{
	(void)state;
	fill(200000);
	assert_true(
		fw_table_count(catalog->cache.known) + catalog->cache.retired.count <= 2 * 65536);
	assert_int_equal(ask("lamp", "x").code, FW_PULL_VERSION_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_an_old_generation_is_freed_little_by_little, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_generation_after_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_made_up_pushes_out_nothing_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_catalog_larger_than_the_cache, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
