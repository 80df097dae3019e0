/* The hash table: every key found whatever was put and removed before, and nothing lost when memory
 * runs out. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "allocator.h"

#include "base/table.c"

static int values[5000];

static struct fw_slice numbered(char *buffer, size_t size, size_t number)
{
	int len = snprintf(buffer, size, "device-%zu", number);

	return (struct fw_slice){buffer, (size_t)len};
}

static void puts_gets_replaces_and_removes(void **state)
{
	struct fw_table *table = fw_table_new(0);
	void *old = &values[9];

	(void)state;
	assert_non_null(table);
	assert_null(fw_table_get(table, FW_SLICE("a")));
	assert_int_equal(fw_table_put(table, FW_SLICE("a"), &values[0], &old), FW_OK);
	assert_null(old);
	assert_int_equal(fw_table_put(table, FW_SLICE("a"), &values[1], &old), FW_OK);
	assert_ptr_equal(old, &values[0]);
	assert_int_equal(fw_table_count(table), 1);
	assert_ptr_equal(fw_table_get(table, FW_SLICE("a")), &values[1]);
	assert_ptr_equal(fw_table_remove(table, FW_SLICE("a")), &values[1]);
	assert_null(fw_table_remove(table, FW_SLICE("a")));
	assert_int_equal(fw_table_count(table), 0);
	fw_table_free(table);
	fw_table_free(NULL);
}

static void keys_are_bytes(void **state)
{
	const struct fw_slice keys[] = {{NULL, 0}, FW_SLICE("\0"), FW_SLICE("\0\0"), FW_SLICE("a"),
		FW_SLICE("a\0"), FW_SLICE("a\0b"), FW_SLICE("\xff\xfe")};
	const size_t count = sizeof(keys) / sizeof(keys[0]);
	struct fw_table *table = fw_table_new(3);
	size_t i;

	(void)state;
	for (i = 0; i < count; i++)
		assert_int_equal(fw_table_put(table, keys[i], &values[i], NULL), FW_OK);
	assert_int_equal(fw_table_count(table), count);
	for (i = 0; i < count; i++)
		assert_ptr_equal(fw_table_get(table, keys[i]), &values[i]);
	fw_table_free(table);
}

static void pointers_are_keys(void **state)
{
	struct fw_table *table = fw_table_new(0);
	const void *one = &values[1], *two = &values[2];

	(void)state;
	assert_int_equal(
		fw_table_put(table, fw_table_key_of_pointer(&one), &values[10], NULL), FW_OK);
	assert_null(fw_table_get(table, fw_table_key_of_pointer(&two)));
	two = one;
	assert_ptr_equal(fw_table_get(table, fw_table_key_of_pointer(&two)), &values[10]);
	fw_table_free(table);
}

static void agrees_with_an_array_over_a_random_walk(void **state)
{
	const size_t keys = sizeof(values) / sizeof(values[0]);
	struct fw_table *table = fw_table_new(0);
	static bool present[sizeof(values) / sizeof(values[0])];
	size_t count = 0, step;
	uint64_t random = 42;

	(void)state;
	for (step = 0; step < 200000; step++) {
		size_t number = (size_t)((random >> 33) % keys);
		char buffer[32];
		struct fw_slice key = numbered(buffer, sizeof(buffer), number);

		random = random * 6364136223846793005u + 1442695040888963407u;
		assert_ptr_equal(
			fw_table_get(table, key), present[number] ? &values[number] : NULL);
		/* grows for a while, then shrinks, then grows again */
		if (random >> 62 != (step / 50000 % 2 ? 0 : 3)) {
			if (step / 50000 % 2 == 0) {
				assert_int_equal(
					fw_table_put(table, key, &values[number], NULL), FW_OK);
				count += !present[number];
				present[number] = true;
				continue;
			}
		}
		assert_ptr_equal(
			fw_table_remove(table, key), present[number] ? &values[number] : NULL);
		count -= present[number];
		present[number] = false;
		assert_int_equal(fw_table_count(table), count);
	}
	fw_table_free(table);
}

