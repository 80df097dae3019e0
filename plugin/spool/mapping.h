/* The segment being written, as a shared mapping: an append is a copy instead of a system call.
 * Private to the spool; broker thread only.
 *
 * Copied bytes are in the kernel's page cache, like written ones. Errors differ: where write()
 * returns one, the first touch of a page that the kernel cannot provide (a failing disk, a file
 * that somebody truncated) raises SIGBUS, which would end the broker. So a handler guards the
 * addresses of the mapping: it maps an anonymous page in the place of the missing one, the copy
 * ends, and fw_mapping_write returns false; the caller goes on with pwrite(). Any other SIGBUS goes
 * to the handler before (systemd's journal does the same: src/basic/sigbus.c).
 *
 * Pages that are in memory already take a copy even after the disk has failed: some kilobytes,
 * until the store notices and calls fw_spool_suspect. */
#ifndef FW_SPOOL_MAPPING_H
#define FW_SPOOL_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fw_mapping {
	unsigned char *at; /* NULL: not mapped */
	size_t size;       /* bytes that are mapped */
	size_t length;     /* bytes that the file has */
	size_t ready;      /* bytes of it whose pages are in memory */
	int fd;            /* borrowed */
};

/* Maps at least `size` bytes of an empty file that is open for reading and writing; `fd` is
 * borrowed until the mapping is closed. False: it cannot be mapped, or another segment is. */
bool fw_mapping_open(struct fw_mapping *map, int fd, size_t size);

/* Copies `len` bytes to `offset`, and makes the file longer where needed. False: the copy failed,
 * and what the file has from `offset` on is undefined; close the mapping at `offset`. */
bool fw_mapping_write(struct fw_mapping *map, const void *bytes, size_t len, uint64_t offset);

/* Ends the mapping, and truncates the file to `end` bytes. Does nothing when it is not mapped. */
void fw_mapping_close(struct fw_mapping *map, uint64_t end);

#endif
