/* A password file in the test's folder. */
#ifndef FW_TEST_PASSWORD_FIXTURE_H
#define FW_TEST_PASSWORD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

static inline void write_users(const char *text)
{
	FILE *out = fopen("pw", "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod("pw", 0600), 0);
}

#endif
