/* JSON that anybody may have sent: a body, or a text in one. Pure; any thread. */
#ifndef FW_CONTROL_BODY_H
#define FW_CONTROL_BODY_H

#include <jansson.h>

#include "base/fw.h"

#define FW_BODY_DEPTH 32u       /* brackets around a value */
#define FW_BODY_BRACKETS 20000u /* objects and arrays in all */

/* A new reference, or NULL with a sentence in `error` (NULL is fine): the body is no JSON, is out
 * of the bounds above, or names a member twice. The caller bounds its bytes. */
json_t *fw_body_parse(struct fw_slice body, struct fw_error *error);

#endif
