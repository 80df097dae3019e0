/* The store without its thread, on the caller's side, and clocks that can be set forward: a fuzz
 * target decides when the store works and how late it is, so that an input does the same each time.
 * Include before any header of the plugin: it brings store/store.c and base/fw.c with it, in place
 * of the library's. */
#ifndef FUZZ_STEPPED_H
#define FUZZ_STEPPED_H

#define fw_now_ms real_now_ms
#define fw_boot_ms real_boot_ms
#include "base/fw.c"
#undef fw_now_ms
#undef fw_boot_ms

int64_t fw_now_ms(void);
int64_t fw_boot_ms(void);

static _Atomic int64_t skipped_ms;

int64_t fw_now_ms(void)
{
	return real_now_ms() + skipped_ms;
}

int64_t fw_boot_ms(void)
{
	return real_boot_ms() + skipped_ms;
}

struct fw_store;
struct fw_error;
enum fw_status fw_store_start(struct fw_store *store, struct fw_error *error);

#define fw_store_start start_thread
#include "store/store.c"
#undef fw_store_start
#include "store/store_internal.h"

#include <sys/types.h>

#include "base/io_thread.h"

/* Threads that stand behind the broker's would wait for a free core each time they end. */
int setpriority(int which, id_t who, int priority);
int setpriority(int which, id_t who, int priority)
{
	(void)which;
	(void)who;
	(void)priority;
	return 0;
}

int sched_setscheduler(pid_t who, int policy, const struct sched_param *parameters)
{
	(void)who;
	(void)policy;
	(void)parameters;
	return 0;
}

/* The store's files are opened in the table of who steps it. */
struct fw_io_thread {
	int unused;
};

enum fw_status fw_io_thread_open(bool own_table, struct fw_io_thread **out, struct fw_error *error)
{
	(void)own_table;
	(void)error;
	*out = calloc(1, sizeof(**out));
	return *out ? FW_OK : FW_NOMEM;
}

bool fw_io_thread_has_own_table(const struct fw_io_thread *io_thread)
{
	(void)io_thread;
	return false;
}

enum fw_status fw_io_thread_run(
	struct fw_io_thread *io_thread, enum fw_status (*job)(void *context), void *context)
{
	(void)io_thread;
	return job(context);
}

void fw_io_thread_close(struct fw_io_thread *io_thread)
{
	free(io_thread);
}

static struct fw_store *stepped_store;

enum fw_status fw_store_start(struct fw_store *store, struct fw_error *error)
{
	(void)error;
	stepped_store = store;
	/* a locked catalog is tried again in a later step */
	sqlite3_busy_timeout(store->transaction.db, 0);
	return FW_OK;
}

/* One round of the store's thread. *more: there is more to do at once. */
__attribute__((unused)) static enum fw_status step_store(bool *more)
{
	enum fw_status status = fw_store_work(stepped_store, more);

	fw_health_note(&stepped_store->health, status, stepped_store->job);
	return status;
}

#endif
