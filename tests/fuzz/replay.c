/* Runs every file of the folders and files given as arguments through a fuzz target, so that every
 * build and compiler replays the corpus as a test. No file to run is a failure. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static unsigned long runs;

static _Noreturn void stop(const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	exit(1);
}

/* The input has exactly its size on the heap: a sanitizer sees one byte read beyond. */
static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long len = 0;

	if (!file || fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) < 0 ||
		fseek(file, 0, SEEK_SET) != 0)
		stop(path);
	bytes = malloc(len > 0 ? (size_t)len : 1);
	if (!bytes || fread(bytes, 1, (size_t)len, file) != (size_t)len)
		stop(path);
	fclose(file);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(bytes, (size_t)len);
	free(bytes);
	runs++;
}

static void run_folder(const char *folder, DIR *dir)
{
	struct dirent *entry;
	char path[PATH_MAX];

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
			(int)sizeof(path)) {
			errno = ENAMETOOLONG;
			stop(folder);
		}
		run_file(path);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);

		if (dir)
			run_folder(argv[i], dir);
		else
			run_file(argv[i]);
	}
	fprintf(stderr, "replay: %lu inputs\n", runs);
	return runs > 0 ? 0 : 1;
}
