/* The queue of $CONTROL: order, limits, who is answered, the end in the middle of work. */
#include "control/commands_fixture.h"

#include <fcntl.h>
#include <pthread.h>

#include "control/mqtt.h"

static struct fw_control *open_control(struct world *world)
{
	struct fw_error error = {""};
	struct fw_control *control;
	struct fw_control_config config = {.db_file = world->db, .files_dir = world->files};

	assert_int_equal(fw_control_open(&config, &control, &error), FW_OK);
	return control;
}

static enum fw_status ask_as_user(struct fw_control *control, const void *client, const char *user,
	enum fw_right right, const char *body)
{
	return fw_control_ask(control,
		&(struct fw_control_request){.client = client,
			.client_id = client,
			.user = user,
			.right = right,
			.body = fw_slice_of(body),
			.qos = 1,
			.correlation = "c",
			.correlation_len = 1});
}

static enum fw_status ask(struct fw_control *control, const void *client, const char *body)
{
	return ask_as_user(control, client, "ada", FW_RIGHT_ADMIN, body);
}

static void await(struct fw_control *control, struct fw_control_reply *reply)
{
	for (int i = 0; i < 1000; i++) {
		if (fw_control_take(control, reply))
			return;
		usleep(10000);
	}
	fail_msg("no answer came");
}

#define DETAILS "{\"commands\":[{\"command\":\"getDetails\"}]}"
#define RENAME                                                                                     \
	"{\"commands\":[{\"command\":\"modifyProduct\",\"productId\":\"lamp\",\"name\":\"x\"}]}"

static void test_answers(void **state)
{
	struct fw_control *control = open_control(*state);
	struct fw_control_reply reply;
	enum fw_log_level level;
	char *line;

	assert_false(fw_control_take(control, &reply));
	assert_int_equal(ask(control, "one", DETAILS), FW_OK);
	await(control, &reply);
	assert_string_equal(reply.client_id, "one");
	assert_string_equal(reply.topic, FW_CONTROL_RESPONSE_TOPIC);
	assert_int_equal(reply.qos, 1);
	assert_int_equal(reply.correlation_len, 1);
	assert_memory_equal(reply.correlation, "c", 1);
	assert_int_equal(reply.len, strlen(reply.payload));
	assert_non_null(strstr(reply.payload, FW_VERSION_TEXT));
	fw_control_reply_clear(&reply);
	assert_false(fw_control_under_way(control));
	assert_null(fw_control_take_line(control, &level));
	assert_int_equal(ask(control, "one", RENAME), FW_OK);
	await(control, &reply);
	fw_control_reply_clear(&reply);
	line = fw_control_take_line(control, &level);
	assert_string_equal(line, "modifyProduct 'lamp' by 'ada' (control one): ok");
	assert_int_equal(level, FW_LOG_NOTICE);
	free(line);
	fw_control_stop(control);
	fw_control_close(control);
}

/* A crash between the removal of a file and the commit of that leaves a dot-file. */
static void test_sweep(void **state)
{
	struct world *world = *state;
	struct fw_control *control;
	char path[160];

	snprintf(path, sizeof(path), "%s/.firmware-deleted-0123456789abcdef", world->files);
	assert_int_equal(close(creat(path, 0644)), 0);
	control = open_control(world);
	assert_int_equal(access(path, F_OK), -1);
	fw_control_stop(control);
	fw_control_close(control);
}

