/* Carries out commands: checks each against the table, runs it in a transaction of its own, and
 * writes it down.
 *
 *   object -> table, rights, members -> BEGIN -> handler -> admin_log, COMMIT -> answer
 *                                                  | refused
 *                                                  +-> ROLLBACK -> admin_log -> answer
 *
 * Invariant: when fw_commands_run returns, no transaction is open. */
#include "control/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/body.h"
#include "control/internal.h"

#define BUSY_MS 1000

static enum fw_status copy_paths(
	struct fw_commands *commands, const struct fw_commands_config *config)
{
	commands->db_file = strdup(config->db_file);
	commands->files_dir = config->files_dir ? strdup(config->files_dir) : NULL;
	return commands->db_file && (commands->files_dir || !config->files_dir) ? FW_OK : FW_NOMEM;
}

enum fw_status fw_commands_open(
	const struct fw_commands_config *config, struct fw_commands **out, struct fw_error *error)
{
	struct fw_commands *commands = calloc(1, sizeof(*commands));
	int deadline_ms = config->deadline_ms ? config->deadline_ms : FW_COMMANDS_DEADLINE_MS;
	enum fw_status status;

	if (!commands)
		return FW_NOMEM;
	commands->config = *config;
	commands->reading_ms = FW_COMMANDS_READS * deadline_ms;
	status = copy_paths(commands, config);
	if (status == FW_OK)
		status = fw_admin_open(commands->db_file,
			config->busy_ms ? config->busy_ms : BUSY_MS, deadline_ms, &commands->admin,
			error);
	if (status != FW_OK) {
		fw_commands_close(commands);
		return status;
	}
	*out = commands;
	return FW_OK;
}

void fw_commands_close(struct fw_commands *commands)
{
	if (!commands)
		return;
	fw_admin_close(commands->admin);
	free(commands->db_file);
	free(commands->files_dir);
	free(commands);
}

void fw_commands_stop(struct fw_commands *commands)
{
	fw_admin_stop(commands->admin);
}

/* ---- What is written down */

/* "control ctrl-1" */
static void write_from(const struct fw_asker *asker, char *text, size_t size)
{
	int len = asker->from.len > 200 ? 200 : (int)asker->from.len;

	snprintf(text, size, "%s %.*s", asker->face, len, len ? asker->from.at : "");
	fw_make_line(text);
}

static void write_user(const struct fw_asker *asker, char *text, size_t size)
{
	int len = asker->user.len > 200 ? 200 : (int)asker->user.len;

	snprintf(text, size, "%.*s", len, len ? asker->user.at : "");
	fw_make_line(text);
}

static void log_outcome(const struct fw_call *call, const char *outcome)
{
	const struct fw_commands_config *config = &call->commands->config;
	char user[256], from[256], line[1400];

	if (!config->log)
		return;
	write_user(call->asker, user, sizeof(user));
	write_from(call->asker, from, sizeof(from));
	snprintf(line, sizeof(line), "%s '%s' by '%s' (%s): %s", call->info->name, call->subject,
		user, from, outcome);
	config->log(config->context, FW_LOG_NOTICE, line);
}

/* Writes the row of admin_log, in an open transaction. Operators may not write there: the catalog
 * takes this one row for the plugin's. */
static enum fw_status insert_outcome(struct fw_call *call, const char *outcome)
{
	char user[256], from[256];
	enum fw_status status;

	write_user(call->asker, user, sizeof(user));
	write_from(call->asker, from, sizeof(from));
	status = fw_admin_exec(call->admin, "UPDATE catalog_state SET plugin_writing = 1");
	if (status == FW_OK)
		status = fw_admin_query(call->admin,
			"INSERT INTO admin_log (at, who, from_, command, subject, outcome)"
			" SELECT ms, ?1, ?2, ?3, ?4, ?5 FROM now",
			json_pack("[s,s,s,s,s]", user, from, call->info->name, call->subject,
				outcome),
			NULL);
	if (status == FW_OK)
		status = fw_admin_exec(call->admin, "UPDATE catalog_state SET plugin_writing = 0");
	return status;
}

/* Bounds what is written of commands that are not allowed: a viewer must not fill the disk, or keep
 * the catalog busy, by asking for them. */
static bool may_record(struct fw_call *call)
{
	struct fw_commands *commands = call->commands;
	int64_t now = fw_boot_ms();

	if (strcmp(call->code, "not_allowed") != 0)
		return true;
	if (now - commands->minute >= 60000) {
		commands->minute = now;
		commands->not_allowed = 0;
	}
	return ++commands->not_allowed <= FW_COMMANDS_NOT_ALLOWED;
}

