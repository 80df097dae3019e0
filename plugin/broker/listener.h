/* Which listener's clients this plugin serves. With per_listener_settings Mosquitto 2.0 gives a
 * plugin the clients of one listener alone, and no plugin is told which: it is the one above the
 * plugin's line in mosquitto.conf (broker/conf.h). At start, any thread. */
#ifndef FW_BROKER_LISTENER_H
#define FW_BROKER_LISTENER_H

#include "base/fw.h"

#define FW_LISTENER_NAME_MAX 256u /* bytes of a path or of a line; longer ones are cut */

/* A line of the configuration. */
struct fw_listener_line {
	char file[FW_LISTENER_NAME_MAX];
	char text[FW_LISTENER_NAME_MAX];
	int number; /* from 1; 0: there is none */
};

struct fw_listener_place {
	bool per_listener;
	int plugins;                      /* lines that load it */
	struct fw_listener_line plugin;   /* the first of them */
	struct fw_listener_line listener; /* above it in the same file; number 0: none, so that it
					     serves the default listener */
	int listeners;
	struct fw_listener_line other; /* the first listener of all */
	bool default_used; /* the default listener has a port or an address of its own */
};

/* Reads `path` and the folders that it includes. `plugin`: the path of this plugin, of
 * which the file's name counts. FW_OK or FW_IO. */
enum fw_status fw_listener_find(
	const char *path, const char *plugin, struct fw_listener_place *out);

/* Writes the line to log into *message, or an empty one. True: some listener's clients are not
 * served, probably by mistake. */
bool fw_listener_describe(const struct fw_listener_place *place, struct fw_error *message);

#endif
