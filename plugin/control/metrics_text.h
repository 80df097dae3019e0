/* Writes the two text formats of metrics, OpenMetrics 1.0 and Prometheus's 0.0.4. For control/
 * alone; one thread at a time.
 *
 * A family is begun with its name, type and help; its samples follow. Names are without the prefix
 * "mosquitto_firmware_", and those of counters without "_total". */
#ifndef FW_CONTROL_METRICS_TEXT_H
#define FW_CONTROL_METRICS_TEXT_H

#include <stdio.h>

#include "base/fw.h"

enum fw_metrics_type {
	FW_METRICS_COUNTER,
	FW_METRICS_GAUGE,
	FW_METRICS_INFO,
	FW_METRICS_HISTOGRAM
};

struct fw_metrics_text {
	FILE *out; /* set by the caller, who checks it for errors */
	bool openmetrics;
	const char *name; /* of the family */
	enum fw_metrics_type type;
};

/* `help`: one line without quotes and backslashes. */
void fw_metrics_family(struct fw_metrics_text *text, const char *name, enum fw_metrics_type type,
	const char *help);

#define FW_LABELS_END ((const char *)NULL)

/* A sample with these labels: names and values by turns, behind them FW_LABELS_END. Values are
 * terminated; bytes that are no UTF-8 are written as \xHH. */
void fw_metrics_sample(struct fw_metrics_text *text, uint64_t value, ...) __attribute__((sentinel));

/* A sample in seconds, of `ms` milliseconds: a gauge, or the sum of a histogram. `suffix`: behind
 * the family's name, such as "_sum" or "". */
void fw_metrics_seconds(struct fw_metrics_text *text, const char *suffix, int64_t ms);

/* A bucket of a histogram: how many took at most `seconds`; 0: the bucket without a bound. */
void fw_metrics_bucket(struct fw_metrics_text *text, unsigned seconds, uint64_t count);
/* The count of a histogram: how many it has in all. */
void fw_metrics_count(struct fw_metrics_text *text, uint64_t count);

/* The end of the text. */
void fw_metrics_end(struct fw_metrics_text *text);

#endif
