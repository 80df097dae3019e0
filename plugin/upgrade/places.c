/* A table of tasks, and a table of the pulls that hold a place.
 *
 * A task's entry stays while it holds something. At TASKS_MAX entries those that hold nothing are
 * dropped. A bucket that is made anew begins like that of a new task (upgrade/start_rate.h). */
#include "upgrade/places.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/table.h"

#define TASKS_MAX 10000u
#define TRIES 3u /* of the broker's thread to get the lock */

struct task {
	int64_t pulls, pushes;
	struct fw_start_rate rate;
};

/* A place that the open transaction applied. */
struct applied {
	char task_id[FW_ID_MAX + 1], device[FW_ID_MAX + 1];
};

struct fw_places {
	int64_t started_ms;

	pthread_mutex_t lock;    /* guards this group */
	struct fw_table *tasks;  /* task_id to struct task */
	struct fw_table *pulled; /* task_id/device of the pulls that hold a place */
	bool freed;              /* a place was given back */
	bool wall_behind;

	/* the store thread's own */
	struct applied *applied; /* by the open transaction */
	size_t applied_count, applied_room;
	bool pushed; /* some task has pushes */
};

struct fw_places *fw_places_new(int64_t steady_ms)
{
	struct fw_places *places = calloc(1, sizeof(*places));

	if (!places)
		return NULL;
	pthread_mutex_init(&places->lock, NULL);
	places->started_ms = steady_ms;
	places->tasks = fw_table_new(0);
	places->pulled = fw_table_new(0);
	if (!places->tasks || !places->pulled) {
		fw_places_free(places);
		return NULL;
	}
	return places;
}

void fw_places_free(struct fw_places *places)
{
	if (!places)
		return;
	fw_table_clear(places->tasks, free);
	fw_table_free(places->tasks);
	fw_table_free(places->pulled);
	free(places->applied);
	pthread_mutex_destroy(&places->lock);
	free(places);
}

/* This and the static functions behind it run with the lock held, except lock_soon. */
static void drop_idle(struct fw_places *places)
{
	struct fw_table_walk walk = {.bucket = 0};

	while (fw_table_next(places->tasks, &walk)) {
		struct task *task = walk.value;

		if (task->pulls || task->pushes)
			continue;
		fw_table_remove(places->tasks, walk.key);
		free(task);
	}
}

static struct task *find_task(struct fw_places *places, struct fw_slice task_id)
{
	struct task *task = fw_table_get(places->tasks, task_id);

	if (task)
		return task;
	if (fw_table_count(places->tasks) >= TASKS_MAX)
		drop_idle(places);
	task = calloc(1, sizeof(*task));
	if (task)
		fw_start_rate_init(&task->rate, places->started_ms);
	if (task && fw_table_put(places->tasks, task_id, task, NULL) == FW_OK)
		return task;
	free(task);
	return NULL;
}

static struct fw_slice key_of(
	struct fw_slice task_id, struct fw_slice device, char buffer[FW_DEVICE_KEY])
{
	return fw_device_key(buffer, task_id, device);
}

static enum fw_status hold_pull(struct fw_places *places, struct task *task,
	struct fw_slice task_id, struct fw_slice device)
{
	char buffer[FW_DEVICE_KEY];
	enum fw_status status =
		fw_table_put(places->pulled, key_of(task_id, device, buffer), places, NULL);

	if (status == FW_OK)
		task->pulls++;
	return status;
}

static bool release_pull(struct fw_places *places, struct fw_slice task_id, struct fw_slice device)
{
	struct task *task = fw_table_get(places->tasks, task_id);
	char buffer[FW_DEVICE_KEY];
	struct fw_slice key = key_of(task_id, device, buffer);

	if (!fw_table_get(places->pulled, key))
		return false;
	fw_table_remove(places->pulled, key);
	if (task && task->pulls > 0)
		task->pulls--;
	return true;
}

/* *out: the entry of the task. FW_NOMEM, or the verdict of `judge`. */
static enum fw_status judge_start(struct fw_places *places, struct fw_slice task_id,
	fw_places_judge *judge, void *context, struct task **out)
{
	struct task *task = find_task(places, task_id);
	struct fw_places_held held;

	if (!task)
		return FW_NOMEM;
	*out = task;
	held = (struct fw_places_held){task->pulls, task->pushes, places->wall_behind, &task->rate};
	return judge(context, &held);
}

