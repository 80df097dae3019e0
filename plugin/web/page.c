/* Finds a file of the page.
 *
 *   plugin/web/NAME -> gzip -> page_data.c -> here -> control/web_answer.c, with the policy
 *
 * All files have one ETag, the digest of all of them. So a new plugin makes a browser load all
 * files anew: scripts of two versions never meet. */
#include "web/page.h"

#include <string.h>

#include "web/page_data.h"

#define FIRST "/index.html"

const struct fw_web_asset *fw_page_find(void *context, const char *path)
{
	const char *wanted = strcmp(path, "/") == 0 ? FIRST : path;

	(void)context;
	for (size_t i = 0; i < fw_page_data_count; i++) {
		if (strcmp(fw_page_data[i].path, wanted) == 0)
			return &fw_page_data[i].asset;
	}
	return NULL;
}
