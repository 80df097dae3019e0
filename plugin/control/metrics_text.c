/* The formats differ in little: OpenMetrics names a family of counters without "_total" and one of
 * infos without "_info", and ends with the line "# EOF". */
#include "control/metrics_text.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX "mosquitto_firmware_"
#define PREFIX_ALONE "mosquitto_firmware"

static const char *suffix_of(enum fw_metrics_type type)
{
	return type == FW_METRICS_COUNTER ? "_total" : "";
}

static const char *type_name(const struct fw_metrics_text *text)
{
	switch (text->type) {
	case FW_METRICS_COUNTER:
		return "counter";
	case FW_METRICS_HISTOGRAM:
		return "histogram";
	case FW_METRICS_INFO:
		return text->openmetrics ? "info" : "gauge";
	case FW_METRICS_GAUGE:
		break;
	}
	return "gauge";
}

static void put_line(struct fw_metrics_text *text, const char *what, const char *words)
{
	if (text->type == FW_METRICS_INFO)
		fprintf(text->out, "# %s %s %s\n", what,
			text->openmetrics ? PREFIX_ALONE : PREFIX "info", words);
	else
		fprintf(text->out, "# %s " PREFIX "%s%s %s\n", what, text->name,
			text->openmetrics ? "" : suffix_of(text->type), words);
}

void fw_metrics_family(
	struct fw_metrics_text *text, const char *name, enum fw_metrics_type type, const char *help)
{
	text->name = name;
	text->type = type;
	put_line(text, "HELP", help);
	put_line(text, "TYPE", type_name(text));
}

static void put_value(struct fw_metrics_text *text, const char *value)
{
	size_t left = strlen(value);

	while (left) {
		size_t step = fw_utf8_step(value, left);

		if (!step)
			fprintf(text->out, "\\\\x%02x", (unsigned char)*value);
		else if (*value == '\n')
			fputs("\\n", text->out);
		else if (*value == '"' || *value == '\\')
			fprintf(text->out, "\\%c", *value);
		else
			fwrite(value, 1, step, text->out);
		step = step ? step : 1;
		value += step;
		left -= step;
	}
}

static void put_labels(struct fw_metrics_text *text, va_list labels)
{
	const char *name, *before = "{";

	while ((name = va_arg(labels, const char *))) {
		fprintf(text->out, "%s%s=\"", before, name);
		put_value(text, va_arg(labels, const char *));
		fputc('"', text->out);
		before = ",";
	}
	if (*before == ',')
		fputc('}', text->out);
}

void fw_metrics_sample(struct fw_metrics_text *text, uint64_t value, ...)
{
	va_list labels;

	fprintf(text->out, PREFIX "%s%s", text->name, suffix_of(text->type));
	va_start(labels, value);
	put_labels(text, labels);
	va_end(labels);
	fprintf(text->out, " %" PRIu64 "\n", value);
}

void fw_metrics_seconds(struct fw_metrics_text *text, const char *suffix, int64_t ms)
{
	fprintf(text->out, PREFIX "%s%s %" PRId64 ".%03d\n", text->name, suffix, ms / 1000,
		(int)(ms % 1000));
}

/* One way to write a bound in both formats, so that both make the same series. */
void fw_metrics_bucket(struct fw_metrics_text *text, unsigned seconds, uint64_t count)
{
	if (seconds)
		fprintf(text->out, PREFIX "%s_bucket{le=\"%u.0\"} %" PRIu64 "\n", text->name,
			seconds, count);
	else
		fprintf(text->out, PREFIX "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", text->name,
			count);
}

void fw_metrics_count(struct fw_metrics_text *text, uint64_t count)
{
	fprintf(text->out, PREFIX "%s_count %" PRIu64 "\n", text->name, count);
}

void fw_metrics_end(struct fw_metrics_text *text)
{
	if (text->openmetrics)
		fputs("# EOF\n", text->out);
}
