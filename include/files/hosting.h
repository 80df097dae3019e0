/* How firmware files get to devices: which folder they are in, which URL a device is told. Made at
 * start, read-only afterwards but for `suspect`; any thread. */
#ifndef FW_FILES_HOSTING_H
#define FW_FILES_HOSTING_H

#include <stdatomic.h>

#include "base/options.h"
#include "files/digest.h"
#include "files/folder.h"
#include "files/url.h"

/* A verified file, opened. */
struct fw_hosted_file {
	int fd;                     /* whoever is given it closes it */
	struct fw_file_stamp stamp; /* of what was verified; its size is the file's */
	char sha256[FW_SHA256_TEXT];
	char product_id[FW_ID_MAX + 1], firmware_id[FW_ID_MAX + 1];
};

struct fw_hosting {
	const char *folder;   /* borrowed from the options, like url_base */
	const char *url_base; /* NULL: files are had by chunks alone */
	/* the folder is on a network file system: when its server hangs, a thread that touches the
	 * folder hangs too */
	bool remote;
	int64_t ttl_seconds; /* 0: URLs do not expire */
	struct fw_url_key key;
	/* a file is not what was verified: the store is to look at all of them, and clears this */
	atomic_bool suspect;
};

/* On the I/O thread (base/io_thread.h). Makes the folder if it is missing, and the key file if URLs
 * expire. FW_OK, FW_INVALID with a message, or FW_NOMEM. */
enum fw_status fw_hosting_init(
	struct fw_hosting *hosting, const struct fw_options *options, struct fw_error *error);

/* Is the host of url_base one that devices cannot reach: an unspecified address (0.0.0.0, ::), or
 * loopback (127.0.0.1, ::1, localhost), in whatever form? */
bool fw_hosting_is_unreachable(const struct fw_hosting *hosting);

/* Is the file on disk still what was verified? If not, sets `suspect`. One system call. Not for the
 * broker thread. */
bool fw_hosting_holds(
	struct fw_hosting *hosting, const char *file, const struct fw_file_stamp *stamp);

/* The same for the broker thread, which must not wait for another machine: of a remote folder the
 * answer is yes, without a look. The store looks at all files every 20 seconds, and each download
 * at its own. */
bool fw_hosting_may_hold(
	struct fw_hosting *hosting, const char *file, const struct fw_file_stamp *stamp);

/* What the plugin fills in as firmware.url: {url_base}/firmware/{firmwareId}/{file}, or
 * chunk:{firmwareId} without a url_base. malloc'd; NULL when out of memory. */
char *fw_hosting_plain_url(
	const struct fw_hosting *hosting, struct fw_slice firmware_id, struct fw_slice file);

/* Are URLs made by the plugin told with an expiry? */
bool fw_hosting_expires(const struct fw_hosting *hosting);

/* The URL for one device, valid from `now` (Unix ms) for ttl_seconds, and less than a second
 * longer. malloc'd; NULL when out of memory. */
char *fw_hosting_url(const struct fw_hosting *hosting, struct fw_slice product,
	struct fw_slice device, const char *firmware_id, const char *file, int64_t now);

#endif
