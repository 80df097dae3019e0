/* `mosquitto_ctrl firmware`: the module that Mosquitto's own tool loads by its name.
 *
 * mosquitto_ctrl reads the options of the connection, loads mosquitto_ctrl_firmware.so and calls
 * ctrl_main with the words behind "firmware". The tool's own client is of no use here: it sends one
 * request, and its part of struct mosq_ctrl differs between 2.0 and 2.1. So the module connects by
 * itself. It returns -1, which mosquitto_ctrl takes for success (status 0), or 13 (status 13) after
 * it has printed an error. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ctrl/help.h"
#include "ctrl/run.h"

#define DONE (-1)
#define FAILED 13 /* MOSQ_ERR_UNKNOWN */

__attribute__((visibility("default"))) int ctrl_main(
	int argc, char **argv, const struct fw_ctrl_shared *shared);

static int fail(const struct fw_ctrl_shared *shared, const char *message)
{
	if (!shared->quiet && message[0])
		fprintf(stderr, "Error: %s\n", message);
	return FAILED;
}

static int fail_unknown(const struct fw_ctrl_shared *shared, const char *name)
{
	struct fw_error error = {""};

	fw_error_set(
		&error, "no such sub-command: '%.60s'; see mosquitto_ctrl firmware help", name);
	return fail(shared, error.text);
}

static int help(const struct fw_ctrl_shared *shared, int argc, char **argv)
{
	const struct fw_ctrl_command *command;

	if (argc < 2) {
		fw_ctrl_help(stdout);
		return DONE;
	}
	command = fw_ctrl_command_find(argv[1]);
	if (!command)
		return fail_unknown(shared, argv[1]);
	fw_ctrl_help_of(stdout, command);
	return DONE;
}

/* True for a pipe whose reader, such as head, had enough: that is no error to print. */
static bool has_no_reader(FILE *out)
{
	struct pollfd fd = {.fd = fileno(out), .events = POLLOUT};

	return poll(&fd, 1, 0) == 1 && fd.revents & POLLERR;
}

static bool carry_out(struct fw_ctrl_run *run, const struct fw_ctrl_login *login)
{
	bool done;

	if (!fw_ctrl_client_open(login, &run->client, &run->error))
		return false;
	done = run->command->run ? run->command->run(run) : fw_ctrl_ask_and_show(run);
	fw_ctrl_client_close(run->client);
	if (fflush(run->out) == 0 && !ferror(run->out))
		return done;
	if (!has_no_reader(run->out))
		fw_error_set(&run->error, "the answer cannot be written");
	return false;
}

/* The words behind the sub-command are wrong: prints its usage too. */
static int fail_words(const struct fw_ctrl_shared *shared, const struct fw_ctrl_run *run)
{
	fail(shared, run->error.text);
	if (!shared->quiet) {
		fputs("Usage: mosquitto_ctrl firmware ", stderr);
		fw_ctrl_usage(stderr, run->command);
		fprintf(stderr, "\nSee mosquitto_ctrl firmware help %s\n", run->command->name);
	}
	return FAILED;
}

int ctrl_main(int argc, char **argv, const struct fw_ctrl_shared *shared)
{
	struct fw_ctrl_run run = {.out = stdout};
	struct fw_ctrl_login login = {.shared = shared};
	bool done;

	if (argc < 1 || strcasecmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0)
		return help(shared, argc, argv);
	run.command = fw_ctrl_command_find(argv[0]);
	if (!run.command)
		return fail_unknown(shared, argv[0]);
	/* before fw_ctrl_arguments reorders the words: it counts them among the process's own */
	fw_ctrl_rest_read(&login.rest, shared->options_file, argc);
	if (!fw_ctrl_arguments(run.command, argc - 1, argv + 1, &run.asked, &run.error))
		return fail_words(shared, &run);
	if (run.asked.help) {
		fw_ctrl_help_of(stdout, run.command);
		done = true;
	} else {
		done = carry_out(&run, &login);
	}
	json_decref(run.asked.command);
	return done ? DONE : fail(shared, run.error.text);
}
