/* `watch TASK`: reads the task again and again, and shows how far it is, until it is over.
 *
 * On a terminal one line is drawn anew; else, and with --json, each change is a line of its own. A
 * catalog that is locked is read again at the next interval. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctrl/render.h"
#include "ctrl/run.h"
#include "ctrl/watch.h"

#define BAR 30

static long long number_of(const json_t *task, const char *name)
{
	return (long long)json_integer_value(json_object_get(task, name));
}

static const char *text_of(const json_t *task, const char *name)
{
	const char *text = json_string_value(json_object_get(task, name));

	return text ? text : "";
}

void fw_ctrl_bar(const json_t *task, char bar[FW_CTRL_BAR_SIZE])
{
	long long total = number_of(task, "total");
	long long success = number_of(task, "success"), failed = number_of(task, "failed");
	long long canceled = number_of(task, "canceled");
	const struct {
		long long until;
		char mark;
	} parts[] = {{success, '#'}, {success + failed, 'x'}, {success + failed + canceled, '-'},
		{success + failed + canceled + number_of(task, "processing"), '>'}};
	size_t part = 0;

	for (int i = 0; i < BAR; i++) {
		/* rounds down: the bar is full only when no device is left */
		while (part < 4 && (total <= 0 || parts[part].until * BAR / total <= i))
			part++;
		bar[i] = part < 4 ? parts[part].mark : ' ';
	}
	bar[BAR] = '\0';
}

void fw_ctrl_watch_line(const json_t *task, char *line, size_t size)
{
	char bar[FW_CTRL_BAR_SIZE], stage[64] = "", held[400] = "";
	size_t stages = json_array_size(json_object_get(task, "stages"));
	const char *state = text_of(task, "state"), *waits_for = text_of(task, "waitsFor");

	fw_ctrl_bar(task, bar);
	if (stages)
		snprintf(stage, sizeof(stage), ", stage %lld of %zu", number_of(task, "stage"),
			stages);
	if (strcmp(state, "running") != 0)
		snprintf(held, sizeof(held), ", %.20s%s%.300s", state,
			text_of(task, "pausedReason")[0] ? ": " : "",
			text_of(task, "pausedReason"));
	else if (waits_for[0] && number_of(task, "waiting") > 0)
		snprintf(held, sizeof(held), ", waits for: %.60s", waits_for);
	snprintf(line, size,
		"[%s] %3lld %%  %lld success, %lld failed, %lld under way, %lld waiting, "
		"%lld canceled%s%s",
		bar, number_of(task, "percent"), number_of(task, "success"),
		number_of(task, "failed"), number_of(task, "processing"),
		number_of(task, "waiting"), number_of(task, "canceled"), stage, held);
	fw_make_line(line);
}

bool fw_ctrl_watch_is_over(const json_t *task)
{
	if (strcmp(text_of(task, "state"), "stopped") == 0)
		return number_of(task, "processing") == 0;
	return number_of(task, "waiting") == 0 && number_of(task, "processing") == 0 &&
		!json_is_true(json_object_get(task, "continuous"));
}

/* True while a failed device waits to be retried by the plugin, or the catalog does not say: then
 * the task is not over. */
static bool will_retry(struct fw_ctrl_run *run, const json_t *task)
{
	json_t *command, *data;
	bool some, busy = false;

	if (number_of(task, "failed") == 0 || number_of(task, "retryLimit") == 0 ||
		strcmp(text_of(task, "state"), "stopped") == 0)
		return false;
	command = json_pack("{s:s,s:s,s:s,s:s,s:i}", "command", "listTaskDevices", "taskId",
		text_of(task, "taskId"), "state", "failed", "waitsFor", "retry", "count", 1);
	data = fw_ctrl_client_data(run->client, command, &(struct fw_error){""}, &busy);
	some = busy || json_array_size(json_object_get(data, "items")) > 0;
	json_decref(command);
	json_decref(data);
	return some;
}

static size_t terminal_columns(FILE *out)
{
	struct winsize size;

	return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col : 80;
}

/* Draws over the last line of a terminal, or writes a new line; nothing when it is the same. */
static void show_line(struct fw_ctrl_run *run, const json_t *task, char before[1024])
{
	char line[1024];

	fw_ctrl_watch_line(task, line, sizeof(line));
	if (strcmp(line, before) == 0)
		return;
	memcpy(before, line, sizeof(line));
	if (run->asked.json) {
		fw_ctrl_show_json(run->out, task, true);
	} else if (isatty(fileno(run->out))) {
		fw_ctrl_cut(line, terminal_columns(run->out) - 1);
		fprintf(run->out, "\r%s\033[K", line);
	} else {
		fprintf(run->out, "%s\n", line);
	}
	fflush(run->out);
}

static bool end_watch(struct fw_ctrl_run *run, const json_t *task)
{
	long long failed = number_of(task, "failed"), canceled = number_of(task, "canceled");

	if (!run->asked.json)
		fprintf(run->out, "%sover: %lld of %lld devices run it\n",
			isatty(fileno(run->out)) ? "\n" : "", number_of(task, "success"),
			number_of(task, "total"));
	if (!run->asked.exit_status || failed + canceled == 0)
		return true;
	fw_error_set(&run->error, "%lld devices failed, %lld were canceled", failed, canceled);
	return false;
}

bool fw_ctrl_watch(struct fw_ctrl_run *run)
{
	char line[1024] = "";
	json_t *command = json_copy(run->asked.command);
	bool over = false, busy = false, done = false;

	json_object_set_new(command, "command", json_string("getTask"));
	while (!over) {
		struct fw_error error = {""};
		json_t *task = fw_ctrl_client_data(run->client, command, &error, &busy);

		if (!task && !busy) {
			if (line[0] && !run->asked.json && isatty(fileno(run->out)))
				fputc('\n', run->out);
			run->error = error;
			break;
		}
		if (task) {
			show_line(run, task, line);
			over = ferror(run->out) ||
				(fw_ctrl_watch_is_over(task) && !will_retry(run, task));
			done = over && end_watch(run, task);
		}
		json_decref(task);
		if (!over)
			fw_ctrl_client_wait(run->client, 1000 * run->asked.interval);
	}
	json_decref(command);
	return done;
}
