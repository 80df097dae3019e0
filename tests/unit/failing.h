/* Allocations that fail in turn, counted by who asks: the plugin with jansson, SQLite, and the
 * broker that the plugin talks to. The linker puts these in place of the C library's (see
 * tests/CMakeLists.txt), so that the plugin is tried as it is built. */
#ifndef TEST_FAILING_H
#define TEST_FAILING_H

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

enum failing { FAIL_PLUGIN, FAIL_SQLITE, FAIL_BROKER, FAIL_KINDS };

static struct {
	enum failing kind;
	long at;       /* the first that fails, from 1; 0: none */
	long in_a_row; /* how many fail */
	long count[FAIL_KINDS];
	long failed;
	long live; /* blocks of the plugin and jansson that were not freed */
} failing;

/* Set in the test's own thread: allocations of other threads, whose order differs each time, never
 * fail. */
static thread_local bool in_turn;

static bool fails(enum failing kind)
{
	if (!in_turn)
		return false;
	failing.count[kind]++;
	if (kind != failing.kind || failing.at == 0 || failing.count[kind] < failing.at ||
		failing.count[kind] >= failing.at + failing.in_a_row)
		return false;
	failing.failed++;
	errno = ENOMEM;
	return true;
}

static void *counted(void *block)
{
	if (block)
		__atomic_add_fetch(&failing.live, 1, __ATOMIC_RELAXED);
	return block;
}

static void uncounted(const void *block)
{
	if (block)
		__atomic_sub_fetch(&failing.live, 1, __ATOMIC_RELAXED);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
char *__real_realpath(const char *path, char *resolved);
DIR *__real_opendir(const char *path);
FILE *__real_fopen(const char *path, const char *mode);
int __real_vasprintf(char **out, const char *format, va_list arguments);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
char *__wrap_realpath(const char *path, char *resolved);
DIR *__wrap_opendir(const char *path);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_vasprintf(char **out, const char *format, va_list arguments);
int __wrap_asprintf(char **out, const char *format, ...);
void __wrap_free(void *block);
/* what -D_FORTIFY_SOURCE makes of some of them */
char *__wrap___realpath_chk(const char *path, char *resolved, size_t size);
int __wrap___asprintf_chk(char **out, int flag, const char *format, ...);
int __wrap___vasprintf_chk(char **out, int flag, const char *format, va_list arguments);

void *__wrap_malloc(size_t size)
{
	return fails(FAIL_PLUGIN) ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(FAIL_PLUGIN) ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	void *block;

	if (fails(FAIL_PLUGIN))
		return NULL;
	block = __real_realloc(old, size);
	return old ? block : counted(block);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return __wrap_realloc(old, count * size);
}

char *__wrap_strdup(const char *text)
{
	return fails(FAIL_PLUGIN) ? NULL : counted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t len)
{
	return fails(FAIL_PLUGIN) ? NULL : counted(__real_strndup(text, len));
}

char *__wrap_realpath(const char *path, char *resolved)
{
	return fails(FAIL_PLUGIN) ? NULL : counted(__real_realpath(path, resolved));
}

DIR *__wrap_opendir(const char *path)
{
	return fails(FAIL_PLUGIN) ? NULL : __real_opendir(path);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	return fails(FAIL_PLUGIN) ? NULL : __real_fopen(path, mode);
}

int __wrap_vasprintf(char **out, const char *format, va_list arguments)
{
	int len = fails(FAIL_PLUGIN) ? -1 : __real_vasprintf(out, format, arguments);

	if (len >= 0)
		counted(*out);
	return len;
}

int __wrap_asprintf(char **out, const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = __wrap_vasprintf(out, format, arguments);
	va_end(arguments);
	return len;
}

char *__wrap___realpath_chk(const char *path, char *resolved, size_t size)
{
	(void)size;
	return __wrap_realpath(path, resolved);
}

int __wrap___vasprintf_chk(char **out, int flag, const char *format, va_list arguments)
{
	(void)flag;
	return __wrap_vasprintf(out, format, arguments);
}

int __wrap___asprintf_chk(char **out, int flag, const char *format, ...)
{
	va_list arguments;
	int len;

	(void)flag;
	va_start(arguments, format);
	len = __wrap_vasprintf(out, format, arguments);
	va_end(arguments);
	return len;
}

void __wrap_free(void *block)
{
	uncounted(block);
	__real_free(block);
}

static sqlite3_mem_methods real_sqlite;

static void *sqlite_malloc(int size)
{
	return fails(FAIL_SQLITE) ? NULL : real_sqlite.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	return fails(FAIL_SQLITE) ? NULL : real_sqlite.xRealloc(old, size);
}

/* Before the first use of SQLite and jansson. */
static void failing_install(void)
{
	sqlite3_mem_methods methods;

	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_sqlite);
	methods = real_sqlite;
	methods.xMalloc = sqlite_malloc;
	methods.xRealloc = sqlite_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
	json_set_alloc_funcs(__wrap_malloc, __wrap_free);
}

static void failing_start(enum failing kind, long at, long in_a_row)
{
	memset(failing.count, 0, sizeof(failing.count));
	failing.kind = kind;
	failing.at = at;
	failing.in_a_row = in_a_row;
	failing.failed = 0;
	in_turn = true;
}

static void failing_stop(void)
{
	in_turn = false;
}

#endif
