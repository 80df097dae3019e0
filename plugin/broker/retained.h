/* Finds messages that were retained on firmware topics before the plugin was there: it takes the
 * retain flag off. No broker tells a plugin what it has retained, so the file is read from which
 * the broker itself has just restored it.
 *
 * Knows the lines of mosquitto.conf (broker/conf.h) that say where that file is, and its format,
 * versions 5 and 6 (Mosquitto's src/persist.h, 1.5.6 to 2.1). Broker thread, at start. */
#ifndef FW_BROKER_RETAINED_H
#define FW_BROKER_RETAINED_H

#include "base/fw.h"

/* Writes the path of the file in which a broker with the configuration file `conf` keeps what is
 * retained into `path`, of `size` bytes. FW_OK; FW_NOT_FOUND when it keeps nothing, or the
 * configuration cannot be read. */
enum fw_status fw_retained_file(const char *conf, char *path, size_t size);

/* Reads the broker's file, and writes a line for the log (`size` bytes, terminated, valid UTF-8):
 * how many retained messages there are on firmware topics, the topics of some, and how to clear
 * them. FW_OK; FW_NOT_FOUND when there is none, or no such file; FW_CORRUPT when it is not such a
 * file, or of another version; FW_NOMEM. */
enum fw_status fw_retained_describe(const char *path, char *line, size_t size);

#endif
