/* The catalog of fuzz_service: made once, and put in place again for each input. Behind stepped.h,
 * service_world.h and service_checks.h. */
#ifndef FUZZ_SERVICE_CATALOG_H
#define FUZZ_SERVICE_CATALOG_H

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static char base[64], catalog_path[96];
static unsigned char *template;
static size_t template_len;

static inline void remove_files(void)
{
	DIR *folder = opendir(base);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, "firmware.db", 11) == 0)
			unlinkat(dirfd(folder), entry->d_name, 0);
	}
	if (folder)
		closedir(folder);
}

static inline void remove_base(void)
{
	char path[128];

	remove_files();
	snprintf(path, sizeof(path), "%s/files/image", base);
	unlink(path);
	snprintf(path, sizeof(path), "%s/files", base);
	rmdir(path);
	rmdir(base);
}

static inline void write_file(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0);
}

static inline void set_options(uint8_t choice)
{
	static const char *const identities[] = {"clientid", "username", "none", "clientid"};
	static const char *const registrations[] = {"open", "once", "closed", "open"};
	char files[128];
	struct fw_error error = {""};
	const struct fw_option_line lines[] = {{"db_file", catalog_path}, {"files_dir", files},
		{"identity", identities[choice & 3]},
		{"read_source", choice & 4 ? "device" : "catalog"},
		{"url_base", "http://files.test"}, {"registration", registrations[choice >> 4 & 3]},
		{"operators", "admin, other"}};

	snprintf(files, sizeof(files), "%s/files", base);
	check(fw_options_parse(
		      lines, COUNT(lines) - (choice & 8 ? 1 : 0), &world.options, &error) == FW_OK);
}

static inline bool open_service(void)
{
	const struct fw_broker broker = {.publish = publish, .reply_to = reply_to, .log = log_line};
	struct fw_error error = {""};

	world.service = NULL;
	if (fw_service_open(&world.options, &broker, &world.service, &error) == FW_OK)
		return true;
	check(world.vandalized && error.text[0]);
	return false;
}

static inline void open_operator(void)
{
	check(sqlite3_open_v2(catalog_path, &world.operator,
		      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK);
}

static inline int64_t ask(const char *sql, const struct accepted *what)
{
	sqlite3_stmt *statement = NULL;
	int64_t value;

	check(sqlite3_prepare_v2(world.operator, sql, -1, &statement, NULL) == SQLITE_OK);
	if (what) {
		sqlite3_bind_text(statement, 1, what->product, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, what->device, -1, SQLITE_STATIC);
		if (sqlite3_bind_parameter_count(statement) > 2)
			what->version
				? sqlite3_bind_text(statement, 3, what->version, -1, SQLITE_STATIC)
				: sqlite3_bind_int64(statement, 3, what->timestamp);
	}
	check(sqlite3_step(statement) == SQLITE_ROW);
	value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/* The catalog that each input begins with: made once. */
static inline void make_template(void)
{
	char path[128];
	bool more;
	FILE *file;

	/* most of the time goes into SQLite's reading of the schema: each input opens five
	 * connections */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 1024, 1000);
	snprintf(base, sizeof(base), "%s/fw-fuzz-service-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	check(mkdtemp(base) != NULL);
	atexit(remove_base);
	snprintf(catalog_path, sizeof(catalog_path), "%s/firmware.db", base);
	snprintf(path, sizeof(path), "%s/files", base);
	check(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/files/image", base);
	write_file(path, first_rows, sizeof(first_rows));
	set_options(0);
	check(open_service());
	open_operator();
	check(sqlite3_exec(world.operator, first_rows, NULL, NULL, NULL) == SQLITE_OK);
	while (ask("SELECT count(*) FROM firmware WHERE state = 'ready'", NULL) < 7) {
		check(step_store(&more) == FW_OK);
		usleep(1000);
	}
	fw_service_close(world.service);
	sqlite3_close(world.operator);
	fw_options_clear(&world.options);
	file = fopen(catalog_path, "rb");
	check(file && fseek(file, 0, SEEK_END) == 0);
	template_len = (size_t)ftell(file);
	template = malloc(template_len);
	rewind(file);
	check(template && fread(template, 1, template_len, file) == template_len);
	fclose(file);
}

#endif
