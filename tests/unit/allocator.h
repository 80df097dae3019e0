/* An allocator that fails on demand, for a test that includes the .c files it is to try:
 * include this last before them. */
#ifndef TEST_ALLOCATOR_H
#define TEST_ALLOCATOR_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static long allocations_left = -1; /* -1: no end */

static inline bool allocation_fails(void)
{
	if (allocations_left < 0)
		return false;
	if (allocations_left == 0)
		return true;
	allocations_left--;
	return false;
}

static inline void *counted_malloc(size_t size)
{
	return allocation_fails() ? NULL : malloc(size);
}

static inline void *counted_calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : calloc(count, size);
}

static inline void *counted_realloc(void *old, size_t size)
{
	return allocation_fails() ? NULL : realloc(old, size);
}

static inline void *counted_reallocarray(void *old, size_t count, size_t size)
{
	return allocation_fails() ? NULL : reallocarray(old, count, size);
}

#define malloc counted_malloc
#define calloc counted_calloc
#define realloc counted_realloc
#define reallocarray counted_reallocarray

#endif
