/* What is announced of a key: at once that it listens, and a little later that it is online and
 * does not listen yet.
 *
 * A clean session has no subscription when it begins (MQTT 5, section 3.1.2.4), and what is sent to
 * it then is lost. So a client that connects and says nothing is announced late. Deferrals are kept
 * in the order in which they end. */
#include "service/presence_internal.h"

#include <stdlib.h>

#define DEFERRED_MS 3000
#define RELEASED_AT_ONCE 1000u

void fw_presence_cancel_deferral(struct fw_presence *presence, struct fw_presence_key *key)
{
	struct fw_presence_deferral *deferral = key->deferral;

	if (!deferral)
		return;
	*deferral->from = deferral->next;
	if (deferral->next)
		deferral->next->from = deferral->from;
	else
		presence->last_deferral = deferral->from;
	key->deferral = NULL;
	free(deferral);
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
	struct fw_presence_deferral *deferral = malloc(sizeof(*deferral));

	if (!deferral) {
		fw_presence_announce(presence, key, false);
		return;
	}
	*deferral = (struct fw_presence_deferral){
		.from = presence->last_deferral, .key = key, .until = now + DEFERRED_MS};
	*presence->last_deferral = deferral;
	presence->last_deferral = &deferral->next;
	key->deferral = deferral;
}

void fw_presence_release(struct fw_presence *presence, int64_t now)
{
	presence->now = now;
	for (unsigned i = 0;
		i < RELEASED_AT_ONCE && presence->deferrals && presence->deferrals->until <= now;
		i++)
		fw_presence_announce(presence, presence->deferrals->key, false);
}
