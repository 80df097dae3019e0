/* The body of an answer to several ranges: multipart/byteranges, RFC 9110, section 14.6.
 *
 *   CRLF --boundary CRLF headers of a part CRLF CRLF its bytes      for each range, in their order
 *   CRLF --boundary-- CRLF
 *
 * Made once, read-only afterwards; any thread. */
#ifndef FW_HTTP_MULTIPART_H
#define FW_HTTP_MULTIPART_H

#include <sys/types.h>

#include "http/server.h"

#define FW_HTTP_BOUNDARY 21u /* bytes of a boundary and its terminator */
#define FW_HTTP_BOUNDARY_TYPE                                                                      \
	"multipart/byteranges; boundary=" /* Content-Type, without the boundary */

struct fw_http_multipart;

/* Of a file of `size` bytes, whose ranges must lie within it. `fd` is borrowed. NULL when out of
 * memory. */
struct fw_http_multipart *fw_http_multipart_new(
	int fd, int64_t size, const struct fw_http_range_of *ranges, size_t count);
void fw_http_multipart_free(struct fw_http_multipart *multipart); /* NULL is fine */

const char *fw_http_multipart_boundary(const struct fw_http_multipart *multipart);
int64_t fw_http_multipart_length(const struct fw_http_multipart *multipart); /* bytes of the body */

/* The body's bytes from `at` on, at least one and at most `most`; 0 at its end, -1 when the file
 * cannot be read or has become shorter. */
ssize_t fw_http_multipart_read(
	const struct fw_http_multipart *multipart, int64_t at, char *out, size_t most);

/* The first piece of the file that lies between `*from` and `to` of the body; moves *from behind
 * it. False when there is none. */
bool fw_http_multipart_piece(const struct fw_http_multipart *multipart, int64_t *from, int64_t to,
	struct fw_http_range_of *piece);

#endif
