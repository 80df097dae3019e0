/* What a handler asks of its call: members, SQL, and the sentence of a refusal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/internal.h"

enum fw_status fw_call_refuse(struct fw_call *call, const char *code, const char *format, ...)
{
	va_list arguments;
	char text[sizeof(call->error.text)];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!call->code) {
		call->code = code;
		fw_error_set(&call->error, "%s", text);
	}
	return FW_FAILED;
}

enum fw_status fw_call_query(struct fw_call *call, const char *sql, json_t *args, json_t **rows)
{
	enum fw_status status = fw_admin_query(call->admin, sql, args, rows);

	if (status != FW_OK)
		fw_error_set(&call->error, "%s", fw_admin_message(call->admin));
	return status;
}

enum fw_status fw_call_row(struct fw_call *call, const char *sql, json_t *args, json_t **row)
{
	json_t *rows = NULL;
	enum fw_status status = fw_call_query(call, sql, args, &rows);

	if (status != FW_OK)
		return status;
	*row = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	return *row ? FW_OK : FW_NOT_FOUND;
}

const json_t *fw_call_member(const struct fw_call *call, const char *name)
{
	return json_object_get(call->args, name);
}

const char *fw_call_text(const struct fw_call *call, const char *name)
{
	return json_string_value(fw_call_member(call, name));
}

void fw_call_about(struct fw_call *call, const char *first, const char *second)
{
	snprintf(call->subject, sizeof(call->subject), "%s%s%s", first ? first : "",
		second ? "/" : "", second ? second : "");
	fw_make_line(call->subject);
}