/* Writes down a command whose own transaction was rolled back, or that has none. */
static void record(struct fw_call *call, const char *outcome)
{
	log_outcome(call, outcome);
	if (fw_admin_begin(call->admin, true) == FW_OK)
		fw_admin_end(call->admin, insert_outcome(call, outcome) == FW_OK);
}

/* While the catalog is locked there is the line of the log alone. */
static void record_refusal(struct fw_call *call)
{
	char outcome[600];

	if (!may_record(call))
		return;
	snprintf(outcome, sizeof(outcome), "%s: %s", call->code, call->error.text);
	if (strcmp(call->code, "busy") == 0)
		log_outcome(call, outcome);
	else
		record(call, outcome);
}

/* ---- One command */

static const char *code_of(enum fw_status status)
{
	switch (status) {
	case FW_INVALID:
		return "conflict";
	case FW_NOT_FOUND:
		return "not_found";
	case FW_BUSY:
		return "busy";
	default:
		return "failed";
	}
}

/* Gives the call's error what the handler left out: a code, and the catalog's sentence. */
static void complete_error(struct fw_call *call, enum fw_status status)
{
	if (!call->code)
		call->code = code_of(status);
	fw_error_set(&call->error, "%s",
		status == FW_NOMEM ? "out of memory" : fw_admin_message(call->admin));
}

/* Begins, runs, and ends. A command that writes is committed together with its row of admin_log. */
static enum fw_status transact(struct fw_call *call)
{
	bool writes = call->info->writes;
	int64_t begun = fw_boot_ms();
	enum fw_status status = fw_admin_begin(call->admin, writes), ended;

	if (status == FW_OK)
		status = call->info->action->run(call);
	if (status == FW_OK && writes)
		status = insert_outcome(call, "ok");
	if (status != FW_OK)
		complete_error(call, status);
	ended = fw_admin_end(call->admin, status == FW_OK);
	if (status == FW_OK && ended != FW_OK) {
		status = ended;
		complete_error(call, status);
	}
	if (call->ended)
		call->ended(call, status == FW_OK);
	if (!writes)
		call->commands->read_ms += fw_boot_ms() - begun;
	return status;
}

static enum fw_status check_right(struct fw_call *call)
{
	if (!call->info->writes || call->asker->right == FW_RIGHT_ADMIN)
		return FW_OK;
	return fw_call_refuse(call, "not_allowed",
		"this user may only read: who changes things must be in the option admins");
}

/* Bounds the reads of a request: a hundred pages in one answer would take hundreds of megabytes,
 * and a hundred slow reads would keep others waiting for minutes. A write answers little. */
static enum fw_status check_room(struct fw_call *call)
{
	const struct fw_commands *commands = call->commands;

	if (call->info->writes)
		return FW_OK;
	if (commands->answered > FW_COMMANDS_ANSWER_MAX)
		return fw_call_refuse(call, "too_large",
			"the answers before this one are longer than 4 MiB: ask for less at once");
	if (commands->read_ms >= commands->reading_ms)
		return fw_call_refuse(call, "busy",
			"the reads before this one took too long: ask for less at once");
	return FW_OK;
}

/* Records what the command names, for the logs, before anything can refuse it. */
static void set_subject(struct fw_call *call)
{
	const char *names[2] = {NULL, NULL};
	size_t count = 0;

	for (const struct fw_command_member *m = call->info->members; m && m->name; m++) {
		if (count < 2 && m->required & FW_USE_NAME && fw_call_text(call, m->name))
			names[count++] = fw_call_text(call, m->name);
	}
	fw_call_about(call, names[0], names[1]);
}

static void carry_out(struct fw_call *call)
{
	enum fw_status status;

	set_subject(call);
	status = check_right(call);
	if (status == FW_OK)
		status = check_room(call);
	if (status == FW_OK)
		status = fw_members_check(call);
	if (status == FW_OK)
		status = transact(call);
	if (!call->info->writes)
		return;
	if (status == FW_OK)
		log_outcome(call, "ok");
	else
		record_refusal(call);
}

static json_t *answer_of(const char *name, const json_t *correlation, struct fw_call *call)
{
	json_t *answer = json_pack("{s:s}", "command", name);
	int code = answer ? 0 : -1;

	if (code == 0 && json_is_string(correlation))
		code = json_object_set(answer, "correlationData", (json_t *)correlation);
	if (code == 0 && !call->code)
		code = json_object_set(answer, "data", call->data);
	else if (code == 0)
		code = json_object_set_new(answer, "error", json_string(call->error.text)) |
			json_object_set_new(answer, "code", json_string(call->code));
	if (code == 0)
		return answer;
	json_decref(answer);
	return NULL;
}

