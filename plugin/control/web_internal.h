/* What the parts of the admin server share: web.c starts and stops it, web_connection.c bounds its
 * connections, web_request.c takes the heads of requests and decides who may ask, web_body.c takes
 * their bodies and carries them out, web_answer.c writes answers, web_pool.c lends the objects that
 * carry out commands. Unless told otherwise, a function runs on the thread of the connection. */
#ifndef FW_CONTROL_WEB_INTERNAL_H
#define FW_CONTROL_WEB_INTERNAL_H

#include <microhttpd.h>

#include "control/web.h"
#include "control/api.h"
#include "control/guard.h"
#include "control/login.h"
#include "control/upload.h"
#include "http/listen.h"
#include "http/slots.h"

#define FW_WEB_CONNECTIONS 32u
#define FW_WEB_PER_ADDRESS 8u
#define FW_WEB_COMMANDS 4u   /* that are carried out at once */
#define FW_WEB_FOR_ADMINS 1u /* of these, that viewers do not get */
#define FW_WEB_FROM 64u      /* bytes of an address as text */

/* Lends objects that carry out commands, one thread at a time each. */
struct fw_web_pool {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t given_back;
	struct fw_commands *all[FW_WEB_COMMANDS]; /* never changes while the server runs */
	struct fw_commands *idle[FW_WEB_COMMANDS];
	unsigned count; /* of the idle ones */
};

struct fw_web {
	struct fw_web_config config;
	struct fw_guard guard;
	bool is_unix;
	char *certificate, *key; /* PEM, for the life of the daemons; NULL: none */
	struct MHD_Daemon *daemons[FW_LISTEN_MOST];
	unsigned listening;
	struct fw_http_slots slots; /* each in a struct fw_web_connection */
	struct fw_login *login;
	struct fw_web_pool pool;
	pthread_t keeper; /* ends connections that take too long */
	bool has_keeper;
	pthread_cond_t changed; /* with the lock of the slots: a first connection, or the end */
	bool stopping;
	pthread_mutex_t health_lock; /* held while /healthz reads the catalog; guards: */
	int64_t health_at;           /* boot ms when it was read last; 0: never */
	bool healthy;
};

/* A connection of a client. */
struct fw_web_connection {
	struct fw_http_slot slot;
	int patience_ms; /* after slot.since it is ended; 0: never. Guarded by the slots' lock */
	char from[FW_WEB_FROM];  /* the client's address, or its user id */
	char local[FW_WEB_FROM]; /* what it connected to; empty: a unix socket */
};

/* A request, from its first line to the end of its answer. */
struct fw_web_request {
	struct fw_web *web;
	struct MHD_Connection *mhd;
	struct fw_web_connection *connection;
	char *path, *query; /* one allocation; query NULL: none */
	bool begun, whole;  /* its head has come; all of it has */
	struct fw_route_match match;
	struct fw_login_result login;
	struct fw_asker asker; /* borrows from `login` and `connection` */
	bool has_length;
	int64_t length; /* Content-Length */
	char *body;
	size_t body_len, body_room;
	struct fw_upload *upload;
	int64_t received;             /* bytes of the body */
	int64_t renewed_at;           /* `received` when an upload was last given more time */
	struct fw_api_answer refusal; /* status 0: none; with one the body is dropped */
};

/* --- web_connection.c --- */

enum MHD_Result fw_web_admit(void *context, const struct sockaddr *address, socklen_t len);
void fw_web_on_connection(void *context, struct MHD_Connection *mhd, void **connection,
	enum MHD_ConnectionNotificationCode code);
struct fw_web_connection *fw_web_connection_of(struct MHD_Connection *mhd);

/* Ends the connection `seconds` from now, unless it is called again before; 0: never. */
void fw_web_patience(struct fw_web *web, struct fw_web_connection *connection, unsigned seconds);

/* The keeper: a thread that ends connections whose time is over. */
void *fw_web_keep(void *web);

/* --- web_request.c, callbacks of the library --- */

void *fw_web_on_uri(void *context, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result fw_web_on_request(void *context, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **closure);
void fw_web_on_completed(void *context, struct MHD_Connection *mhd, void **closure,
	enum MHD_RequestTerminationCode code);

/* The value of a header, borrowed from the request; NULL: absent. */
const char *fw_web_header(const struct fw_web_request *request, const char *name);

/* True if request->login is a login. Else the request is answered, *result is for the library, and
 * a failure is logged. */
bool fw_web_is_known(struct fw_web_request *request, enum MHD_Result *result);

/* --- web_body.c --- */

/* The head has come, and the client may ask. MHD_YES: the body is to come, or it is answered. */
enum MHD_Result fw_web_body_begin(struct fw_web_request *request);
/* A piece of the body has come. */
void fw_web_body_take(struct fw_web_request *request, const char *bytes, size_t len);
/* The body has come: carries the request out, and answers. */
enum MHD_Result fw_web_body_end(struct fw_web_request *request);
/* The connection ended: writes down an upload that is not whole. */
void fw_web_body_broke_off(struct fw_web_request *request);

/* --- web_answer.c --- */

/* Each queues an answer: MHD_YES, or MHD_NO without memory. */

/* Takes over the answer's text. */
enum MHD_Result fw_web_answer(struct fw_web_request *request, struct fw_api_answer *answer);

/* {"code","message"}. When a small body is on its way, it is read first, and the answer follows.
 * `code` NULL: that of the status. */
enum MHD_Result fw_web_refuse(
	struct fw_web_request *request, unsigned status, const char *code, const char *message);

/* With a cookie of this token; empty: the browser forgets its cookie. Takes over the text. */
enum MHD_Result fw_web_answer_cookie(
	struct fw_web_request *request, struct fw_api_answer *answer, const char *token);

/* `len` malloc'd bytes of a Content-Type, which it takes over. */
enum MHD_Result fw_web_answer_bytes(
	struct fw_web_request *request, char *bytes, size_t len, const char *type);
/* A file of the page, or 304 if the client has it. */
enum MHD_Result fw_web_answer_asset(
	struct fw_web_request *request, const struct fw_web_asset *asset);

/* --- web_pool.c --- */

void fw_web_pool_init(struct fw_web_pool *pool); /* before all others */
enum fw_status fw_web_pool_open(
	struct fw_web_pool *pool, const struct fw_commands_config *config, struct fw_error *error);
void fw_web_pool_close(struct fw_web_pool *pool); /* also if it did not open */

/* fw_commands_run and fw_commands_request by an object of the pool, which is `context`. "busy" when
 * none comes free in three seconds. A new reference. */
json_t *fw_web_pool_run(void *context, const struct fw_asker *asker, const json_t *command);
json_t *fw_web_pool_request(void *context, const struct fw_asker *asker, struct fw_slice body);

/* fw_commands_can_read by an object of the pool; false when none comes free. */
bool fw_web_pool_can_read(struct fw_web_pool *pool);

/* fw_commands_record by an object of the pool; nothing when none comes free. */
void fw_web_pool_record(struct fw_web_pool *pool, const struct fw_asker *asker, const char *name,
	const char *subject, const char *code, const char *message);

/* Any thread. Ends the commands under way, and each later one. */
void fw_web_pool_stop(struct fw_web_pool *pool);

/* --- web.c --- */

/* A line of the log; `format` as printf's. Any thread. */
void fw_web_log(const struct fw_web *web, enum fw_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
