/* The log lines about messages that are refused, or were not right: one a minute for each kind of
 * refusal, topic and fault, safe to print whatever a client put into its names, and never with the
 * payload. Broker thread only; pure. */
#ifndef FW_SERVICE_REFUSAL_LOG_H
#define FW_SERVICE_REFUSAL_LOG_H

#include "base/fw.h"
#include "protocol/topic.h"

enum fw_refusal {
	FW_REFUSED_IDENTITY,   /* the client is not the device */
	FW_REFUSED_DOWNLINK,   /* only the broker sends it */
	FW_REFUSED_ID,         /* not a valid product or device id */
	FW_REFUSED_MALFORMED,  /* not a valid message */
	FW_REFUSED_PRODUCT,    /* the catalog does not know the product */
	FW_REFUSED_RATE,       /* the device said too much */
	FW_REFUSED_UNSAVED,    /* an uplink, also that of an answered pull, could not be saved */
	FW_REFUSED_UNANSWERED, /* the catalog could not be read, or no memory for the answer */
	FW_MENDED,             /* not refused: taken without a part that was faulty */
	FW_UNRETAINED,         /* not refused: the retain flag is taken off */
	FW_ASTRAY, /* not refused: on a topic that is none of ours, but looks like one */
	FW_REFUSALS
};

#define FW_REFUSAL_LINE 1024u
#define FW_REFUSAL_NAME 208u /* bytes that an escaped name takes at most */

struct fw_refusal_log;

struct fw_refusal_log *fw_refusal_log_new(void);              /* NULL when out of memory */
void fw_refusal_log_free(struct fw_refusal_log *refusal_log); /* NULL is fine */

/* Writes `name` (NULL: empty) into `out` of FW_REFUSAL_NAME bytes as it may stand in a line:
 * control characters, backslashes and bytes that are not ASCII as \xHH, a long one cut. */
void fw_refusal_escape(char *out, const char *name);

/* True when a line is due: then `line` (FW_REFUSAL_LINE bytes) has it, with the number of those
 * that were left out since the last one. `detail` is the sentence that names the fault; each has a
 * minute of its own. The names of client and topic are written by fw_refusal_escape. `now`: boot
 * ms. */
bool fw_refusal_log_line(struct fw_refusal_log *refusal_log, enum fw_refusal why,
	enum fw_topic_kind kind, const char *client, const char *topic, const char *detail,
	int64_t now, char *line);

#endif
