/* Presence that writes down what it announces. */
#ifndef FW_TEST_PRESENCE_FIXTURE_H
#define FW_TEST_PRESENCE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "allocator.h"

#include "base/table.c"

#include "service/presence.c"
#include "service/presence_announce.c"
#include "service/presence_links.c"

/* What was told, as a line: "+a" for a online, "-a" for a offline, "~a" for a online that does not
 * listen; ">a" and ")a" for a online by another connection than before. */
static char told[1024];

/* By which connection a key was told online last; 0: it is not online. Of the first keys alone. */
static struct {
	char key[FW_PRESENCE_KEY_MAX + 1];
	uint64_t connection;
} told_by[16];

/* True: it was online already, by another connection. */
static inline bool note_told(const struct fw_presence_change *change)
{
	for (size_t i = 0; i < sizeof(told_by) / sizeof(told_by[0]); i++) {
		uint64_t before = told_by[i].connection;

		if (told_by[i].key[0] && !fw_slice_equal(change->key, fw_slice_of(told_by[i].key)))
			continue;
		assert_true(fw_slice_copy(change->key, told_by[i].key, sizeof(told_by[i].key)));
		told_by[i].connection = change->online ? change->connection : 0;
		return change->online && before && before != change->connection;
	}
	return false;
}

static inline void tell(void *context, const struct fw_presence_change *change)
{
	struct fw_slice key = change->key;
	bool moved = note_told(change);
	char what = !change->online ? '-'
		: moved             ? (change->listens ? '>' : ')')
		: change->listens   ? '+'
				    : '~';
	size_t len = strlen(told);

	assert_ptr_equal(context, told);
	assert_true(!change->online || change->connection > 0);
	assert_true(change->oldest <= change->connection);
	snprintf(told + len, sizeof(told) - len, "%c%.*s", what, (int)key.len, key.at);
}

static inline void assert_told(const char *text)
{
	assert_string_equal(told, text);
	told[0] = '\0';
}

static int clients[8]; /* only their addresses count */

static inline struct fw_presence *start(size_t max_keys)
{
	struct fw_presence *presence = fw_presence_new(max_keys, tell, told);

	assert_non_null(presence);
	told[0] = '\0';
	memset(told_by, 0, sizeof(told_by));
	return presence;
}

static inline void connect(
	struct fw_presence *presence, int client, const char *id, struct fw_slice key, int64_t now)
{
	fw_presence_connected(presence, &clients[client], id, key, false, now);
}

#endif
