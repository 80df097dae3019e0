/* Loads and unloads the plugin: its options, the service, and its events.
 *
 * The service is opened before any event is registered, and is closed after the last one is
 * unregistered, so no event meets a service that is not there. */
#include "broker/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/conf.h"
#include "broker/listener.h"
#include "broker/retained.h"

#define EXPORT __attribute__((visibility("default")))

static void plugin_free(struct fw_plugin *plugin)
{
	fw_service_close(plugin->service);
	fw_wakeup_free(plugin->wakeup);
	fw_options_clear(&plugin->options);
	free(plugin);
}

static enum fw_status read_options(struct fw_plugin *plugin, const struct mosquitto_opt *options,
	int count, struct fw_error *error)
{
	struct fw_option_line *lines = calloc(count > 0 ? (size_t)count : 1, sizeof(*lines));
	enum fw_status status = lines ? FW_OK : FW_NOMEM;

	for (int i = 0; lines && i < count; i++)
		lines[i] = (struct fw_option_line){options[i].key, options[i].value};
	if (status == FW_OK)
		status = fw_options_parse(lines, (size_t)count, &plugin->options, error);
	if (status == FW_OK)
		status = fw_options_check_db_file(&plugin->options, error);
	free(lines);
	return status;
}

static enum fw_status start_service(struct fw_plugin *plugin, const struct mosquitto_opt *options,
	int count, struct fw_error *error)
{
	struct fw_broker broker = fw_publisher_of(plugin);
	enum fw_status status = read_options(plugin, options, count, error);

	if (status == FW_OK)
		status = fw_service_open(&plugin->options, &broker, &plugin->service, error);
	return status;
}

static void log_start(struct fw_plugin *plugin)
{
	char catalog[512];

	fw_service_describe(plugin->service, catalog, sizeof(catalog));
	mosquitto_log_printf(MOSQ_LOG_NOTICE,
		FW_PLUGIN_NAME "version " FW_VERSION_TEXT " on Mosquitto %s, %s",
		plugin->on_2_1 ? "2.1" : "2.0", catalog);
}

/* Warns of messages that were retained on firmware topics before this plugin was there. */
static void log_retained(const char *conf)
{
	char file[PATH_MAX], line[2048];

	if (fw_retained_file(conf, file, sizeof(file)) == FW_OK &&
		fw_retained_describe(file, line, sizeof(line)) == FW_OK)
		mosquitto_log_printf(MOSQ_LOG_WARNING, FW_PLUGIN_NAME "%s", line);
}

/* 2.0: says which listener is served, when that is not each of them. */
static void log_listener(const struct fw_plugin *plugin, const char *conf)
{
	struct fw_listener_place place;
	struct fw_error message;
	Dl_info own;
	bool missed;

	if (plugin->on_2_1 || !dladdr((const void *)fw_events_register, &own))
		return;
	if (fw_listener_find(conf, own.dli_fname, &place) != FW_OK)
		return;
	missed = fw_listener_describe(&place, &message);
	if (message.text[0])
		mosquitto_log_printf(missed ? MOSQ_LOG_WARNING : MOSQ_LOG_NOTICE,
			FW_PLUGIN_NAME "%s", message.text);
}

/* Logs what the broker's configuration means for this plugin. */
static void check_conf(const struct fw_plugin *plugin)
{
	char conf[PATH_MAX];

	if (fw_conf_path(conf, sizeof(conf)) != FW_OK)
		return;
	log_retained(conf);
	log_listener(plugin, conf);
}

EXPORT int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
	for (int i = 0; i < supported_version_count; i++) {
		if (supported_versions[i] == MOSQ_PLUGIN_VERSION)
			return MOSQ_PLUGIN_VERSION;
	}
	return -1;
}

EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **userdata,
	struct mosquitto_opt *options, int option_count)
{
	struct fw_plugin *plugin = calloc(1, sizeof(*plugin));
	struct fw_error error = {""};
	int code;

	if (!plugin)
		return MOSQ_ERR_NOMEM;
	plugin->identifier = identifier;
	plugin->on_2_1 = dlsym(RTLD_DEFAULT, "mosquitto_client"); /* which came with it */
	snprintf(plugin->answered_topic, sizeof(plugin->answered_topic), "$%016llx",
		(unsigned long long)fw_random());
	plugin->wakeup = fw_wakeup_new();
	if (start_service(plugin, options, option_count, &error) != FW_OK) {
		mosquitto_log_printf(MOSQ_LOG_ERR, FW_PLUGIN_NAME "%s",
			error.text[0] ? error.text : "out of memory");
		plugin_free(plugin);
		return MOSQ_ERR_INVAL;
	}
	code = fw_events_register(plugin);
	if (code != MOSQ_ERR_SUCCESS) {
		mosquitto_log_printf(MOSQ_LOG_ERR, FW_PLUGIN_NAME "the broker refuses an event: %s",
			mosquitto_strerror(code));
		fw_events_unregister(plugin);
		plugin_free(plugin);
		return code;
	}
	*userdata = plugin;
	log_start(plugin);
	check_conf(plugin);
	return MOSQ_ERR_SUCCESS;
}

EXPORT int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int option_count)
{
	(void)options;
	(void)option_count;
	if (userdata) {
		fw_events_unregister(userdata);
		plugin_free(userdata);
	}
	return MOSQ_ERR_SUCCESS;
}
