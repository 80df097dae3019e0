#include "refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_MS 60000
#define NAME_MAX_BYTES 200u /* of an escaped name in a line */

struct tally {
	bool told;
	int64_t told_at; /* boot ms */
	uint64_t left_out;
};

struct fw_refusals {
	struct tally tallies[FW_REFUSALS][FW_TOPIC_KINDS];
};

struct fw_refusals *fw_refusals_new(void)
{
	return calloc(1, sizeof(struct fw_refusals));
}

void fw_refusals_free(struct fw_refusals *refusals)
{
	free(refusals);
}

void fw_refusal_escape(char *out, const char *name)
{
	size_t len = 0;

	for (const char *c = name ? name : ""; *c; c++) {
		bool plain = (unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f && *c != '\\';

		if (len + 4 > NAME_MAX_BYTES) {
			memcpy(out + len, "...", 3);
			len += 3;
			break;
		}
		if (plain)
			out[len++] = *c;
		else
			len += (size_t)sprintf(out + len, "\\x%02x", (unsigned char)*c);
	}
	out[len] = '\0';
}

static bool is_due(struct tally *tally, int64_t now)
{
	if (tally->told && now - tally->told_at < EVERY_MS) {
		tally->left_out++;
		return false;
	}
	tally->told = true;
	tally->told_at = now;
	return true;
}

bool fw_refusals_line(struct fw_refusals *refusals, enum fw_refusal why, enum fw_topic_kind kind, const char *client, const char *topic,
	const char *detail, int64_t now, char *line)
{
	struct tally *tally = &refusals->tallies[why][kind];
	char safe_client[NAME_MAX_BYTES + 4], safe_topic[NAME_MAX_BYTES + 4], more[64] = "";

	if (!is_due(tally, now))
		return false;
	fw_refusal_escape(safe_client, client);
	fw_refusal_escape(safe_topic, topic);
	if (tally->left_out)
		snprintf(more, sizeof(more), " (and %llu more since the last such line)", (unsigned long long)tally->left_out);
	tally->left_out = 0;
	snprintf(line, FW_REFUSAL_LINE, "refused %s from client %s on %s: %s%s", fw_topic_tail(kind), safe_client, safe_topic, detail, more);
	return true;
}
