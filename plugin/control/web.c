/* Starts and stops the admin server. It starts when it has all that it needs: a login, TLS where
 * other machines can listen in, the catalog, a thread that ends late connections. */
#include "control/web_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/thread.h"
#include "control/removal.h"

#define TIMEOUT_SECONDS 30u
#define MEMORY_OF_CONNECTION (32u * 1024)
#define PEM_MOST (1 << 20) /* bytes */
/* at its own limit the library leaves clients waiting; that of the slots, below it, refuses them */
#define LIBRARY_CONNECTIONS (FW_WEB_CONNECTIONS + 8)
#define TLS_VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define UNIX_PREFIX "unix:"

void fw_web_log(const struct fw_web *web, enum fw_log_level level, const char *format, ...)
{
	char line[512];
	va_list arguments;

	if (!web->config.log)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	fw_make_line(line);
	web->config.log(web->config.context, level, line);
}

/* Keeps the library from decoding a path: routes.c splits it first, and decodes each part. */
static size_t leave_escaped(void *context, struct MHD_Connection *mhd, char *text)
{
	(void)context;
	(void)mhd;
	return strlen(text);
}

/* --- what it needs --- */

/* The file's text, malloc'd; NULL with a message. */
static char *read_pem(const char *option, const char *path, struct fw_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	char *text = NULL;
	ssize_t len = -1;

	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
		status.st_size <= PEM_MOST && (text = malloc((size_t)status.st_size + 1)))
		len = read(fd, text, (size_t)status.st_size);
	if (fd >= 0)
		close(fd);
	if (len > 0) {
		text[len] = '\0';
		return text;
	}
	fw_error_set(error,
		"plugin_opt_%s: cannot read '%s': it must be a PEM file that the "
		"broker's user may read",
		option, path);
	free(text);
	return NULL;
}

static enum fw_status read_tls(struct fw_web *web, struct fw_error *error)
{
	const struct fw_web_config *config = &web->config;

	if (!config->certfile && !config->keyfile)
		return FW_OK;
	if (!config->certfile || !config->keyfile) {
		fw_error_set(error,
			"plugin_opt_admin_certfile and plugin_opt_admin_keyfile belong "
			"together: give both, or none");
		return FW_INVALID;
	}
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
		fw_error_set(error,
			"plugin_opt_admin_certfile: this machine's libmicrohttpd was "
			"built without TLS: put a proxy in front, and set "
			"plugin_opt_admin_behind_proxy");
		return FW_INVALID;
	}
	web->certificate = read_pem("admin_certfile", config->certfile, error);
	web->key = web->certificate ? read_pem("admin_keyfile", config->keyfile, error) : NULL;
	return web->key ? FW_OK : FW_INVALID;
}

/* Refuses a port without a login, and one where passwords and cookies would cross a network in the
 * clear. */
static enum fw_status check_safety(const struct fw_web *web, struct fw_error *error)
{
	const struct fw_web_config *config = &web->config;

	if (web->is_unix)
		return FW_OK;
	if (!config->password_file) {
		fw_error_set(error,
			"plugin_opt_admin_listen needs plugin_opt_admin_password_file "
			"(made by mosquitto_passwd), or a unix socket "
			"(unix:/run/mosquitto/firmware.sock)");
		return FW_INVALID;
	}
	if (config->certfile || config->behind_proxy || fw_listen_is_loopback(config->listen))
		return FW_OK;
	fw_error_set(error,
		"plugin_opt_admin_listen '%s' can be reached by other machines: give "
		"plugin_opt_admin_certfile and plugin_opt_admin_keyfile, or, behind a proxy that "
		"speaks TLS, plugin_opt_admin_behind_proxy true, or listen on 127.0.0.1",
		config->listen);
	return FW_INVALID;
}

static enum fw_status open_parts(struct fw_web *web, struct fw_error *error)
{
	const struct fw_web_config *config = &web->config;
	struct fw_login_config login = {
		.password_file = web->is_unix ? NULL : config->password_file,
		.admins = config->admins,
		.viewers = config->viewers,
		.behind_proxy = config->behind_proxy};
	struct fw_commands_config commands = {.db_file = config->db_file,
		.files_dir = config->files_dir,
		.log = config->log,
		.done = config->done,
		.context = config->context};
	enum fw_status status = fw_login_open(&login, &web->login, error);

	if (status == FW_OK)
		status = fw_web_pool_open(&web->pool, &commands, error);
	web->slots.most = FW_WEB_CONNECTIONS;
	/* all clients of a proxy, or of a unix socket, have one address */
	web->slots.per_address =
		config->behind_proxy || web->is_unix ? FW_WEB_CONNECTIONS : FW_WEB_PER_ADDRESS;
	web->slots.loopback = web->slots.per_address;
	return status;
}

/* --- the server --- */

