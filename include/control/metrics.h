/* The metrics: what the plugin counts and what the catalog holds, as text for Prometheus. Their
 * names, labels and meanings are in plugin/doc/metrics.md. No device id and no text of an error is
 * ever among them. */
#ifndef FW_CONTROL_METRICS_H
#define FW_CONTROL_METRICS_H

#include "base/counter.h"
#include "base/fw.h"
#include "spool/spool.h"

#define FW_METRICS_TASKS 50u        /* open tasks in the text, at most */
#define FW_METRICS_DEADLINE_MS 2000 /* of one rendering */

struct fw_metrics;

struct fw_metrics_config {
	const char *db_file;                /* copied */
	const struct fw_counters *counters; /* borrowed until the close */
	/* borrowed until the close; NULL: the spool's size is what the counters say */
	const struct fw_spool *spool;
	bool own_table;  /* on an I/O thread that has one (base/io_thread.h) */
	int deadline_ms; /* 0: FW_METRICS_DEADLINE_MS */
};

/* Opens no file yet, and needs no catalog. FW_OK: *out is the caller's. FW_NOMEM. Any thread. */
enum fw_status fw_metrics_open(const struct fw_metrics_config *config, struct fw_metrics **out);
/* Nobody may be rendering. On a thread of the I/O thread's side; NULL is fine. */
void fw_metrics_close(struct fw_metrics *metrics);

/* Makes the text, terminated, malloc'd and the caller's: OpenMetrics 1.0, or Prometheus's text
 * 0.0.4. What the catalog does not say in time, because it is locked, missing or damaged, is left
 * out; the counters are always there. FW_OK; FW_BUSY: other threads rendered for too long;
 * FW_NOMEM. Any thread of the I/O thread's side (base/io_thread.h), since it reads files; never the
 * broker's. One thread renders at a time. */
enum fw_status fw_metrics_render(
	struct fw_metrics *metrics, bool openmetrics, char **out, size_t *length);

#endif
