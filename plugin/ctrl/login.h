/* How to reach the broker and log in: what mosquitto_ctrl was told. */
#ifndef FW_CTRL_LOGIN_H
#define FW_CTRL_LOGIN_H

#include <mosquitto.h>

#include "base/fw.h"

/* The front of Mosquitto's struct mosq_ctrl (apps/mosquitto_ctrl/mosquitto_ctrl.h), which is alike
 * in 2.0 and 2.1. What follows it is not, and is read from the command line. */
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

/* Options that lie behind that part; empty: not given. */
struct fw_ctrl_rest {
	char psk[FW_CTRL_REST_MAX], psk_identity[FW_CTRL_REST_MAX], keyform[FW_CTRL_REST_MAX],
		proxy[FW_CTRL_REST_MAX];
	bool tls_use_os_certs;
	bool unread; /* the words of the process cannot be read: some may be missing */
};

struct fw_ctrl_login {
	const struct fw_ctrl_shared *shared;
	struct fw_ctrl_rest rest;
};

/* Reads the rest from the words of this process before the module's `argc` words and its name, and
 * from mosquitto_ctrl's file of options. `words`: as in /proc/self/cmdline, each terminated. */
void fw_ctrl_rest_of_words(struct fw_ctrl_rest *rest, const char *words, size_t len, int argc);
/* A line of the file: "--psk KEY". */
void fw_ctrl_rest_of_line(struct fw_ctrl_rest *rest, const char *line);
void fw_ctrl_rest_read(struct fw_ctrl_rest *rest, const char *options_file, int argc);

/* Is the connection encrypted? */
bool fw_ctrl_login_is_tls(const struct fw_ctrl_login *login);
/* Can nobody listen on its way: encrypted, or on this machine? */
bool fw_ctrl_login_is_private(const struct fw_ctrl_login *login);
int fw_ctrl_login_port(const struct fw_ctrl_login *login); /* 0: host is the path of a socket */

/* Sets all of it but the password. False with a sentence. */
bool fw_ctrl_login_apply(
	const struct fw_ctrl_login *login, struct mosquitto *mosq, struct fw_error *error);

/* Asks for the user's password, without echo when it is typed; a line of standard input else. In
 * `text`; false with a sentence. */
bool fw_ctrl_ask_password(const char *user, char *text, size_t size, struct fw_error *error);

#endif
