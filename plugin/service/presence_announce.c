/* What is announced of a key: at once that it listens, and a little later that it is online and
 * does not listen yet.
 *
 * A clean session has no subscription when it begins (MQTT 5, section 3.1.2.4), and what is sent to
 * it then is lost. So a client that connects and says nothing is announced late. Deferrals are kept
 * in the order in which they end. */
#include "service/presence_internal.h"

#include <stdlib.h>

#define HELD_MS 3000
#define RELEASED_AT_ONCE 1000u

void fw_presence_cancel_deferral(struct fw_presence *presence, struct fw_presence_key *key)
{
	struct fw_presence_deferral *held = key->held;

	if (!held)
		return;
	*held->from = held->next;
	if (held->next)
		held->next->from = held->from;
	else
		presence->last_held = held->from;
	key->held = NULL;
	free(held);
}

void fw_presence_announce(struct fw_presence *presence, struct fw_presence_key *key, bool listens)
{
	struct fw_presence_change change = {.key = fw_presence_text_of(key),
		.online = true,
		.listens = listens,
		.connection = key->newest,
		.oldest = key->oldest};

	fw_presence_cancel_deferral(presence, key);
	key->announced = true;
	key->listens = listens;
	key->announced_connection = key->newest;
	presence->changed(presence->context, &change);
}

void fw_presence_defer(struct fw_presence *presence, struct fw_presence_key *key, int64_t now)
{
	struct fw_presence_deferral *held = malloc(sizeof(*held));

	if (!held) {
		fw_presence_announce(presence, key, false);
		return;
	}
	*held = (struct fw_presence_deferral){
		.from = presence->last_held, .key = key, .until = now + HELD_MS};
	*presence->last_held = held;
	presence->last_held = &held->next;
	key->held = held;
}

void fw_presence_release(struct fw_presence *presence, int64_t now)
{
	presence->now = now;
	for (unsigned i = 0; i < RELEASED_AT_ONCE && presence->held && presence->held->until <= now;
		i++)
		fw_presence_announce(presence, presence->held->key, false);
}
