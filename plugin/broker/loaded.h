/* Which other plugins this process has loaded. Knows no broker: a plugin is a library with the
 * entry points of one. At start, broker thread. */
#ifndef FW_BROKER_LOADED_H
#define FW_BROKER_LOADED_H

#include <stdbool.h>

/* Has the process loaded another Mosquitto plugin than the library that `own`, an address, lies in?
 * True also where nobody can tell. */
bool fw_loaded_another(const void *own);

#endif
