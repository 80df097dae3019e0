/* What the files of the control plane share: the call under way, the entities whose create, modify,
 * get, list and delete are made from their columns, and the handlers that the table names. */
#ifndef FW_CONTROL_INTERNAL_H
#define FW_CONTROL_INTERNAL_H

#include "catalog/admin.h"
#include "control/commands.h"

struct fw_removal;

#define FW_SUBJECT_MAX 160u /* bytes of what a command was about, in the log */

struct fw_commands {
	struct fw_commands_config config;
	char *db_file, *files_dir;
	struct fw_admin *admin;
	int64_t reading_ms;   /* that the reads of a request have; writes are not counted */
	int64_t minute;       /* boot ms when it began */
	unsigned not_allowed; /* commands in that minute */
	/* of the request under way */
	size_t answered; /* bytes of the answers */
	int64_t read_ms; /* that its reads took */
};

/* One command that is carried out. */
struct fw_call {
	struct fw_commands *commands;
	struct fw_admin *admin;
	const struct fw_asker *asker;
	const struct fw_command_info *info;
	const json_t *args; /* the command's object, checked against the table */
	json_t *data;       /* owned; the handler fills it */
	json_t *keys;       /* owned; values of the entity's keys, once they are known */
	const char *code;   /* of the error; NULL: by the status */
	struct fw_error error;
	char subject[FW_SUBJECT_MAX];
	/* what the handler did beside the catalog is completed, or undone; NULL: nothing */
	void (*ended)(struct fw_call *call, bool committed);
	struct fw_removal *removal; /* for deleteFile; until `ended` */
};

#define FW_USE_NAMED (FW_USE_NAME | FW_USE_ANSWER)
#define FW_USE_SET (FW_USE_CREATE | FW_USE_MODIFY | FW_USE_ANSWER)

/* A table of the catalog, as commands see it. In `from` its rows are `e`. A member's column without
 * a dot or a bracket is e's; any other is an expression. That of a filter may have a '?' where the
 * value goes; else it is compared. */
struct fw_entity {
	const char *table;
	const char *noun; /* "no such ..." */
	const char *from;
	const struct fw_command_member *members;
	const char *keys[3];  /* columns that name a row, NULL behind the last */
	const char *order[3]; /* expressions that order and page a list; NULL: keys */
	bool descending;
	bool counts; /* counting is free: few rows, and filters that look at e alone */
};

/* What an entity's handler is about, and what it runs around that; private to the table. */
struct fw_command_action {
	enum fw_status (*run)(struct fw_call *call);
	const struct fw_entity *entity;
	/* get, create, modify: completes the row, or carries out what is no column; NULL: nothing
	 */
	enum fw_status (*more)(struct fw_call *call);
	const char *sql; /* a verb's statement; ?1 is the id */
	const char *refusal;
};

/* ---- Errors */

