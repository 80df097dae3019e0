/* The admin server: the HTTP face of the control plane, on a port of its own or on a unix socket.
 * libmicrohttpd runs a thread for each connection, on the I/O thread's side (base/io_thread.h): an
 * admin's query may take seconds, and the broker's thread has no part in it. */
#ifndef FW_CONTROL_WEB_H
#define FW_CONTROL_WEB_H

#include "control/commands.h"

struct fw_web;

/* A file of the page, embedded. Static. */
struct fw_web_asset {
	const void *bytes;
	size_t len;
	const char *type;     /* Content-Type */
	const char *encoding; /* Content-Encoding, such as gzip; NULL: none */
	const char *etag;     /* with its quotes */
};

/* Borrowed for the life of the server. */
struct fw_web_config {
	const char *listen;                             /* address:port or unix:path */
	const char *password_file, *certfile, *keyfile; /* NULL: none */
	char **hosts, **admins, **viewers;              /* NULL-terminated; NULL: none */
	bool behind_proxy;
	int64_t upload_max; /* bytes */
	const char *db_file, *files_dir;
	unsigned timeout_seconds; /* in which a request comes in whole; 0: 30 */

	/* Each of these may be NULL. The server's threads call them, several at a time. */
	void *context;
	void (*log)(void *context, enum fw_log_level level, const char *line);
	/* A command ended, as in struct fw_commands_config. */
	void (*done)(void *context, const struct fw_asker *asker, const char *outcome);
	/* The metrics, malloc'd, with *len and *type (a static Content-Type) for an Accept header
	 * (NULL: absent). NULL when out of memory, or busy. */
	char *(*metrics)(void *context, const char *accept, size_t *len, const char **type);
	/* A file of the page by its path ("/" is one); NULL: there is none. */
	const struct fw_web_asset *(*asset)(void *context, const char *path);
};

/* On the I/O thread. FW_OK: the server runs, and the caller owns *out. FW_INVALID: an option is
 * wrong, and `error` says what to change. Else a status of fw_commands_open or fw_thread_start, or
 * FW_NOMEM, which may leave `error` empty. */
enum fw_status fw_web_start(
	const struct fw_web_config *config, struct fw_web **out, struct fw_error *error);
/* On the I/O thread. Ends what is under way, and frees the server; NULL is fine. */
void fw_web_stop(struct fw_web *web);

/* The port it listens on; 0: a unix socket. Any thread. */
int fw_web_port(const struct fw_web *web);

#endif