static struct MHD_Daemon *start_daemon(struct fw_web *web, int socket)
{
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, web->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, web->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_VERSIONS},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
		MHD_USE_POLL | MHD_USE_ITC | (web->certificate ? MHD_USE_TLS : 0u);

	return MHD_start_daemon(flags, 0, fw_web_admit, web, fw_web_on_request, web,
		MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_ARRAY, web->certificate ? tls : none,
		MHD_OPTION_THREAD_STACK_SIZE, FW_THREAD_STACK, MHD_OPTION_CONNECTION_LIMIT,
		LIBRARY_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MEMORY_OF_CONNECTION, MHD_OPTION_URI_LOG_CALLBACK, fw_web_on_uri, web,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		fw_web_on_connection, web, MHD_OPTION_NOTIFY_COMPLETED, fw_web_on_completed, web,
		MHD_OPTION_END);
}

static enum fw_status serve(struct fw_web *web, struct fw_listen *listening, struct fw_error *error)
{
	sigset_t all, before;

	/* its threads inherit this: the broker's signals are for its own thread */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < listening->count; i++) {
		struct MHD_Daemon *daemon = start_daemon(web, listening->sockets[i].fd);

		if (!daemon)
			break;
		fw_listen_release(listening, i);
		web->daemons[web->listening++] = daemon;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (web->listening == listening->count)
		return FW_OK;
	fw_error_set(error,
		"plugin_opt_admin_listen: cannot listen on '%s': the HTTP server does not start "
		"(a certificate or key that is none, or out of memory or threads?)",
		web->config.listen);
	return FW_INVALID;
}

static enum fw_status listen_and_serve(struct fw_web *web, struct fw_error *error)
{
	const char *listen = web->config.listen;
	struct fw_listen listening;
	enum fw_status status;

	if (web->is_unix)
		status = fw_listen_open_unix(
			"admin_listen", listen + sizeof(UNIX_PREFIX) - 1, &listening, error);
	else
		status = fw_listen_open("admin_listen", listen, &listening, error);
	if (status != FW_OK)
		return status;
	web->guard = (struct fw_guard){.listen = web->is_unix ? NULL : listen,
		.port = listening.port,
		.tls = web->certificate != NULL,
		.behind_proxy = web->config.behind_proxy,
		.hosts = web->config.hosts};
	status = serve(web, &listening, error);
	fw_listen_close(&listening);
	return status;
}

static enum fw_status start(struct fw_web *web, struct fw_error *error)
{
	enum fw_status status = check_safety(web, error);

	if (status == FW_OK)
		status = read_tls(web, error);
	if (status == FW_OK)
		status = open_parts(web, error);
	if (status == FW_OK)
		status = fw_thread_start(
			&web->keeper, fw_web_keep, web, "keeps admin connections", error);
	web->has_keeper = status == FW_OK;
	if (status == FW_OK)
		status = listen_and_serve(web, error);
	if (status == FW_OK && web->config.files_dir) {
		fw_upload_sweep(web->config.files_dir);
		fw_removal_sweep(web->config.files_dir);
	}
	return status;
}

enum fw_status fw_web_start(
	const struct fw_web_config *config, struct fw_web **out, struct fw_error *error)
{
	struct fw_web *web = calloc(1, sizeof(*web));
	enum fw_status status;

	if (!web)
		return FW_NOMEM;
	web->config = *config;
	web->is_unix = strncmp(config->listen, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0;
	if (!web->config.timeout_seconds)
		web->config.timeout_seconds = TIMEOUT_SECONDS;
	fw_cond_init(&web->changed);
	pthread_mutex_init(&web->health_lock, NULL);
	fw_web_pool_init(&web->pool);
	status = fw_http_slots_init(&web->slots);
	if (status == FW_OK)
		status = start(web, error);
	if (status != FW_OK) {
		fw_web_stop(web);
		return status;
	}
	*out = web;
	return FW_OK;
}

static void stop_keeper(struct fw_web *web)
{
	if (!web->has_keeper)
		return;
	pthread_mutex_lock(&web->slots.lock);
	web->stopping = true;
	pthread_cond_signal(&web->changed);
	pthread_mutex_unlock(&web->slots.lock);
	pthread_join(web->keeper, NULL);
}

void fw_web_stop(struct fw_web *web)
{
	if (!web)
		return;
	fw_web_pool_stop(&web->pool);
	for (unsigned i = 0; i < web->listening; i++)
		MHD_stop_daemon(web->daemons[i]);
	stop_keeper(web);
	if (web->listening && web->is_unix)
		unlink(web->config.listen + sizeof(UNIX_PREFIX) - 1);
	fw_http_slots_close(&web->slots);
	fw_web_pool_close(&web->pool);
	fw_login_close(web->login);
	pthread_cond_destroy(&web->changed);
	pthread_mutex_destroy(&web->health_lock);
	if (web->key)
		OPENSSL_cleanse(web->key, strlen(web->key));
	free(web->key);
	free(web->certificate);
	free(web);
}

int fw_web_port(const struct fw_web *web)
{
	return web->guard.port;
}
