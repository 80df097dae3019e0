/* Are there other plugins in this process? Includes no header of Mosquitto: a library with the
 * entry points of a plugin is one. At start, broker thread. */
#ifndef FW_BROKER_LOADED_H
#define FW_BROKER_LOADED_H

#include <stdbool.h>

/* Has the process loaded a Mosquitto plugin besides the library in which the address `own` lies?
 * True also where the loader does not say. */
bool fw_loaded_another(const void *own);

#endif
