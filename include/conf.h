/* Where this plugin stands in the broker's configuration. With per_listener_settings Mosquitto 2.0 gives a plugin the clients of one listener
 * alone, and no plugin is told which. So mosquitto.conf is read again, as Mosquitto's conf.c does; the result is good for a line in the
 * log, and for nothing else. At start, any thread. */
#ifndef FW_CONF_H
#define FW_CONF_H

#include "fw.h"

#define FW_CONF_NAME_MAX 256u /* bytes of a path or of a listener's line; longer ones are cut */

/* A line of the configuration. */
struct fw_conf_line {
	char file[FW_CONF_NAME_MAX];
	char text[FW_CONF_NAME_MAX];
	int number; /* from 1; 0: there is none */
};

struct fw_conf_place {
	bool per_listener;
	int plugins;                  /* lines that load it */
	struct fw_conf_line plugin;   /* the first of them */
	struct fw_conf_line listener; /* above it in the same file; number 0: none, so that it serves the default listener */
	int listeners;
	struct fw_conf_line other;    /* the first listener that it does not serve */
	bool default_used;            /* the default listener has a port or an address of its own */
};

/* The path behind -c on this process' command line into `path`; false when there is none. */
bool fw_conf_path(char *path, size_t size);

/* Reads `path` and the folders that it includes. `plugin`: the file name of this plugin, without its folder. FW_OK or FW_IO. */
enum fw_status fw_conf_find(const char *path, const char *plugin, struct fw_conf_place *out);

/* The sentence to log, or an empty one, into error->text. True: some listener's clients are not served, and nobody may have meant that. */
bool fw_conf_describe(const struct fw_conf_place *place, struct fw_error *sentence);

#endif
