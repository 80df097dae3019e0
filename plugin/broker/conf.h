/* Reads mosquitto.conf once more, as Mosquitto's own src/conf.c does: the broker tells no plugin
 * what stands there. Only log lines depend on it. At start, any thread. */
#ifndef FW_BROKER_CONF_H
#define FW_BROKER_CONF_H

#include "base/fw.h"

/* A line of the configuration; texts are borrowed for the call. */
struct fw_conf_line {
	const char *file;
	int number;               /* from 1 */
	bool included;            /* from a folder that the first file includes */
	const char *word, *value; /* without the blanks around them */
};

/* Writes the path behind -c on this process' command line into `path`, of `size` bytes, terminated.
 * FW_OK; FW_NOT_FOUND when there is none, or no room for it. */
enum fw_status fw_conf_path(char *path, size_t size);

/* Calls `take` for each line with a word and a value: those of `path`, and at each include_dir in
 * it those of the folder's files (*.conf, sorted by name; they include no others). FW_OK; FW_IO
 * when one of the files cannot be read, the others are. */
enum fw_status fw_conf_read(const char *path,
	void (*take)(void *context, const struct fw_conf_line *line), void *context);

/* Does Mosquitto take this value for a yes? */
bool fw_conf_is_true(const char *value);

#endif
