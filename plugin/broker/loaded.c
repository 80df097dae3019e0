/* Walks the loader's list of libraries, and looks in each for the symbols of a plugin. */
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
	void *program = dlopen(NULL, RTLD_LAZY);
	struct link_map *library = NULL;
	bool found = false;
	Dl_info info;

	if (!program || !dladdr(own, &info) || dlinfo(program, RTLD_DI_LINKMAP, &library) != 0)
		found = true;
	/* the program is the first of the list */
	for (; library && !found; library = library->l_next) {
		bool is_own = library->l_addr == (ElfW(Addr))info.dli_fbase;

		found = !is_own && library->l_name[0] && is_plugin(library->l_name);
	}
	if (program)
		dlclose(program);
	return found;
}
