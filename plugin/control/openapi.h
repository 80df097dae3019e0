/* The description of the HTTP face as OpenAPI 3.1: made of the table of routes and the table of
 * commands, so that it is told nowhere else. Pure; any thread. */
#ifndef FW_CONTROL_OPENAPI_H
#define FW_CONTROL_OPENAPI_H

#include <jansson.h>

/* A new reference; NULL when out of memory. */
json_t *fw_openapi_new(void);

#endif
