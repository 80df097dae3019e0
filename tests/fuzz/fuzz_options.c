/* Any lines as options, "key value" each: taken within their bounds, or refused with a message. */
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

#define LINES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_options(const struct fw_options *options)
{
	check(options->db_file && options->files_dir && options->url_secret_file);
	check(options->identity >= FW_IDENTITY_CLIENTID && options->identity <= FW_IDENTITY_NONE);
	check(options->chunk_max_bytes >= 1 && options->chunk_max_bytes <= 1048576);
	check(options->url_ttl_seconds >= 0 && options->url_ttl_seconds <= 31536000);
	check(options->log_retention_days >= 0 && options->log_retention_days <= 36500);
	check(!options->http_listen || options->url_base);
	for (char **name = options->operators; name && *name; name++)
		check((*name)[0] && fw_options_is_operator(options, *name));
	check(!fw_options_is_operator(options, NULL) && !fw_options_is_operator(options, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fw_option_line lines[LINES_MAX];
	struct fw_options options;
	struct fw_error error = {""};
	char *text = strndup((const char *)data, size), *rest = text;
	size_t count = 0;

	while (rest && count < LINES_MAX) {
		char *line = strsep(&rest, "\n"), *key = strsep(&line, " ");

		lines[count++] = (struct fw_option_line){key, line};
	}
	if (fw_options_parse(lines, count, &options, &error) == FW_OK)
		check_options(&options);
	else
		check(error.text[0]);
	fw_options_clear(&options);
	free(text);
	return 0;
}
