/* The files of the page, as plugin/web.cmake writes them into page_data.c. */
#ifndef FW_WEB_PAGE_DATA_H
#define FW_WEB_PAGE_DATA_H

#include "control/web.h"

struct fw_page_file {
	const char *path; /* "/" and the name in plugin/web/ */
	struct fw_web_asset asset;
};

extern const struct fw_page_file fw_page_data[];
extern const size_t fw_page_data_count;

#endif