static bool lock_soon(struct fw_places *places)
{
	for (unsigned i = 0; i < TRIES; i++) {
		if (pthread_mutex_trylock(&places->lock) == 0)
			return true;
	}
	return false;
}

enum fw_status fw_places_take_for_pull(struct fw_places *places, struct fw_slice task_id,
	struct fw_slice device, fw_places_judge *judge, void *context)
{
	char buffer[FW_DEVICE_KEY];
	struct task *task = NULL;
	enum fw_status status = FW_OK;

	/* Not pthread_mutex_lock: the store's thread has a lower priority, and may be preempted
	 * while it holds the lock. */
	if (!lock_soon(places))
		return FW_BUSY;
	if (!fw_table_get(places->pulled, key_of(task_id, device, buffer))) {
		status = judge_start(places, task_id, judge, context, &task);
		if (status == FW_OK)
			status = hold_pull(places, task, task_id, device);
	}
	pthread_mutex_unlock(&places->lock);
	return status;
}

void fw_places_give_back(struct fw_places *places, struct fw_slice task_id, struct fw_slice device)
{
	pthread_mutex_lock(&places->lock);
	places->freed |= release_pull(places, task_id, device);
	pthread_mutex_unlock(&places->lock);
}

enum fw_status fw_places_note(
	struct fw_places *places, struct fw_slice task_id, struct fw_slice device)
{
	struct task *task;
	enum fw_status status = FW_NOMEM;
	char buffer[FW_DEVICE_KEY];

	pthread_mutex_lock(&places->lock);
	task = find_task(places, task_id);
	if (task)
		status = fw_table_get(places->pulled, key_of(task_id, device, buffer))
			? FW_OK
			: hold_pull(places, task, task_id, device);
	pthread_mutex_unlock(&places->lock);
	return status;
}

enum fw_status fw_places_take_for_push(
	struct fw_places *places, struct fw_slice task_id, fw_places_judge *judge, void *context)
{
	struct task *task = NULL;
	enum fw_status status;

	pthread_mutex_lock(&places->lock);
	status = judge_start(places, task_id, judge, context, &task);
	if (status == FW_OK)
		task->pushes++;
	places->pushed |= status == FW_OK;
	pthread_mutex_unlock(&places->lock);
	return status;
}

enum fw_status fw_places_applied(
	struct fw_places *places, struct fw_slice task_id, struct fw_slice device)
{
	struct applied *applied;

	if (places->applied_count == places->applied_room) {
		size_t room = 2 * places->applied_room + 64;

		applied = reallocarray(places->applied, room, sizeof(*applied));
		if (!applied)
			return FW_NOMEM;
		places->applied = applied;
		places->applied_room = room;
	}
	applied = &places->applied[places->applied_count];
	if (!fw_slice_copy(task_id, applied->task_id, sizeof(applied->task_id)) ||
		!fw_slice_copy(device, applied->device, sizeof(applied->device)))
		return FW_OK;
	places->applied_count++;
	return FW_OK;
}

void fw_places_transaction_ended(struct fw_places *places, bool committed)
{
	struct fw_table_walk walk = {.bucket = 0};

	if (!places || (!places->pushed && !places->applied_count))
		return;
	pthread_mutex_lock(&places->lock);
	for (size_t i = 0; committed && i < places->applied_count; i++)
		release_pull(places, fw_slice_of(places->applied[i].task_id),
			fw_slice_of(places->applied[i].device));
	places->applied_count = 0;
	while (places->pushed && fw_table_next(places->tasks, &walk))
		((struct task *)walk.value)->pushes = 0;
	places->pushed = false;
	pthread_mutex_unlock(&places->lock);
}

struct fw_start_rate fw_places_rate(struct fw_places *places, struct fw_slice task_id)
{
	struct fw_start_rate rate;
	struct task *task;

	fw_start_rate_init(&rate, places->started_ms);
	pthread_mutex_lock(&places->lock);
	task = fw_table_get(places->tasks, task_id);
	if (task)
		rate = task->rate;
	pthread_mutex_unlock(&places->lock);
	return rate;
}

bool fw_places_freed(struct fw_places *places)
{
	bool freed;

	pthread_mutex_lock(&places->lock);
	freed = places->freed;
	places->freed = false;
	pthread_mutex_unlock(&places->lock);
	return freed;
}

void fw_places_note_wall(struct fw_places *places, bool behind)
{
	pthread_mutex_lock(&places->lock);
	places->wall_behind = behind;
	pthread_mutex_unlock(&places->lock);
}