/* Records an error, and returns the status that ends the handler. The first one wins. */
enum fw_status fw_call_refuse(struct fw_call *call, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- SQL of a call */

/* As fw_admin_query; the sentence of a failure becomes the call's. */
enum fw_status fw_call_query(struct fw_call *call, const char *sql, json_t *args, json_t **rows);

/* The first row of it, a new reference. FW_NOT_FOUND without an error when there is none. */
enum fw_status fw_call_row(struct fw_call *call, const char *sql, json_t *args, json_t **row);

/* A member of the command, borrowed: any JSON value, null too. NULL: not given. */
const json_t *fw_call_member(const struct fw_call *call, const char *name);
const char *fw_call_text(const struct fw_call *call, const char *name); /* NULL: no string */

/* Notes what the command is about, for the log: the texts, with a slash between. `second` may be
 * NULL. */
void fw_call_about(struct fw_call *call, const char *first, const char *second);

/* ---- Text of statements, in memory that grows. Failure sticks until the end. */

struct fw_text {
	char *at;
	size_t len, size;
	bool failed;
};

void fw_text_add(struct fw_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The text, terminated and malloc'd; NULL without memory. */
char *fw_text_end(struct fw_text *text);

/* ---- Entities */

enum fw_status fw_entity_create(struct fw_call *call);
enum fw_status fw_entity_modify(struct fw_call *call);
enum fw_status fw_entity_get(struct fw_call *call);
enum fw_status fw_entity_delete(struct fw_call *call);
enum fw_status fw_entity_list(struct fw_call *call);

/* Is the member a column of its entity's table, and no expression? */
bool fw_member_is_column(const struct fw_command_member *member);

/* The answer's columns, as a SELECT names them. */
void fw_entity_add_columns(struct fw_text *sql, const struct fw_command_member *members);

/* Inserts the members that are columns into `entity`, and reads its keys into call->keys. */
enum fw_status fw_entity_insert(struct fw_call *call, const struct fw_entity *entity);
/* Takes the keys of `entity` from the command. */
enum fw_status fw_entity_name(struct fw_call *call, const struct fw_entity *entity);
/* Reads the row that call->keys name into call->data. */
enum fw_status fw_entity_read(struct fw_call *call, const struct fw_entity *entity);

/* ---- Chosen devices: by their ids, a tag or a filter */

/* Is at most one way of choosing given, and is it not empty? */
enum fw_status fw_chosen_check(struct fw_call *call);
/* The conditions on device d of firmware f, with " AND " before each, and their arguments: `first`
 * becomes ?1. */
void fw_chosen_add(struct fw_text *sql, const struct fw_call *call);
json_t *fw_chosen_args(const struct fw_call *call, json_t *first);
/* Adds them to the task. *changed: how many were added; *refused: an array of the others with the
 * reason, owned by the caller in every case. */
enum fw_status fw_chosen_insert(
	struct fw_call *call, json_t *task_id, int64_t *changed, json_t **refused);

/* ---- Checks */

/* Is the command as the table says? Else the refusal. */
enum fw_status fw_members_check(struct fw_call *call);

/* ---- The subjects */

extern const struct fw_command_member fw_product_members[], fw_firmware_members[],
	fw_device_members[], fw_history_members[], fw_file_members[], fw_task_members[],
	fw_stage_members[], fw_task_device_members[], fw_changed_members[], fw_pause_members[],
	fw_preview_members[], fw_failure_members[], fw_progress_members[], fw_task_log_members[],
	fw_download_members[], fw_stuck_members[], fw_admin_log_members[], fw_details_members[],
	fw_versions_members[];
extern const struct fw_entity fw_product_entity, fw_firmware_entity, fw_device_entity,
	fw_task_entity, fw_task_device_entity, fw_task_log_entity, fw_download_entity,
	fw_stuck_entity, fw_admin_log_entity;

enum fw_status fw_device_tags(struct fw_call *call); /* a `more` */
enum fw_status fw_device_history(struct fw_call *call);
enum fw_status fw_product_versions(struct fw_call *call);
enum fw_status fw_files_list(struct fw_call *call);
enum fw_status fw_files_delete(struct fw_call *call);
enum fw_status fw_task_create(struct fw_call *call);
enum fw_status fw_task_preview(struct fw_call *call);
enum fw_status fw_task_stages(struct fw_call *call); /* a `more` */
enum fw_status fw_task_verb(struct fw_call *call);
enum fw_status fw_task_pause(struct fw_call *call);
enum fw_status fw_task_retry(struct fw_call *call);
enum fw_status fw_task_failures(struct fw_call *call);
enum fw_status fw_task_progress(struct fw_call *call);
enum fw_status fw_task_devices_list(struct fw_call *call);
enum fw_status fw_task_devices_add(struct fw_call *call);
enum fw_status fw_task_devices_change(struct fw_call *call);
enum fw_status fw_stuck_list(struct fw_call *call);
enum fw_status fw_details(struct fw_call *call);

#endif
