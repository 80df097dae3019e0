/* Gives libmosquitto the options of mosquitto_ctrl: how to reach the broker, and log in.
 *
 * mosquitto_ctrl hands a module its struct mosq_ctrl, only the front of which is alike in all
 * versions. A module that ignored the rest would send passwords in the clear where --psk was asked
 * for. So the few options of the rest are read where mosquitto_ctrl reads them: in its file, and on
 * the command line. */
#include "ctrl/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX 65536u

_Static_assert(sizeof(void *) != 8 || offsetof(struct fw_ctrl_shared, tls_engine_kpass_sha1) == 144,
	"the front of struct mosq_ctrl is as Mosquitto has it");

/* ---- The rest */

/* Takes an option whose value is the word behind it; NULL: there is none. */
static void take(struct fw_ctrl_rest *rest, const char *name, const char *value)
{
	const struct {
		const char *name;
		char *to;
	} options[] = {{"--psk", rest->psk}, {"--psk-identity", rest->psk_identity},
		{"--keyform", rest->keyform}, {"--proxy", rest->proxy}};

	if (strcmp(name, "--tls-use-os-certs") == 0)
		rest->tls_use_os_certs = true;
	for (size_t i = 0; value && i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(name, options[i].name) == 0)
			snprintf(options[i].to, FW_CTRL_REST_MAX, "%s", value);
	}
}

static int count_words(const char *words, size_t len)
{
	int count = 0;

	for (size_t i = 0; i < len; i++)
		count += words[i] == '\0';
	return count;
}

void fw_ctrl_rest_of_words(struct fw_ctrl_rest *rest, const char *words, size_t len, int argc)
{
	/* counted from the end: Mosquitto 2.0 splits the URL of -L into several words */
	int before = count_words(words, len) - argc - 1;
	const char *word = words;

	for (int i = 0; i < before; i++) {
		const char *next = word + strlen(word) + 1;

		take(rest, word, i + 1 < before ? next : NULL);
		word = next;
	}
}

void fw_ctrl_rest_of_line(struct fw_ctrl_rest *rest, const char *line)
{
	char name[64], value[FW_CTRL_REST_MAX];
	int words = sscanf(line, "%63s %255s", name, value);

	if (words > 0)
		take(rest, name, words > 1 ? value : NULL);
}

static void read_file(struct fw_ctrl_rest *rest, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		fw_ctrl_rest_of_line(rest, line);
	if (file)
		fclose(file);
}

static void read_words(struct fw_ctrl_rest *rest, int argc)
{
	FILE *file = fopen("/proc/self/cmdline", "re");
	char *words = file ? malloc(WORDS_MAX) : NULL;
	size_t len = words ? fread(words, 1, WORDS_MAX, file) : 0;

	if (len && len < WORDS_MAX)
		fw_ctrl_rest_of_words(rest, words, len, argc);
	else
		rest->unread = true;
	free(words);
	if (file)
		fclose(file);
}

void fw_ctrl_rest_read(struct fw_ctrl_rest *rest, const char *options_file, int argc)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[4096] = "";

	if (options_file)
		snprintf(path, sizeof(path), "%s", options_file);
	else if (xdg)
		snprintf(path, sizeof(path), "%s/mosquitto_ctrl", xdg);
	else if (home)
		snprintf(path, sizeof(path), "%s/.config/mosquitto_ctrl", home);
	if (path[0])
		read_file(rest, path);
	read_words(rest, argc);
}

/* ---- The connection */

bool fw_ctrl_login_is_tls(const struct fw_ctrl_login *login)
{
	const struct fw_ctrl_shared *shared = login->shared;

	return shared->cafile || shared->capath || login->rest.psk[0] ||
		login->rest.tls_use_os_certs || shared->port == 8883;
}

int fw_ctrl_login_port(const struct fw_ctrl_login *login)
{
	if (login->shared->port >= 0)
		return login->shared->port;
	return fw_ctrl_login_is_tls(login) ? 8883 : 1883;
}

