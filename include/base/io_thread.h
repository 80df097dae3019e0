/* The I/O thread, and the threads that it starts: a side of the process with a table of open files
 * of its own.
 *
 * With one table for all threads each system call of the broker's thread takes a reference of its
 * file and gives it back (fs/file.c in Linux: fdget is free only while a table belongs to one
 * thread): about 7 % of a routed message, paid by clients that have nothing to do with firmware.
 * And however many downloads there are, the broker's limit of open files is its own.
 *
 * So no descriptor goes from one side to the other: what one opened, it closes. */
#ifndef FW_BASE_IO_THREAD_H
#define FW_BASE_IO_THREAD_H

#include "base/fw.h"

struct fw_io_thread;

/* Broker thread. Starts the thread; `own_table` false: it keeps the broker's table. FW_OK,
 * FW_NOMEM, or FW_FAILED with a message. The caller owns *out. */
enum fw_status fw_io_thread_open(bool own_table, struct fw_io_thread **out, struct fw_error *error);

/* Does it have a table of its own? Where the kernel has no close_range with CLOSE_RANGE_UNSHARE
 * (before Linux 5.9), or forbids it, it has not. Any thread. */
bool fw_io_thread_has_own_table(const struct fw_io_thread *io_thread);

/* Broker thread. Runs `job` on the I/O thread, waits for its end, and returns its status. */
enum fw_status fw_io_thread_run(
	struct fw_io_thread *io_thread, enum fw_status (*job)(void *context), void *context);

/* Broker thread. Ends the thread; those that it started must have ended. NULL is fine. */
void fw_io_thread_close(struct fw_io_thread *io_thread);

#endif
