/* The segment being written, in memory: an append is a copy instead of a system call. Private to
 * the spool; broker thread only.
 *
 * What is copied into a shared mapping is in the kernel's page cache, as what was written is. But
 * where write() returns an error, a page that cannot be had (a disk that dies, a file cut by
 * somebody) raises SIGBUS, which would be the end of the broker; and pages that were had before
 * take what is copied, whatever has become of the disk: some kilobytes, until the store notices
 * (fw_spool_suspect). While a segment is mapped its addresses are guarded by a handler: it puts a
 * page of nobody's in the place of the one that is missing, the copy ends, and the caller hears
 * that it failed and goes on with write(). Any other SIGBUS is handed to whoever handled it before.
 * (systemd's journal does the same: src/basic/sigbus.c.) */
#ifndef FW_SPOOL_MAPPING_H
#define FW_SPOOL_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fw_mapping {
	unsigned char *at; /* NULL: not mapped */
	size_t size;       /* bytes that are mapped */
	size_t length;     /* bytes that the file has */
	size_t ready;      /* bytes of it that there is memory for */
	int fd;
};

/* Maps `size` bytes of an empty file that is open for reading and writing. False: it cannot be, or
 * another segment is mapped. */
bool fw_mapping_open(struct fw_mapping *map, int fd, size_t size);

/* False: nothing can be said about what is in the file from `offset` on. Close it then. */
bool fw_mapping_write(struct fw_mapping *map, const void *bytes, size_t len, uint64_t offset);

/* Ends the mapping, and cuts the file behind `end`. Nothing happens when it is not mapped. */
void fw_mapping_close(struct fw_mapping *map, uint64_t end);

#endif