static void find_command(struct fw_call *call, const json_t *command, const char *name)
{
	const json_t *correlation = json_object_get(command, "correlationData");

	if (!json_is_object(command))
		fw_call_refuse(call, "bad_request", "a command is an object with a member command");
	else if (!name)
		fw_call_refuse(call, "bad_request", "command is missing: give its name");
	else if (correlation && !json_is_string(correlation))
		fw_call_refuse(call, "bad_request", "correlationData must be a string");
	else
		call->info = fw_commands_find(name);
	if (!call->info)
		fw_call_refuse(call, "bad_request",
			"there is no command '%.64s': see the table of commands", name ? name : "");
}

static json_t *run_one(
	struct fw_commands *commands, const struct fw_asker *asker, const json_t *command)
{
	const char *name = json_string_value(json_object_get(command, "command"));
	struct fw_call call = {.commands = commands,
		.admin = commands->admin,
		.asker = asker,
		.args = command,
		.data = json_object()};
	json_t *answer = NULL;

	find_command(&call, command, name);
	if (call.data && call.info)
		carry_out(&call);
	if (call.data)
		answer = answer_of(name ? name : "Unknown command",
			json_object_get(command, "correlationData"), &call);
	if (commands->config.done)
		commands->config.done(
			commands->config.context, asker, call.code ? call.code : "ok");
	json_decref(call.data);
	json_decref(call.keys);
	return answer;
}

static void begin_request(struct fw_commands *commands)
{
	commands->answered = 0;
	commands->read_ms = 0;
}

json_t *fw_commands_run(
	struct fw_commands *commands, const struct fw_asker *asker, const json_t *command)
{
	begin_request(commands);
	return run_one(commands, asker, command);
}

void fw_commands_record(struct fw_commands *commands, const struct fw_asker *asker,
	const char *name, const char *subject, const char *code, const char *message)
{
	const struct fw_command_info info = {.name = name, .writes = true};
	struct fw_call call = {.commands = commands,
		.admin = commands->admin,
		.asker = asker,
		.info = &info,
		.code = code};

	if (commands->config.done)
		commands->config.done(commands->config.context, asker, code ? code : "ok");
	fw_call_about(&call, subject, NULL);
	if (!code) {
		record(&call, "ok");
		return;
	}
	fw_error_set(&call.error, "%s", message);
	record_refusal(&call);
}

/* ---- Without a command of the table */

bool fw_commands_can_read(struct fw_commands *commands)
{
	enum fw_status status = fw_admin_begin(commands->admin, false);

	if (status == FW_OK)
		status = fw_admin_exec(commands->admin, "SELECT 1 FROM catalog_state");
	fw_admin_end(commands->admin, false);
	return status == FW_OK;
}

/* ---- A request of many */

json_t *fw_commands_refusal(const char *code, const char *message)
{
	return json_pack("{s:[{s:s,s:s,s:s}]}", "responses", "command", "Unknown command", "error",
		message, "code", code);
}

static json_t *run_all(
	struct fw_commands *commands, const struct fw_asker *asker, const json_t *list)
{
	json_t *responses = json_array();

	begin_request(commands);
	for (size_t i = 0; responses && i < json_array_size(list); i++) {
		json_t *answer = run_one(commands, asker, json_array_get(list, i));

		/* into no buffer: only the length is wanted */
		commands->answered += json_dumpb(answer, NULL, 0, JSON_COMPACT);
		if (json_array_append_new(responses, answer) != 0) {
			json_decref(responses);
			responses = NULL;
		}
	}
	return responses ? json_pack("{s:o}", "responses", responses) : NULL;
}

json_t *fw_commands_too_large(void)
{
	char message[64];

	snprintf(message, sizeof(message), "a request has at most %u bytes", FW_COMMANDS_BYTES_MAX);
	return fw_commands_refusal("too_large", message);
}

json_t *fw_commands_request(
	struct fw_commands *commands, const struct fw_asker *asker, struct fw_slice body)
{
	struct fw_error error = {""};
	json_t *request, *list, *answer;

	if (body.len > FW_COMMANDS_BYTES_MAX)
		return fw_commands_too_large();
	request = fw_body_parse(body, &error);
	list = json_object_get(request, "commands");
	if (!request)
		answer = fw_commands_refusal("bad_request", error.text);
	else if (!json_is_array(list) || json_object_size(request) != 1)
		answer = fw_commands_refusal("bad_request",
			"a request is an object with one member, commands: an array of commands");
	else if (json_array_size(list) > FW_COMMANDS_MAX)
		answer = fw_commands_refusal("too_large", "a request has at most 100 commands");
	else
		answer = run_all(commands, asker, list);
	json_decref(request);
	return answer;
}
