/* Retained messages on firmware topics that are older than the rule that there are none. No broker
 * tells a plugin what it has retained, but each reads its own file when it starts, before its
 * plugins: so that file is read, once, then.
 *
 * Knows what of mosquitto.conf (broker/conf.h) says where that file is, and the format of its file,
 * versions 5 and 6 (its src/persist.h, 1.5.6 to 2.1). Broker thread, at start. */
#ifndef FW_BROKER_RETAINED_H
#define FW_BROKER_RETAINED_H

#include "base/fw.h"

/* The file in which a broker with the configuration `conf` keeps what is retained, as FW_OK;
 * FW_NOT_FOUND when it keeps nothing, or the configuration cannot be read. `path` has `size` bytes.
 */
enum fw_status fw_retained_file(const char *conf, char *path, size_t size);

/* Reads the broker's file, and writes a line for the log (`size` bytes, terminated, valid UTF-8):
 * how many retained messages there are on firmware topics, the topics of some, and how to clear
 * them. FW_OK; FW_NOT_FOUND when there is none, or no such file; FW_CORRUPT when it is not such a
 * file, or of another version; FW_NOMEM. */
enum fw_status fw_retained_describe(const char *path, char *line, size_t size);

#endif
