/* The control plane: one table of commands. $CONTROL and HTTP are its faces.
 *
 * A command is one JSON object, {"command": NAME, "correlationData"?, members...}. It is carried
 * out as an operator's SQL: the triggers and constraints of the catalog say what may be, and what
 * they say is the error's message. Each command is a transaction of its own. A read has a deadline,
 * and no transaction outlives the call.
 *
 * Members are columns in camelCase: version_order is versionOrder. The table names the members of
 * each command; one that is not in it is an error. */
#ifndef FW_CONTROL_COMMANDS_H
#define FW_CONTROL_COMMANDS_H

#include <jansson.h>

#include "base/fw.h"
#include "base/log.h"

#define FW_COMMANDS_BYTES_MAX 1048576u    /* of a request */
#define FW_COMMANDS_ANSWER_MAX (4u << 20) /* bytes of the answers to one, as JSON */
#define FW_COMMANDS_MAX 100u              /* commands of a request */
#define FW_COMMANDS_COUNT 50              /* items of a list when the request does not say */
#define FW_COMMANDS_COUNT_MAX 500
#define FW_COMMANDS_DEVICES_MAX 10000 /* device ids of a command */
#define FW_COMMANDS_DEADLINE_MS 2000  /* of one read */
#define FW_COMMANDS_READS 2           /* deadlines that the reads of a request share */
#define FW_COMMANDS_NOT_ALLOWED 60    /* "not_allowed" commands written down in a minute */

/* ---- Carrying out */

/* The table and one connection to the catalog of its own. One thread at a time for each object;
 * several objects may be open at once. */
struct fw_commands;

enum fw_right {
	FW_RIGHT_VIEW,  /* commands that change nothing */
	FW_RIGHT_ADMIN, /* all */
};

/* Who asks. Borrowed for the call. The face has authenticated the user. */
struct fw_asker {
	struct fw_slice user; /* user name; empty where file permissions are the login */
	struct fw_slice from; /* client id, or network address */
	const char *face;     /* "control" or "http" */
	enum fw_right right;
};

struct fw_commands_config {
	const char *db_file;   /* a migrated catalog; copied */
	const char *files_dir; /* copied; NULL: there are no files */
	int deadline_ms;       /* of a read; 0: FW_COMMANDS_DEADLINE_MS */
	int busy_ms;           /* how long a write waits for the catalog; 0: a second */
	/* A line of the log, on the caller's thread; NULL: none. */
	void (*log)(void *context, enum fw_log_level level, const char *line);
	/* A command ended: `outcome` is "ok" or the code of the error; NULL: nobody counts. */
	void (*done)(void *context, const struct fw_asker *asker, const char *outcome);
	void *context; /* of both; borrowed until the close */
};

/* On a thread of the I/O thread's side (base/io_thread.h), since it opens files. FW_OK: *out is the
 * caller's. Else a status of fw_db_open with a sentence in `error`, which FW_NOMEM may leave empty.
 */
enum fw_status fw_commands_open(
	const struct fw_commands_config *config, struct fw_commands **out, struct fw_error *error);
void fw_commands_close(struct fw_commands *commands); /* NULL is fine */

/* Carries out one command. A new reference:
 *   {"command", "correlationData"?, "data"} or {"command", "correlationData"?, "error", "code"}.
 * `data` is always an object. `error` is a sentence for a person. `code`: "bad_request" (not as the
 * table says), "not_found", "conflict" (a rule of the catalog refuses), "not_allowed", "busy" (the
 * catalog is locked, or a read took too long), "too_large", "failed". A write is a line of the log
 * and a row of admin_log, whatever its outcome. Exceptions: a "busy" one has the line alone, and
 * after FW_COMMANDS_NOT_ALLOWED in a minute a "not_allowed" one has neither. NULL only without
 * memory.
 *
 * May take seconds: never on the broker's thread. */
json_t *fw_commands_run(
	struct fw_commands *commands, const struct fw_asker *asker, const json_t *command);

/* Writes down what a face did without a command, such as an upload, as a command `name` would be
 * (fw_commands_run), and counts it. `code` and `message` are of an error, NULL if there was none.
 * May take seconds. */
void fw_commands_record(struct fw_commands *commands, const struct fw_asker *asker,
	const char *name, const char *subject, const char *code, const char *message);

/* True if the catalog can be read. Nobody counts it. May take the deadline of a read. */
bool fw_commands_can_read(struct fw_commands *commands);

