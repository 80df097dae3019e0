/* Sockets that listen, for a server of libmicrohttpd: what an option names as address:port. On the
 * I/O thread (base/io_thread.h), at start. */
#ifndef FW_HTTP_LISTEN_H
#define FW_HTTP_LISTEN_H

#include <sys/stat.h>

#include "base/fw.h"

#define FW_LISTEN_MOST 8u /* addresses that a name may have; more are not listened on */

/* Embedded. `fd` is -1 once a server has taken the socket over. */
struct fw_listen {
	struct fw_listen_socket {
		int fd;
		struct stat known; /* of the socket: tells whether the number is still its own */
	} sockets[FW_LISTEN_MOST];
	unsigned count;
	int port; /* 0: a unix socket */
};

/* Opens the sockets of `text`: address:port, an IPv6 address in brackets; a name is all its
 * addresses, of which those are left out that this machine does not have; port 0: any free one.
 * FW_OK: close it with fw_listen_close. FW_INVALID with a message that names `option`. */
enum fw_status fw_listen_open(
	const char *option, const char *text, struct fw_listen *out, struct fw_error *error);

/* The same for a unix socket at `path`, with mode 0660. Replaces a socket that nobody listens on
 * any more; refuses a path that is in use, or is no socket. */
enum fw_status fw_listen_open_unix(
	const char *option, const char *path, struct fw_listen *out, struct fw_error *error);

/* Does `text` (address:port) name loopback addresses alone? False for what cannot be resolved. */
bool fw_listen_is_loopback(const char *text);

/* A server has taken over socket `index`, and will close it. */
void fw_listen_release(struct fw_listen *listening, unsigned index);

/* Closes what no server has taken over. A server that failed to start has closed its socket in some
 * cases, in others not: both are fine. All zero is fine. */
void fw_listen_close(struct fw_listen *listening);

#endif
