/* One line a minute for each kind of line, topic and fault. Faults are told apart by a hash of
 * their sentence. Each pair of kind and topic has FAULTS slots; all sentences beyond share the
 * last, so memory is of fixed size. */
#include "service/refusal_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_MS 60000
#define NAME_MAX_BYTES 200u /* of an escaped name in a line */
#define FAULTS 24u          /* more than the sentences about a message of one kind */

struct tally {
	uint64_t fault;      /* hash; 0: free */
	int64_t logged_at;   /* boot ms */
	uint64_t suppressed; /* lines since then */
};

struct fw_refusal_log {
	struct tally tallies[FW_REFUSALS][FW_TOPIC_KINDS][FAULTS];
};

struct fw_refusal_log *fw_refusal_log_new(void)
{
	return calloc(1, sizeof(struct fw_refusal_log));
}

void fw_refusal_log_free(struct fw_refusal_log *refusal_log)
{
	free(refusal_log);
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

/* *suppressed: lines that were left out since the last one, when this one is due. */
static bool is_due(
	struct tally tallies[FAULTS], const char *detail, int64_t now, uint64_t *suppressed)
{
	uint64_t fault = fw_hash(0, detail, strlen(detail)) | 1;
	struct tally *tally = tallies;

	while (tally < tallies + FAULTS - 1 && tally->fault && tally->fault != fault)
		tally++;
	if (tally->fault && now - tally->logged_at < EVERY_MS) {
		tally->suppressed++;
		return false;
	}
	*suppressed = tally->suppressed;
	*tally = (struct tally){.fault = fault, .logged_at = now};
	return true;
}

static void write_line(char *line, enum fw_refusal why, enum fw_topic_kind kind, const char *client,
	const char *topic, const char *detail)
{
	switch (why) {
	case FW_MENDED:
		snprintf(line, FW_REFUSAL_LINE, "mended %s from client %s on %s: %s",
			fw_topic_tail(kind), client, topic, detail);
		break;
	case FW_UNRETAINED:
		snprintf(line, FW_REFUSAL_LINE,
			"client %s publishes on %s with the retain flag, which is taken off: %s "
			"(said once)",
			client, topic, detail);
		break;
	case FW_ASTRAY:
		snprintf(line, FW_REFUSAL_LINE,
			"client %s publishes on %s, which is no firmware topic: %s", client, topic,
			detail);
		break;
	default:
		snprintf(line, FW_REFUSAL_LINE, "refused %s from client %s on %s: %s",
			fw_topic_tail(kind), client, topic, detail);
	}
}

bool fw_refusal_log_line(struct fw_refusal_log *refusal_log, enum fw_refusal why,
	enum fw_topic_kind kind, const char *client, const char *topic, const char *detail,
	int64_t now, char *line)
{
	char safe_client[NAME_MAX_BYTES + 4], safe_topic[NAME_MAX_BYTES + 4];
	uint64_t suppressed;
	size_t len;

	if (!is_due(refusal_log->tallies[why][kind], detail, now, &suppressed))
		return false;
	fw_refusal_escape(safe_client, client);
	fw_refusal_escape(safe_topic, topic);
	write_line(line, why, kind, safe_client, safe_topic, detail);
	len = strlen(line);
	if (suppressed)
		snprintf(line + len, FW_REFUSAL_LINE - len,
			" (and %llu more since the last such line)",
			(unsigned long long)suppressed);
	return true;
}
