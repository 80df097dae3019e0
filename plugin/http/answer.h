/* A request in progress, and the two ways to answer it: by a line of text, or by a file. On the
 * server's threads. */
#ifndef FW_HTTP_ANSWER_H
#define FW_HTTP_ANSWER_H

#include "http/condition.h"
#include "http/internal.h"

#define FW_HTTP_VALUE 256u /* bytes of a decoded part of the URL, with its terminator */

struct fw_http_request {
	struct fw_http *http;
	struct MHD_Connection *mhd;
	struct fw_http_connection *connection;
	bool head; /* HEAD, else GET */
	char firmware_id_text[3 * FW_HTTP_VALUE], file_text[3 * FW_HTTP_VALUE];
	char device_text[3 * FW_HTTP_VALUE], expires_text[3 * FW_HTTP_VALUE],
		signature_text[3 * FW_HTTP_VALUE];
	struct fw_slice firmware_id, file_name;
	struct fw_http_query query;
	struct fw_hosted_file file;
	/* of the file */
	char etag[FW_SHA256_TEXT + 2], modified[FW_HTTP_DATE];
	struct fw_http_validators validators;
	/* the ranges of it that are sent; `count` 0: all of it */
	struct fw_http_range_of ranges[FW_HTTP_RANGES_MOST];
	size_t count;
};

/* Refuses the request with this code and text, and one more header unless `name` is NULL. No cache
 * may keep it (RFC 9111, section 5.2.2.5). */
enum MHD_Result fw_http_answer_text(const struct fw_http_request *request, unsigned code,
	const char *name, const char *value, const char *text);

/* With request->file: what the request's conditions and ranges ask for. Closes the file, now or
 * when it is sent. `device` is empty when nothing proves who asks. */
enum MHD_Result fw_http_answer_file(struct fw_http_request *request, struct fw_slice device);

#endif