bool fw_ctrl_login_is_private(const struct fw_ctrl_login *login)
{
	const char *host = login->shared->host;

	return fw_ctrl_login_is_tls(login) || fw_ctrl_login_port(login) == 0 || !host ||
		strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
		strcmp(host, "::1") == 0;
}

static int set_authority(const struct fw_ctrl_login *login, struct mosquitto *mosq)
{
	const struct fw_ctrl_shared *shared = login->shared;

	if (login->rest.psk[0])
		return mosquitto_tls_psk_set(
			mosq, login->rest.psk, login->rest.psk_identity, shared->ciphers);
	if (shared->cafile || shared->capath)
		return mosquitto_tls_set(mosq, shared->cafile, shared->capath, shared->certfile,
			shared->keyfile, NULL);
	return mosquitto_int_option(mosq, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
}

static bool set_tls_texts(
	const struct fw_ctrl_login *login, struct mosquitto *mosq, struct fw_error *error)
{
	const struct fw_ctrl_shared *shared = login->shared;
	const struct {
		enum mosq_opt_t option;
		const char *value, *name;
	} texts[] = {{MOSQ_OPT_TLS_ENGINE, shared->tls_engine, "--tls-engine"},
		{MOSQ_OPT_TLS_KEYFORM, login->rest.keyform[0] ? login->rest.keyform : NULL,
			"--keyform"},
		{MOSQ_OPT_TLS_ENGINE_KPASS_SHA1, shared->tls_engine_kpass_sha1,
			"--tls-engine-kpass-sha1"},
		{MOSQ_OPT_TLS_ALPN, shared->tls_alpn, "--tls-alpn"}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].value &&
			mosquitto_string_option(mosq, texts[i].option, texts[i].value) != 0) {
			fw_error_set(error, "%s: libmosquitto does not take '%.80s'", texts[i].name,
				texts[i].value);
			return false;
		}
	}
	return true;
}

static bool set_tls(
	const struct fw_ctrl_login *login, struct mosquitto *mosq, struct fw_error *error)
{
	const struct fw_ctrl_shared *shared = login->shared;
	int rc;

	if (!fw_ctrl_login_is_tls(login)) {
		if (!shared->certfile && !shared->keyfile)
			return true;
		fw_error_set(error, "--cert and --key are for TLS: give --cafile or --capath, too");
		return false;
	}
	rc = set_authority(login, mosq);
	if (rc == MOSQ_ERR_SUCCESS && shared->insecure)
		rc = mosquitto_tls_insecure_set(mosq, true);
	if (rc == MOSQ_ERR_SUCCESS && (shared->tls_version || shared->ciphers))
		rc = mosquitto_tls_opts_set(mosq, 1, shared->tls_version, shared->ciphers);
	if (rc == MOSQ_ERR_SUCCESS)
		return set_tls_texts(login, mosq, error);
	fw_error_set(error, "the TLS options are refused: %s",
		rc == MOSQ_ERR_INVAL ? "a file is not there, or a value is wrong"
				     : mosquitto_strerror(rc));
	return false;
}

bool fw_ctrl_login_apply(
	const struct fw_ctrl_login *login, struct mosquitto *mosq, struct fw_error *error)
{
	if (login->rest.proxy[0]) {
		fw_error_set(error, "--proxy is not for this module");
		return false;
	}
	if (login->rest.unread && !fw_ctrl_login_is_private(login)) {
		fw_error_set(error,
			"/proc/self/cmdline cannot be read, so that --psk would be lost"
			": mount /proc, or give --cafile");
		return false;
	}
	if (login->rest.psk[0] && (login->shared->cafile || login->shared->capath)) {
		fw_error_set(error, "give either --psk or --cafile and --capath");
		return false;
	}
	mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, login->shared->protocol_version);
	return set_tls(login, mosq, error);
}