/* While the catalog is locked the first request runs, and others wait. */
static void test_limits(void **state)
{
	struct world *world = *state;
	struct fw_control *control = open_control(world);
	static const char *const clients[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	struct fw_control_reply reply;
	unsigned taken = 0;

	sql(world, "BEGIN IMMEDIATE");
	assert_int_equal(ask(control, "first", RENAME), FW_OK);
	usleep(200000);
	assert_int_equal(ask(control, "a", DETAILS), FW_OK);
	assert_int_equal(ask(control, "a", DETAILS), FW_OK);
	assert_int_equal(ask(control, "a", DETAILS), FW_FULL);
	for (size_t i = 1; i < 8; i++) {
		taken += ask(control, clients[i], DETAILS) == FW_OK;
		taken += ask(control, clients[i], DETAILS) == FW_OK;
	}
	assert_int_equal(taken, 13);
	sql(world, "ROLLBACK");
	for (unsigned i = 0; i < 16; i++) {
		await(control, &reply);
		fw_control_reply_clear(&reply);
	}
	assert_int_equal(ask(control, "a", DETAILS), FW_OK);
	await(control, &reply);
	fw_control_reply_clear(&reply);
	fw_control_stop(control);
	fw_control_close(control);
}

static void answers(struct fw_control *control, const char *client)
{
	struct fw_control_reply reply;

	await(control, &reply);
	assert_string_equal(reply.client_id, client);
	fw_control_reply_clear(&reply);
}

/* A user with many connections waits in turn with others, and viewers leave places for admins. */
static void test_turns(void **state)
{
	struct world *world = *state;
	struct fw_control *control = open_control(world);
	static const char *const clients[] = {"a", "b", "c", "d", "e", "f", "g"};

	sql(world, "BEGIN IMMEDIATE");
	assert_int_equal(ask_as_user(control, "first", "bob", FW_RIGHT_ADMIN, RENAME), FW_OK);
	usleep(200000); /* it has begun, and waits for the lock */
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(
			ask_as_user(control, clients[i / 2], "eve", FW_RIGHT_VIEW, DETAILS), FW_OK);
	assert_int_equal(ask_as_user(control, "g", "vic", FW_RIGHT_VIEW, DETAILS), FW_FULL);
	assert_int_equal(ask_as_user(control, "h", "ada", FW_RIGHT_ADMIN, DETAILS), FW_OK);
	assert_int_equal(ask_as_user(control, "h", "ada", FW_RIGHT_ADMIN, DETAILS), FW_OK);
	sql(world, "ROLLBACK");
	answers(control, "first");
	answers(control, "a");
	answers(control, "h");
	answers(control, "a");
	answers(control, "h");
	for (size_t i = 2; i < 12; i++)
		answers(control, clients[i / 2]);
	/* the places are free again, and the list's end is right */
	assert_int_equal(ask_as_user(control, "g", "vic", FW_RIGHT_VIEW, DETAILS), FW_OK);
	answers(control, "g");
	fw_control_stop(control);
	fw_control_close(control);
}

/* Its command is carried out all the same. */
static void test_gone(void **state)
{
	struct world *world = *state;
	struct fw_control *control = open_control(world);
	struct fw_control_reply reply;

	sql(world, "BEGIN IMMEDIATE");
	assert_int_equal(ask(control, "one", RENAME), FW_OK);
	assert_int_equal(ask(control, "one", RENAME), FW_OK);
	assert_int_equal(ask(control, "two", DETAILS), FW_OK);
	fw_control_gone(control, "nobody");
	fw_control_gone(control, "one");
	sql(world, "ROLLBACK");
	await(control, &reply);
	assert_string_equal(reply.client_id, "two");
	fw_control_reply_clear(&reply);
	assert_false(fw_control_under_way(control));
	sql_gives(world, "SELECT name AS v FROM product", "'x'");
	assert_int_equal(ask(control, "one", DETAILS), FW_OK);
	while (!fw_control_under_way(control))
		usleep(1000);
	usleep(300000);
	fw_control_gone(control, "one");
	assert_false(fw_control_take(control, &reply));
	fw_control_stop(control);
	fw_control_close(control);
}

static void test_end(void **state)
{
	struct world *world = *state;
	struct fw_control *control = open_control(world);

	sql(world, "BEGIN IMMEDIATE");
	assert_int_equal(ask(control, "one", RENAME), FW_OK);
	assert_int_equal(ask(control, "one", RENAME), FW_OK);
	fw_control_stop(control);
	fw_control_close(control);
	sql(world, "ROLLBACK");
	sql_gives(world, "SELECT name AS v FROM product", "'Lamp'");
	fw_control_stop(NULL);
	fw_control_close(NULL);
}

static void test_lines(void **state)
{
	struct fw_control *control = open_control(*state);
	enum fw_log_level level;
	char *line = NULL;

	for (int i = 0; i < 300; i++)
		fw_control_log(control, FW_LOG_INFO, "line");
	for (int i = 0; i < 256; i++) {
		line = fw_control_take_line(control, &level);
		assert_string_equal(line, "line");
		free(line);
	}
	line = fw_control_take_line(control, &level);
	assert_string_equal(line, "44 lines about commands are left out: see admin_log");
	free(line);
	assert_null(fw_control_take_line(control, &level));
	fw_control_stop(control);
	fw_control_close(control);
}

#define MANY 2000

static void *log_many(void *control)
{
	for (int i = 0; i < MANY; i++)
		fw_control_log(control, FW_LOG_INFO, "line");
	return NULL;
}

/* Lines that are lost while others are taken are counted, in a way that the thread sanitizer
 * allows. */
static void test_lines_of_a_thread(void **state)
{
	struct fw_control *control = open_control(*state);
	enum fw_log_level level;
	pthread_t thread;
	unsigned seen = 0, lost;
	char *line;

	assert_int_equal(pthread_create(&thread, NULL, log_many, control), 0);
	for (int i = 0; i < 10000 && seen < MANY; i++) {
		while ((line = fw_control_take_line(control, &level))) {
			seen += sscanf(line, "%u lines", &lost) == 1 ? lost : 1;
			free(line);
		}
		usleep(1000);
	}
	pthread_join(thread, NULL);
	assert_int_equal(seen, MANY);
	fw_control_stop(control);
	fw_control_close(control);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILLED(test_answers),
		FILLED(test_sweep),
		FILLED(test_limits),
		FILLED(test_turns),
		FILLED(test_gone),
		FILLED(test_end),
		FILLED(test_lines),
		FILLED(test_lines_of_a_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
