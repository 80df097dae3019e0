/* Lends objects that carry out commands. Each has a connection to the catalog, and carries out one
 * command at a time. There are few: an admin's commands are short, and each connection has a page
 * cache. Viewers leave one to admins. */
#include "control/web_internal.h"

#include <string.h>

#include "base/thread.h"

#define WAIT_MS 3000 /* for an object that comes free */

void fw_web_pool_init(struct fw_web_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	fw_cond_init(&pool->given_back);
}

enum fw_status fw_web_pool_open(
	struct fw_web_pool *pool, const struct fw_commands_config *config, struct fw_error *error)
{
	enum fw_status status = FW_OK;

	while (status == FW_OK && pool->count < FW_WEB_COMMANDS) {
		struct fw_commands *commands = NULL;

		status = fw_commands_open(config, &commands, error);
		if (status == FW_OK) {
			pool->all[pool->count] = commands;
			pool->idle[pool->count++] = commands;
		}
	}
	return status;
}

void fw_web_pool_close(struct fw_web_pool *pool)
{
	while (pool->count)
		fw_commands_close(pool->idle[--pool->count]);
	pthread_cond_destroy(&pool->given_back);
	pthread_mutex_destroy(&pool->lock);
}

/* NULL: none came free. */
static struct fw_commands *borrow(struct fw_web_pool *pool, enum fw_right right)
{
	size_t left = right == FW_RIGHT_ADMIN ? 0 : FW_WEB_FOR_ADMINS;
	struct timespec deadline = fw_after_ms(WAIT_MS);
	struct fw_commands *commands = NULL;
	int waited = 0;

	pthread_mutex_lock(&pool->lock);
	while (pool->count <= left && waited == 0)
		waited = pthread_cond_timedwait(&pool->given_back, &pool->lock, &deadline);
	if (pool->count > left)
		commands = pool->idle[--pool->count];
	pthread_mutex_unlock(&pool->lock);
	return commands;
}

static void give_back(struct fw_web_pool *pool, struct fw_commands *commands)
{
	pthread_mutex_lock(&pool->lock);
	pool->idle[pool->count++] = commands;
	/* all waiters: a viewer who is woken may have to leave the object to an admin */
	pthread_cond_broadcast(&pool->given_back);
	pthread_mutex_unlock(&pool->lock);
}

static const char too_many[] = "too many commands are under way: try again";

json_t *fw_web_pool_run(void *context, const struct fw_asker *asker, const json_t *command)
{
	struct fw_commands *commands = borrow(context, asker->right);
	json_t *response;

	if (!commands)
		return json_pack("{s:s, s:s}", "code", "busy", "error", too_many);
	response = fw_commands_run(commands, asker, command);
	give_back(context, commands);
	return response;
}

json_t *fw_web_pool_request(void *context, const struct fw_asker *asker, struct fw_slice body)
{
	struct fw_commands *commands = borrow(context, asker->right);
	json_t *response;

	if (!commands)
		return fw_commands_refusal("busy", too_many);
	response = fw_commands_request(commands, asker, body);
	give_back(context, commands);
	return response;
}

bool fw_web_pool_can_read(struct fw_web_pool *pool)
{
	struct fw_commands *commands = borrow(pool, FW_RIGHT_ADMIN);
	bool can;

	if (!commands)
		return false;
	can = fw_commands_can_read(commands);
	give_back(pool, commands);
	return can;
}

void fw_web_pool_record(struct fw_web_pool *pool, const struct fw_asker *asker, const char *name,
	const char *subject, const char *code, const char *message)
{
	struct fw_commands *commands = borrow(pool, asker->right);

	if (!commands)
		return;
	fw_commands_record(commands, asker, name, subject, code, message);
	give_back(pool, commands);
}

void fw_web_pool_stop(struct fw_web_pool *pool)
{
	for (size_t i = 0; i < FW_WEB_COMMANDS; i++) {
		if (pool->all[i])
			fw_commands_stop(pool->all[i]);
	}
}
