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
	int64_t reading_ms;   /* how long the reads of a request may take together */
	int64_t minute;       /* boot ms when the minute of not_allowed began */
	unsigned not_allowed; /* commands in that minute */
	/* of the request under way */
	size_t answered; /* bytes of the answers so far */
	int64_t read_ms; /* how long its reads took so far */
};

/* A command while it is carried out. */
struct fw_call {
	struct fw_commands *commands;
	struct fw_admin *admin;
	const struct fw_asker *asker;
	const struct fw_command_info *info;
	const json_t *args; /* the command's object, checked against the table */
	json_t *data;       /* owned; the handler fills it */
	json_t *keys;       /* owned; values of the entity's keys, once they are known */
	const char *code;   /* of the error; NULL: none yet, or the status says which */
	struct fw_error error;
	char subject[FW_SUBJECT_MAX]; /* what the command is about, for the logs */
	/* Set by a handler: completes or undoes what it did beside the catalog. NULL: nothing. */
	void (*ended)(struct fw_call *call, bool committed);
	struct fw_removal *removal; /* of deleteFile, for `ended` */
};

#define FW_USE_NAMED (FW_USE_NAME | FW_USE_ANSWER)
#define FW_USE_SET (FW_USE_CREATE | FW_USE_MODIFY | FW_USE_ANSWER)

/* A table of the catalog, as commands see it. In `from` its rows are `e`. A member's column without
 * a dot, blank, bracket or question mark is a column of e; any other is an expression. The
 * expression of a filter is a condition with '?' for the value, or is compared with the value. */
struct fw_entity {
	const char *table;
	const char *noun; /* "no such ..." */
	const char *from;
	const struct fw_command_member *members;
	const char *keys[3];  /* columns that name a row, NULL behind the last */
	const char *order[3]; /* expressions that order and page a list; NULL: keys */
	bool descending;
	bool counts; /* lists have a totalCount: few rows, and filters that look at e alone */
};

/* How a command is carried out; private to the table. */
struct fw_command_action {
	enum fw_status (*run)(struct fw_call *call);
	const struct fw_entity *entity;
	/* get, create, modify: completes the row, or writes what is no column; NULL: nothing */
	enum fw_status (*more)(struct fw_call *call);
	/* Of a verb: its statement, whose ?1 is the task and ?2 the device or the reason, and the
	 * sentence when that changes no row (NULL: that is no error). */
	const char *sql, *refusal;
};

/* ---- Errors */

/* Records an error unless there is one already. FW_FAILED, with which the handler ends. */
enum fw_status fw_call_refuse(struct fw_call *call, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- SQL of a call */

/* As fw_admin_query; the sentence of a failure becomes the call's. */
enum fw_status fw_call_query(struct fw_call *call, const char *sql, json_t *args, json_t **rows);

/* The first row of a query, a new reference. FW_NOT_FOUND without a sentence when there is none. */
enum fw_status fw_call_row(struct fw_call *call, const char *sql, json_t *args, json_t **row);

/* A member of the command, borrowed: any JSON value, null too. NULL: not given. */
const json_t *fw_call_member(const struct fw_call *call, const char *name);
const char *fw_call_text(const struct fw_call *call, const char *name); /* NULL: no string */

/* Records what the command is about, for the logs: the texts, with a slash between. NULL: none. */
void fw_call_about(struct fw_call *call, const char *first, const char *second);

/* ---- Text of statements, in memory that grows. A failure lasts until the end. */

struct fw_text {
	char *at;
	size_t len, size;
	bool failed;
};

void fw_text_add(struct fw_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The text, terminated, malloc'd and the caller's; NULL without memory. */
char *fw_text_end(struct fw_text *text);

/* ---- Entities */

enum fw_status fw_entity_create(struct fw_call *call);
enum fw_status fw_entity_modify(struct fw_call *call);
enum fw_status fw_entity_get(struct fw_call *call);
enum fw_status fw_entity_delete(struct fw_call *call);
enum fw_status fw_entity_list(struct fw_call *call);

/* True if the member is a column of its entity's table, and no expression. */
bool fw_member_is_column(const struct fw_command_member *member);

/* Adds the answer's columns, as a SELECT names them. */
void fw_entity_add_columns(struct fw_text *sql, const struct fw_command_member *members);

/* Inserts the members that are columns into `entity`, and reads its keys into call->keys. */
enum fw_status fw_entity_insert(struct fw_call *call, const struct fw_entity *entity);
/* Takes the keys of `entity` from the command. */
enum fw_status fw_entity_name(struct fw_call *call, const struct fw_entity *entity);
/* The same, and refuses the command where there is no such row. Reads nothing of the row. */
enum fw_status fw_entity_find(struct fw_call *call, const struct fw_entity *entity);
/* Reads the row that call->keys name into call->data; refuses where there is none. */
enum fw_status fw_entity_read(struct fw_call *call, const struct fw_entity *entity);

/* ---- Chosen devices: by their ids, a tag or a filter */

/* True if the command chooses devices. */
bool fw_chosen_is_given(const struct fw_call *call);
/* Refuses two ways of choosing at once, and an empty filter. */
enum fw_status fw_chosen_check(struct fw_call *call);
/* The conditions on device d of firmware f, with " AND " before each, and their arguments: `first`
 * becomes ?1. The array is a new reference; NULL without memory. */
void fw_chosen_add(struct fw_text *sql, const struct fw_call *call);
json_t *fw_chosen_args(const struct fw_call *call, json_t *first);
/* Adds the devices to the task. *changed: how many were added; *refused: an array of the others
 * with the reason, owned by the caller in every case. */
enum fw_status fw_chosen_insert(
	struct fw_call *call, json_t *task_id, int64_t *changed, json_t **refused);

/* ---- Checks */

/* Refuses a command that is not as the table says. */
enum fw_status fw_members_check(struct fw_call *call);

/* ---- The subjects: their members, and the handlers that the table names */

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