/* Any thread: the command under way ends as soon as it can, and so does each later one. For the end
 * of the broker. */
void fw_commands_stop(struct fw_commands *commands);

/* Carries out {"commands": [...]}, each as fw_commands_run does, in order. A new reference:
 * {"responses": [...]}. A body that is no such thing, too long, or with too many commands gets one
 * response, whose command is "Unknown command", as Mosquitto's dynamic security has it. Once the
 * answers are longer than FW_COMMANDS_ANSWER_MAX, each further read is "too_large"; once the reads
 * took FW_COMMANDS_READS deadlines, each further read is "busy". NULL only without memory. */
json_t *fw_commands_request(
	struct fw_commands *commands, const struct fw_asker *asker, struct fw_slice body);

/* Refuses to upload or delete a file of the catalog's own: a format of printf, for its name. */
#define FW_FILE_OF_CATALOG                                                                         \
	"'%.200s' is the catalog, or belongs to it: give files_dir a folder of its own"

/* {"responses": [one error]}, a new reference: for what a face refuses by itself. */
json_t *fw_commands_refusal(const char *code, const char *message);
/* The same, of a request over FW_COMMANDS_BYTES_MAX. */
json_t *fw_commands_too_large(void);

/* ---- The table */

enum fw_member_type {
	FW_MEMBER_TEXT,    /* a string */
	FW_MEMBER_INTEGER, /* a number without fraction; times are Unix milliseconds */
	FW_MEMBER_NUMBER,
	FW_MEMBER_BOOLEAN, /* true or false; 1 and 0 are taken, too */
	FW_MEMBER_OBJECT,  /* any JSON object; of parameters */
	FW_MEMBER_TEXTS,   /* an array of strings */
	FW_MEMBER_OBJECTS, /* an array of objects whose members are those of `members` */
	FW_MEMBER_RECORD,  /* an object whose members are those of `members` */
};

/* What a member is for: bits. */
enum fw_member_use {
	FW_USE_CREATE = 1,
	FW_USE_MODIFY = 2,
	FW_USE_NAME = 4,    /* names the row that the command is about */
	FW_USE_FILTER = 8,  /* in a list or another question: which items are asked for */
	FW_USE_ANSWER = 16, /* in the data of an answer, or in each of its items */
};

/* One member of a command or of its answer: often a column, or an expression of SQL. An array ends
 * with one whose name is NULL. The schema bounds columns; min and max bound the rest. */
struct fw_command_member {
	const char *name;   /* camelCase */
	const char *column; /* for plugin/control/ alone; NULL: none */
	enum fw_member_type type;
	unsigned uses;     /* enum fw_member_use: where it may be given, and is answered */
	unsigned required; /* of these, where it must be given */
	/* a text's characters, a number's value, an array's elements; both 0: no bound here */
	int64_t min, max;
	const struct fw_command_member *members; /* what the object has, or each of the objects */
	const char *help;                        /* a phrase: in documents, and in OpenAPI */
};

/* What the data of an answer is. */
enum fw_answer_shape {
	FW_ANSWER_ONE,   /* an object of the answer's members */
	FW_ANSWER_PAGE,  /* {items, next, totalCount where it is free}; takes count and after */
	FW_ANSWER_ITEMS, /* {items}: all of them */
};

struct fw_command_info {
	const char *name;
	bool writes; /* needs FW_RIGHT_ADMIN */
	enum fw_answer_shape shape;
	/* The subject's members; those of this command have a bit of `uses` in theirs. */
	const struct fw_command_member *members;
	unsigned uses;
	/* What the data has, or each of the items: those with FW_USE_ANSWER. NULL: see help. */
	const struct fw_command_member *answer;
	const char *help;                       /* what it does: one sentence */
	const struct fw_command_action *action; /* how: for plugin/control/ alone */
};

/* All commands, in the order of the documents. Static. */
const struct fw_command_info *fw_commands_table(size_t *count);

/* NULL: there is no such command. Static. */
const struct fw_command_info *fw_commands_find(const char *name);

/* The members that a command takes, one after the other: `previous` NULL begins, NULL is returned
 * behind the last. `count` and `after` of a page are among them; `command` and `correlationData`,
 * which all commands have, are not. */
const struct fw_command_member *fw_command_next_member(
	const struct fw_command_info *info, const struct fw_command_member *previous);

/* True if the command must be given this member. */
bool fw_command_requires(
	const struct fw_command_info *info, const struct fw_command_member *member);

#endif
