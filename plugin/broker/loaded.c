#include "broker/loaded.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>

static bool is_plugin(const char *path)
{
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	bool found = library &&
		(dlsym(library, "mosquitto_plugin_version") ||
			dlsym(library, "mosquitto_auth_plugin_version"));

	if (library)
		dlclose(library);
	return found;
}

bool fw_loaded_another(const void *own)
{
	struct link_map *library;
	void *map = NULL;
	Dl_info info;

	if (!dladdr1(own, &info, &map, RTLD_DL_LINKMAP) || !map)
		return true;
	for (library = map; library->l_prev; library = library->l_prev)
		;
	for (; library; library = library->l_next) {
		if (library != map && library->l_name[0] && is_plugin(library->l_name))
			return true;
	}
	return false;
}
