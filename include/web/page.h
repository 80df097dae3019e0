/* The page: its files, embedded. They are compressed when the plugin is built (plugin/web.cmake),
 * so the installed plugin needs no other file, and a browser gets what lies in the binary. */
#ifndef FW_WEB_PAGE_H
#define FW_WEB_PAGE_H

#include "control/web.h"

/* A file of the page by its path, "/" for the page itself; NULL: there is none. Static; any thread.
 * It is the `asset` of struct fw_web_config, and ignores `context`. */
const struct fw_web_asset *fw_page_find(void *context, const char *path);

#endif
