/* Stop, continue, pause, resume, next stage and retry of a task: one statement each, as in
 * schema/scripts/. */
#include "control/internal.h"

/* Runs the verb's statement on the task that the command names. */
static enum fw_status run_verb(struct fw_call *call, json_t *args)
{
	const struct fw_command_action *action = call->info->action;
	enum fw_status status = fw_call_query(call, action->sql, args, NULL);

	if (status == FW_OK && action->refusal && fw_admin_changes(call->admin) == 0)
		return fw_call_refuse(call, "conflict", "%s", action->refusal);
	return status;
}

enum fw_status fw_task_verb(struct fw_call *call)
{
	enum fw_status status = fw_entity_find(call, &fw_task_entity);

	if (status == FW_OK)
		status = run_verb(call, json_incref(call->keys));
	return status == FW_OK ? fw_entity_read(call, &fw_task_entity) : status;
}

enum fw_status fw_task_pause(struct fw_call *call)
{
	const json_t *reason = fw_call_member(call, "pausedReason");
	enum fw_status status = fw_entity_find(call, &fw_task_entity);

	if (status == FW_OK)
		status = run_verb(call,
			json_pack("[O,O]", json_array_get(call->keys, 0),
				reason ? reason : json_null()));
	return status == FW_OK ? fw_entity_read(call, &fw_task_entity) : status;
}

enum fw_status fw_task_retry(struct fw_call *call)
{
	enum fw_status status = fw_entity_find(call, &fw_task_entity);
	json_int_t changed;

	if (status == FW_OK)
		status = run_verb(call, json_incref(call->keys));
	if (status != FW_OK)
		return status;
	changed = fw_admin_changes(call->admin);
	status = fw_entity_read(call, &fw_task_entity);
	if (status == FW_OK &&
		json_object_set_new(call->data, "changed", json_integer(changed)) != 0)
		status = FW_NOMEM;
	return status;
}