static void a_walk_meets_each_entry_once_and_may_remove_it(void **state)
{
	struct fw_table *table = fw_table_new(0);
	struct fw_table_walk walk = {0};
	size_t i, met = 0;
	char buffer[32];

	(void)state;
	assert_false(fw_table_next(table, &walk));
	for (i = 0; i < 1000; i++) {
		values[i] = 0;
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[i], NULL),
			FW_OK);
	}
	walk = (struct fw_table_walk){0};
	while (fw_table_next(table, &walk)) {
		int *value = walk.value;

		assert_int_equal((*value)++, 0);
		met++;
		if (met % 2)
			assert_ptr_equal(fw_table_remove(table, walk.key), value);
	}
	assert_int_equal(met, 1000);
	assert_int_equal(fw_table_count(table), 500);
	walk = (struct fw_table_walk){0};
	for (met = 0; fw_table_next(table, &walk); met++)
		;
	assert_int_equal(met, 500);
	fw_table_free(table);
}

static void chains_stay_short_as_it_grows(void **state)
{
	struct fw_table *table = fw_table_new(0);
	size_t i, longest = 0;
	char buffer[32];

	(void)state;
	for (i = 0; i < 100000; i++)
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[0], NULL),
			FW_OK);
	for (i = 0; i < table->used; i++) {
		const struct entry *entry;
		size_t length = 0;

		for (entry = table->buckets[i]; entry; entry = entry->next)
			length++;
		longest = length > longest ? length : longest;
	}
	assert_true(table->used >= 100000);
	assert_true(longest < 20);
	fw_table_free(table);
}

static size_t dropped;

static void count_drop(void *value)
{
	assert_non_null(value);
	dropped++;
}

static void clear_drops_each_value_and_the_table_lives_on(void **state)
{
	struct fw_table *table = fw_table_new(100000);
	char buffer[32];
	size_t i;

	(void)state;
	dropped = 0;
	for (i = 0; i < 2000; i++)
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[i], NULL),
			FW_OK);
	fw_table_clear(table, count_drop);
	assert_int_equal(dropped, 2000);
	assert_int_equal(fw_table_count(table), 0);
	for (i = 0; i < 2000; i++) {
		assert_null(fw_table_get(table, numbered(buffer, sizeof(buffer), i)));
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[i], NULL),
			FW_OK);
	}
	assert_ptr_equal(
		fw_table_get(table, numbered(buffer, sizeof(buffer), 1999)), &values[1999]);
	fw_table_free(table);
}

static void retired_it_is_empty_at_once_and_freed_a_few_at_a_time(void **state)
{
	struct fw_table *table = fw_table_new(0);
	struct fw_retired retired = {0};
	char buffer[32];
	size_t i, calls = 0;
	bool left;

	(void)state;
	dropped = 0;
	for (i = 0; i < 2000; i++) {
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[i], NULL),
			FW_OK);
		if (i != 999)
			continue;
		fw_table_retire(&table, &retired, count_drop);
		assert_int_equal(fw_table_count(table), 0);
		assert_null(fw_table_get(table, numbered(buffer, sizeof(buffer), 0)));
	}
	/* a second one while the first still waits */
	fw_table_retire(&table, &retired, count_drop);
	assert_int_equal(retired.count, 2000);
	assert_int_equal(dropped, 0);
	do {
		size_t before = dropped;

		left = fw_retired_free_some(&retired, 10, count_drop);
		assert_true(dropped - before <= 10);
		assert_int_equal(retired.count, 2000 - dropped);
	} while (left && ++calls < 1000);
	assert_false(left);
	assert_int_equal(dropped, 2000);
	assert_false(fw_retired_free_some(&retired, 10, count_drop));
	assert_int_equal(fw_table_count(table), 0);
	fw_table_free(table);
}

