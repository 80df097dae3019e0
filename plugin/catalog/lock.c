/* An flock, which the kernel drops when the process ends, however it ends. The lock's file is never
 * removed: two brokers could then lock two files of one name. */
#include "catalog/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

enum fw_status fw_lock_catalog(const char *db_file, int *fd, struct fw_error *error)
{
	char *path = NULL;

	*fd = -1;
	if (asprintf(&path, "%s-lock", db_file) < 0)
		return FW_NOMEM;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return FW_OK;
	if (*fd >= 0 && errno == EWOULDBLOCK)
		fw_error_set(error,
			"the catalog '%s' is in use by another broker, or by this plugin loaded a "
			"second time: load it once, before any listener, without "
			"per_listener_settings",
			db_file);
	else
		fw_error_set(error,
			"cannot lock '%s-lock': %s. All files beside the catalog must belong to "
			"the broker's user, e.g. 'chown mosquitto: %s*'",
			db_file, strerror(errno), db_file);
	return FW_FAILED;
}
