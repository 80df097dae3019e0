/* Writes answers. Each says what a browser may do with it: run the page's own scripts and no other,
 * show it in no frame, send no Referer. No answer has a header of CORS: so pages of other sites
 * cannot read any. */
#include "control/web_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SECONDS 60u /* in which a client must take an answer */
/* bytes of the body of a refused request that are read all the same: a client that still sends when
 * the connection is closed may lose the answer */
#define DISCARD_MOST (1 << 20)

static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
	"data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char *const headers[][2] = {
	{"Content-Security-Policy", policy},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
};

static void add(struct MHD_Response *response, const char *name, const char *value)
{
	/* without memory the answer goes out without this header */
	MHD_add_response_header(response, name, value);
}

static void add_number(struct MHD_Response *response, const char *name, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	add(response, name, text);
}

static enum MHD_Result queue(
	struct fw_web_request *request, unsigned status, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		add(response, headers[i][0], headers[i][1]);
	fw_web_patience(request->web, request->connection, ANSWER_SECONDS);
	result = MHD_queue_response(request->mhd, status, response);
	MHD_destroy_response(response);
	return result;
}

/* A browser that is offered HTTP Basic asks for a password by itself, over the page. So it is not:
 * a browser is known by its Sec-Fetch-Site. */
static void add_challenge(const struct fw_web_request *request, struct MHD_Response *response)
{
	bool browser = fw_web_header(request, "Sec-Fetch-Site") != NULL;

	add(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
		browser ? "Cookie realm=\"firmware\""
			: "Basic realm=\"firmware\", charset=\"UTF-8\"");
}

/* Takes over the text. */
static struct MHD_Response *response_of(
	const struct fw_web_request *request, struct fw_api_answer *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(answer->len,
		answer->text ? answer->text : (void *)(uintptr_t) "",
		answer->text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);

	if (!response)
		free(answer->text);
	answer->text = NULL;
	if (!response)
		return NULL;
	if (answer->len)
		add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	add(response, MHD_HTTP_HEADER_CACHE_CONTROL,
		answer->etag[0] ? "private, no-cache" : "no-store");
	if (answer->etag[0])
		add(response, MHD_HTTP_HEADER_ETAG, answer->etag);
	if (answer->retry_after)
		add_number(response, MHD_HTTP_HEADER_RETRY_AFTER, answer->retry_after);
	if (answer->status == MHD_HTTP_UNAUTHORIZED)
		add_challenge(request, response);
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		add(response, MHD_HTTP_HEADER_ALLOW, request->match.allowed);
	return response;
}

enum MHD_Result fw_web_answer(struct fw_web_request *request, struct fw_api_answer *answer)
{
	unsigned status = answer->status;

	return queue(request, status, response_of(request, answer));
}

/* True if a body small enough to be read is on its way. A client that asks first (Expect) sends
 * none. */
static bool has_small_body(const struct fw_web_request *request)
{
	return request->has_length && request->length > 0 && request->length <= DISCARD_MOST &&
		!fw_web_header(request, MHD_HTTP_HEADER_EXPECT);
}

enum MHD_Result fw_web_refuse(
	struct fw_web_request *request, unsigned status, const char *code, const char *message)
{
	int wait = request->refusal.retry_after;

	if (request->refusal.status)
		return MHD_YES;
	fw_api_refuse(&request->refusal, status, code, message);
	if (wait)
		request->refusal.retry_after = wait;
	if (!request->whole && (request->received > 0 || has_small_body(request)))
		return MHD_YES;
	return fw_web_answer(request, &request->refusal);
}

enum MHD_Result fw_web_answer_cookie(
	struct fw_web_request *request, struct fw_api_answer *answer, const char *token)
{
	const struct fw_guard *guard = &request->web->guard;
	unsigned status = answer->status;
	struct MHD_Response *response = response_of(request, answer);
	char cookie[256];

	snprintf(cookie, sizeof(cookie),
		FW_LOGIN_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s%s", token,
		guard->tls || guard->behind_proxy ? "; Secure" : "", token[0] ? "" : "; Max-Age=0");
	if (response)
		add(response, MHD_HTTP_HEADER_SET_COOKIE, cookie);
	return queue(request, status, response);
}

enum MHD_Result fw_web_answer_bytes(
	struct fw_web_request *request, char *bytes, size_t len, const char *type)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);

	if (!response) {
		free(bytes);
		return MHD_NO;
	}
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	return queue(request, MHD_HTTP_OK, response);
}

enum MHD_Result fw_web_answer_asset(
	struct fw_web_request *request, const struct fw_web_asset *asset)
{
	const char *known = fw_web_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
	bool same = known && asset->etag && strstr(known, asset->etag);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		same ? 0 : asset->len, (void *)(uintptr_t)asset->bytes, MHD_RESPMEM_PERSISTENT);

	if (!response)
		return MHD_NO;
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, asset->type);
	if (asset->encoding)
		add(response, MHD_HTTP_HEADER_CONTENT_ENCODING, asset->encoding);
	if (asset->etag)
		add(response, MHD_HTTP_HEADER_ETAG, asset->etag);
	add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
	return queue(request, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}
