/* A table of tasks, and a table of the pulls that hold a place.
 *
 * A task's entry stays while it holds something. At TASKS_MAX entries those that hold nothing are
 * dropped. A bucket that is made anew begins like that of a new task (upgrade/start_rate.h).
 *
 * A device that pulls again before its first pull is in the catalog has one place and several
 * uplinks. The place is free when none of them is left.
 *
 * What the broker's thread gives back goes into a list, for which it needs no lock. Whoever has the
 * lock next frees it. */
#include "upgrade/places.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/table.h"

#define TASKS_MAX 10000u
#define TRIES 3u /* of the broker's thread to get the lock */

struct task {
	int64_t pulls, pushes;
	struct fw_start_rate rate;
};

/* The place of a device's pulls. Its task's entry stays as long. */
struct pull {
	struct task *task;
	uint64_t uplinks; /* that are not in the catalog yet */
};

/* A place that the open transaction applied. */
struct applied {
	char task_id[FW_ID_MAX + 1], device[FW_ID_MAX + 1];
};

/* An uplink that does not follow after all. */
struct returned {
	struct returned *next;
	size_t len;
	char key[FW_DEVICE_KEY]; /* in `pulled` */
};

struct fw_places {
	int64_t started_ms;
	_Atomic(struct returned *) returned; /* the last one first */
	struct returned *spare; /* the broker thread's own: to give back never lacks memory */

	pthread_mutex_t lock;    /* guards this group */
	struct fw_table *tasks;  /* task_id to struct task */
	struct fw_table *pulled; /* task_id/device to struct pull */
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

static void drop_returned(struct returned *first)
{
	while (first) {
		struct returned *next = first->next;

		free(first);
		first = next;
	}
}

void fw_places_free(struct fw_places *places)
{
	if (!places)
		return;
	drop_returned(atomic_exchange(&places->returned, NULL));
	free(places->spare);
	fw_table_clear(places->tasks, free);
	fw_table_free(places->tasks);
	fw_table_clear(places->pulled, free);
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

static enum fw_status hold_pull(struct fw_places *places, struct task *task, struct fw_slice key)
{
	struct pull *pull = malloc(sizeof(*pull));

	if (!pull || fw_table_put(places->pulled, key, pull, NULL) != FW_OK) {
		free(pull);
		return FW_NOMEM;
	}
	*pull = (struct pull){task, 1};
	task->pulls++;
	return FW_OK;
}

/* An uplink less. True: it was the last one, and the place is free. */
static bool release_pull(struct fw_places *places, struct fw_slice key)
{
	struct pull *pull = fw_table_get(places->pulled, key);

	if (!pull || --pull->uplinks)
		return false;
	pull->task->pulls--;
	fw_table_remove(places->pulled, key);
	free(pull);
	return true;
}

/* What was given back since. */
static void free_returned(struct fw_places *places)
{
	struct returned *first = atomic_exchange(&places->returned, NULL);

	for (const struct returned *place = first; place; place = place->next)
		places->freed |= release_pull(places, (struct fw_slice){place->key, place->len});
	drop_returned(first);
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
	struct fw_slice key = key_of(task_id, device, buffer);
	struct task *task = NULL;
	struct pull *pull;
	enum fw_status status = FW_OK;

	if (!places->spare)
		places->spare = malloc(sizeof(*places->spare));
	if (!places->spare)
		return FW_NOMEM;
	/* Not pthread_mutex_lock: the store's thread has a lower priority, and may be preempted
	 * while it holds the lock. */
	if (!lock_soon(places))
		return FW_BUSY;
	free_returned(places);
	pull = fw_table_get(places->pulled, key);
	if (pull)
		pull->uplinks++;
	else
		status = judge_start(places, task_id, judge, context, &task);
	if (status == FW_OK && !pull)
		status = hold_pull(places, task, key);
	pthread_mutex_unlock(&places->lock);
	return status;
}

void fw_places_give_back(struct fw_places *places, struct fw_slice task_id, struct fw_slice device)
{
	struct returned *place = places->spare;

	if (!place)
		return;
	places->spare = NULL;
	place->len = key_of(task_id, device, place->key).len;
	place->next = atomic_load(&places->returned);
	while (!atomic_compare_exchange_weak(&places->returned, &place->next, place))
		;
}

enum fw_status fw_places_note(
	struct fw_places *places, struct fw_slice task_id, struct fw_slice device)
{
	char buffer[FW_DEVICE_KEY];
	struct fw_slice key = key_of(task_id, device, buffer);
	struct task *task;
	struct pull *pull;
	enum fw_status status = FW_OK;

	pthread_mutex_lock(&places->lock);
	pull = fw_table_get(places->pulled, key);
	task = pull ? pull->task : find_task(places, task_id);
	if (pull)
		pull->uplinks++;
	else
		status = task ? hold_pull(places, task, key) : FW_NOMEM;
	pthread_mutex_unlock(&places->lock);
	return status;
}

enum fw_status fw_places_take_for_push(
	struct fw_places *places, struct fw_slice task_id, fw_places_judge *judge, void *context)
{
	struct task *task = NULL;
	enum fw_status status;

	pthread_mutex_lock(&places->lock);
	free_returned(places);
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
	char buffer[FW_DEVICE_KEY];

	if (!places || (!places->pushed && !places->applied_count))
		return;
	pthread_mutex_lock(&places->lock);
	for (size_t i = 0; committed && i < places->applied_count; i++)
		release_pull(places,
			key_of(fw_slice_of(places->applied[i].task_id),
				fw_slice_of(places->applied[i].device), buffer));
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
	free_returned(places);
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
