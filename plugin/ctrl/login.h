/* How to reach the broker and log in: what mosquitto_ctrl was told. */
#ifndef FW_CTRL_LOGIN_H
#define FW_CTRL_LOGIN_H

#include <mosquitto.h>

#include "base/fw.h"

/* The front of Mosquitto's struct mosq_ctrl (apps/mosquitto_ctrl/mosquitto_ctrl.h), which is alike
 * in 2.0 and 2.1. The members behind it differ: those options are read from the command line. */
struct fw_ctrl_shared {
	char *id;
	int protocol_version, keepalive;
	char *host;
	int port, qos;
	char *bind_address;
	bool debug, quiet;
	char *username, *password, *options_file;
	char *cafile, *capath, *certfile, *keyfile, *ciphers;
	bool insecure;
	char *tls_alpn, *tls_version, *tls_engine, *tls_engine_kpass_sha1;
};

#define FW_CTRL_REST_MAX 256u /* bytes of each, terminated */

/* The options of those members; empty: not given. */
struct fw_ctrl_rest {
	char psk[FW_CTRL_REST_MAX], psk_identity[FW_CTRL_REST_MAX], keyform[FW_CTRL_REST_MAX],
		proxy[FW_CTRL_REST_MAX];
	bool tls_use_os_certs;
	bool unread; /* the command line cannot be read: an option may be missing */
};

struct fw_ctrl_login {
	const struct fw_ctrl_shared *shared;
	struct fw_ctrl_rest rest;
};

/* Takes options from the words of this process, but for the module's name and its `argc` words at
 * the end. `words`: `len` bytes as in /proc/self/cmdline, each word terminated. */
void fw_ctrl_rest_of_words(struct fw_ctrl_rest *rest, const char *words, size_t len, int argc);
/* Takes an option from a line of mosquitto_ctrl's file of options: "--psk KEY". */
void fw_ctrl_rest_of_line(struct fw_ctrl_rest *rest, const char *line);
/* Reads the file of options (NULL: mosquitto_ctrl's default), and then the words of this process,
 * which win. */
void fw_ctrl_rest_read(struct fw_ctrl_rest *rest, const char *options_file, int argc);

/* True if the connection is encrypted. */
bool fw_ctrl_login_is_tls(const struct fw_ctrl_login *login);
/* True if nobody can listen in: the connection is encrypted, or stays on this machine. */
bool fw_ctrl_login_is_private(const struct fw_ctrl_login *login);
int fw_ctrl_login_port(const struct fw_ctrl_login *login); /* 0: host is the path of a socket */

/* Gives libmosquitto all of the login but user name and password. False with a sentence. */
bool fw_ctrl_login_apply(
	const struct fw_ctrl_login *login, struct mosquitto *mosq, struct fw_error *error);

/* Reads the user's password into `text`: asks for it on a terminal, without echo; else takes a line
 * of standard input. False with a sentence in `error`. */
bool fw_ctrl_ask_password(const char *user, char *text, size_t size, struct fw_error *error);

#endif
