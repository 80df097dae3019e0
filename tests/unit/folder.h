/* A temporary folder for a test program, and shell commands that must succeed in it. */
#ifndef FW_TEST_FOLDER_H
#define FW_TEST_FOLDER_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/fw-unit-XXXXXX";
static char folder_path[512];

static inline int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", folder, folder);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static inline void shell(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static inline const char *in_folder(const char *name)
{
	snprintf(folder_path, sizeof(folder_path), "%s/%s", folder, name);
	return folder_path;
}

static inline void write_file(const char *name, const void *bytes, size_t len)
{
	FILE *file = fopen(name, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* The file's text without the last line end; static. */
static inline const char *read_text(const char *name)
{
	static char text[16384];
	FILE *file = fopen(name, "rb");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return text;
}

#endif