/* Many small pieces that glibc has yet to join keep waiting whoever next asks for a large one. */
static void what_is_freed_a_few_at_a_time_is_joined_so_too(void **state)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
	struct fw_table *table = fw_table_new(0);
	struct fw_retired retired = {0};
	char buffer[32];

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[i], NULL),
			FW_OK);
	fw_table_retire(&table, &retired, count_drop);
	while (fw_retired_free_some(&retired, 64, count_drop))
		assert_true(mallinfo2().smblks < 500);
	fw_table_free(table);
#else
	(void)state;
	skip();
#endif
}

static void a_small_table_is_not_worth_retiring_and_without_memory_none_is(void **state)
{
	struct fw_table *table = fw_table_new(0), *same = table;
	struct fw_retired retired = {0};
	char buffer[32];

	(void)state;
	dropped = 0;
	/* said so that clang-tidy sees it */
	if (!table) {
		fail();
		return;
	}
	assert_int_equal(fw_table_put(table, FW_SLICE("a"), &values[0], NULL), FW_OK);
	fw_table_retire(&table, &retired, count_drop);
	assert_int_equal(dropped, 1);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[i], NULL),
			FW_OK);
	allocations_left = 0;
	fw_table_retire(&table, &retired, count_drop);
	allocations_left = -1;
	assert_int_equal(dropped, 101);
	assert_int_equal(retired.count, 0);
	assert_ptr_equal(table, same);
	assert_int_equal(fw_table_count(table), 0);
	fw_table_free(table);
}

static void without_memory_it_stays_as_it_was(void **state)
{
	void *old = &values[7];
	struct fw_table *table;
	char buffer[32];
	size_t i;

	(void)state;
	for (allocations_left = 0; allocations_left < 2; allocations_left++) {
		long left = allocations_left;

		assert_null(fw_table_new(0));
		allocations_left = left;
	}
	allocations_left = -1;
	table = fw_table_new(0);
	assert_int_equal(fw_table_put(table, FW_SLICE("a"), &values[0], NULL), FW_OK);
	allocations_left = 0;
	assert_int_equal(fw_table_put(table, FW_SLICE("b"), &values[1], &old), FW_NOMEM);
	assert_ptr_equal(old, &values[7]);
	assert_int_equal(fw_table_put(table, FW_SLICE("a"), &values[2], &old), FW_OK);
	assert_ptr_equal(old, &values[0]);
	assert_int_equal(fw_table_count(table), 1);
	/* one allocation an entry, none to grow: the chains get longer, and that is all */
	for (i = 0; i < 500; i++) {
		allocations_left = 1;
		assert_int_equal(
			fw_table_put(table, numbered(buffer, sizeof(buffer), i), &values[i], NULL),
			FW_OK);
	}
	allocations_left = 0;
	for (i = 0; i < 500; i++)
		assert_ptr_equal(
			fw_table_get(table, numbered(buffer, sizeof(buffer), i)), &values[i]);
	fw_table_clear(table, NULL);
	assert_int_equal(fw_table_put(table, FW_SLICE("a"), &values[0], NULL), FW_NOMEM);
	allocations_left = -1;
	assert_int_equal(fw_table_put(table, FW_SLICE("a"), &values[0], NULL), FW_OK);
	fw_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_gets_replaces_and_removes),
		cmocka_unit_test(keys_are_bytes),
		cmocka_unit_test(pointers_are_keys),
		cmocka_unit_test(agrees_with_an_array_over_a_random_walk),
		cmocka_unit_test(a_walk_meets_each_entry_once_and_may_remove_it),
		cmocka_unit_test(chains_stay_short_as_it_grows),
		cmocka_unit_test(clear_drops_each_value_and_the_table_lives_on),
		cmocka_unit_test(retired_it_is_empty_at_once_and_freed_a_few_at_a_time),
		cmocka_unit_test(what_is_freed_a_few_at_a_time_is_joined_so_too),
		cmocka_unit_test(a_small_table_is_not_worth_retiring_and_without_memory_none_is),
		cmocka_unit_test(without_memory_it_stays_as_it_was),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
