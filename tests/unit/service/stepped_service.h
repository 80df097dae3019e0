/* A service on a new catalog whose store is stepped by the test, and an operator's connection.
 * Include before any header of the plugin, as fuzz/stepped.h. */
#ifndef FW_TEST_STEPPED_SERVICE_H
#define FW_TEST_STEPPED_SERVICE_H

#include "fuzz/stepped.h"

#include <setjmp.h>
#include <stdarg.h>

#include "folder.h"
#include "service/service.h"

static struct fw_options options;
static struct fw_service *service;
static sqlite3 *operator;

static inline void operate(const char *sql)
{
	if (sqlite3_exec(operator, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(operator));
}

/* A broker's `publish` for tests that listen to nobody. */
static inline enum fw_status publish_nothing(
	void *context, const struct fw_publication *publication)
{
	(void)context;
	(void)publication;
	return FW_OK;
}

/* `rows`: SQL of the operator's. */
static inline void open_service(const struct fw_broker *broker, const char *rows)
{
	static const struct fw_option_line lines[] = {{"db_file", "firmware.db"}};
	struct fw_error error = {""};

	shell("rm -f firmware.db*");
	assert_int_equal(fw_options_parse(lines, 1, &options, &error), FW_OK);
	assert_int_equal(fw_service_open(&options, broker, &service, &error), FW_OK);
	assert_int_equal(sqlite3_open("firmware.db", &operator), SQLITE_OK);
	operate(rows);
}

static inline int close_service(void **state)
{
	(void)state;
	fw_service_close(service);
	sqlite3_close(operator);
	fw_options_clear(&options);
	return 0;
}

#endif
