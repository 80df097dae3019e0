/* Reads the file whole, into a table of its users. Each question looks at the file's stamp first.
 * If the stamp differs, or is too young to tell one state from the next (files/folder.h), the file
 * is read again. While it cannot be used, nobody can log in. */
#include "control/password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/table.h"
#include "base/text.h"
#include "files/folder.h"

#define HASH_BYTES 64u /* of SHA-512 */
#define SALT_MOST 64u
#define FILE_MOST (4u << 20)     /* bytes */
#define ITERATIONS_MOST 10000000 /* some seconds of a processor */

#define MEMORY_MOST (256u * 1024)     /* KiB: of Argon2; mosquitto_passwd asks for 46 MiB */
#define WORK_MOST (16u * MEMORY_MOST) /* KiB, times iterations: some seconds of a processor */

enum kind { KIND_UNKNOWN, KIND_SHA512, KIND_PBKDF2, KIND_ARGON2ID };

struct entry {
	enum kind kind;
	uint32_t iterations, memory, lanes; /* memory in KiB; these two of Argon2 */
	unsigned char salt[SALT_MOST], hash[HASH_BYTES];
	size_t salt_len;
	uint64_t mark;
};

struct fw_password_file {
	char *path;
	uint64_t seed;
	pthread_mutex_t lock;   /* guards what follows */
	struct fw_table *users; /* to struct entry */
	struct entry stand_in;  /* checked for a user who is not there: takes as long */
	struct fw_file_stamp stamp;
	bool settled;             /* the stamp was old enough when it was taken */
	bool good;                /* the file could be used when it was last read */
	struct fw_error fault;    /* why not */
	struct fw_error reported; /* the last fault that was reported since it was good */
};

/* --- one line --- */

/* At most `most` bytes of base64, with its padding or without; 0: it is none. */
static size_t decode(struct fw_slice text, unsigned char *out, size_t most)
{
	unsigned char whole[(SALT_MOST + HASH_BYTES) / 3 * 3 + 3];
	char padded[sizeof(whole) / 3 * 4 + 1];
	int len;

	if (text.len == 0 || text.len % 4 == 1 || text.len + 3 > sizeof(padded))
		return 0;
	memcpy(padded, text.at, text.len);
	memcpy(padded + text.len, "==", 2);
	text.len = (text.len + 3) / 4 * 4;
	len = EVP_DecodeBlock(whole, (const unsigned char *)padded, (int)text.len);
	for (size_t i = 1; len > 0 && i <= 2 && padded[text.len - i] == '='; i++)
		len--;
	if (len <= 0 || (size_t)len > most)
		return 0;
	memcpy(out, whole, (size_t)len);
	return (size_t)len;
}

/* The part up to the next dollar sign, which is taken off *rest. */
static struct fw_slice next_part(struct fw_slice *rest)
{
	const char *end = rest->len ? memchr(rest->at, '$', rest->len) : NULL;
	struct fw_slice part = {rest->at, end ? (size_t)(end - rest->at) : rest->len};

	rest->at += part.len + (end != NULL);
	rest->len -= part.len + (end != NULL);
	return part;
}

static bool read_number(struct fw_slice text, uint32_t most, uint32_t *out)
{
	uint32_t number = 0;

	if (text.len == 0 || text.len > 8)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		number = number * 10 + (uint32_t)(text.at[i] - '0');
	}
	*out = number;
	return number >= 1 && number <= most;
}

/* "m=47104,t=1,p=1" */
static bool read_costs(struct fw_slice text, struct entry *entry)
{
	char copy[48];
	unsigned memory, iterations, lanes;
	int end = 0;

	if (!fw_slice_copy(text, copy, sizeof(copy)) ||
		sscanf(copy, "m=%9u,t=%9u,p=%9u%n", &memory, &iterations, &lanes, &end) != 3 ||
		copy[end])
		return false;
	entry->memory = memory;
	entry->iterations = iterations;
	entry->lanes = lanes;
	return lanes >= 1 && lanes <= 64 && iterations >= 1 && memory >= 8 * lanes &&
		memory <= MEMORY_MOST && iterations <= WORK_MOST / memory;
}

/* OpenSSL has Argon2 from 3.2 on: the library at run time decides, not its headers. */
static bool has_argon2id(void)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);

	EVP_KDF_free(kdf);
	return kdf != NULL;
}

/* Takes the kind and its costs off the front of *text. */
static enum kind read_kind(struct fw_slice *text, struct entry *entry)
{
	struct fw_slice kind = next_part(text);

	if (fw_slice_equal(kind, FW_SLICE("6")))
		return KIND_SHA512;
	if (fw_slice_equal(kind, FW_SLICE("7")))
		return read_number(next_part(text), ITERATIONS_MOST, &entry->iterations)
			? KIND_PBKDF2
			: KIND_UNKNOWN;
	if (fw_slice_equal(kind, FW_SLICE("argon2id")) &&
		fw_slice_equal(next_part(text), FW_SLICE("v=19")) &&
		read_costs(next_part(text), entry) && has_argon2id())
		return KIND_ARGON2ID;
	return KIND_UNKNOWN;
}

/* A hash of another kind, or a damaged one, is kept as unknown: a login with it says so. */
static void read_hash(struct fw_slice text, struct entry *entry)
{
	enum kind kind;

	if (text.len == 0 || text.at[0] != '$')
		return;
	text = (struct fw_slice){text.at + 1, text.len - 1};
	kind = read_kind(&text, entry);
	entry->salt_len = decode(next_part(&text), entry->salt, SALT_MOST);
	if (entry->salt_len && decode(text, entry->hash, HASH_BYTES) == HASH_BYTES)
		entry->kind = kind;
}

static enum fw_status read_line(struct fw_password_file *file, struct fw_slice line)
{
	const char *colon = line.len ? memchr(line.at, ':', line.len) : NULL;
	size_t len = colon ? (size_t)(colon - line.at) : 0;
	struct entry *entry;
	void *before = NULL;

	if (!colon || len == 0 || len > FW_PASSWORD_USER_MAX || line.at[0] == '#')
		return FW_OK;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return FW_NOMEM;
	entry->mark = fw_hash(file->seed, line.at, line.len) | 1;
	read_hash((struct fw_slice){colon + 1, line.len - len - 1}, entry);
	if (entry->kind != KIND_UNKNOWN)
		file->stand_in = *entry;
	if (fw_table_put(file->users, (struct fw_slice){line.at, len}, entry, &before) != FW_OK) {
		free(entry);
		return FW_NOMEM;
	}
	free(before);
	return FW_OK;
}

static enum fw_status read_lines(struct fw_password_file *file, const char *text, size_t len)
{
	enum fw_status status = FW_OK;

	while (len && status == FW_OK) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		status = read_line(
			file, fw_text_trim((struct fw_slice){text, line}, FW_TEXT_UNSEEN));
		text += line + (end != NULL);
		len -= line + (end != NULL);
	}
	return status;
}

/* --- the file --- */

static enum fw_status refuse(struct fw_error *error, const char *path, const char *reason)
{
	fw_error_set(error, "plugin_opt_admin_password_file: cannot use '%s': %s", path, reason);
	return FW_FAILED;
}

static enum fw_status check_file(
	const char *path, const struct stat *status, struct fw_error *error)
{
	if (!S_ISREG(status->st_mode))
		return refuse(error, path, "it is no file");
	if (status->st_mode & (S_IROTH | S_IWOTH)) {
		fw_error_set(error,
			"plugin_opt_admin_password_file: cannot use '%s': others may read or "
			"write it: run 'chmod o= %s'",
			path, path);
		return FW_FAILED;
	}
	if (status->st_size > (off_t)FILE_MOST)
		return refuse(error, path, "it is larger than 4 MiB");
	return FW_OK;
}

/* The file's text, malloc'd, or NULL with a message. */
static char *read_text(
	const char *path, size_t *len, struct fw_file_stamp *stamp, struct fw_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	char *text = NULL;
	ssize_t got = -1;

	if (fd < 0 || fstat(fd, &status) != 0) {
		refuse(error, path, strerror(errno));
	} else if (check_file(path, &status, error) == FW_OK) {
		*stamp = fw_file_stamp_of(&status);
		text = malloc((size_t)status.st_size + 1);
		got = text ? read(fd, text, (size_t)status.st_size) : -1;
		if (got < 0)
			refuse(error, path, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	if (got < 0) {
		free(text);
		return NULL;
	}
	*len = (size_t)got;
	return text;
}

/* A guess with an unknown user name takes as long as one with the file's last line, so that the
 * time does not tell which users there are. Of a file without lines: as long as a line that
 * mosquitto_passwd 2.0 makes. */
static const struct entry nobody = {.kind = KIND_PBKDF2, .iterations = 101, .salt_len = 12};

/* With the lock held. */
static void read_again(struct fw_password_file *file, const struct fw_file_stamp *seen)
{
	size_t len = 0;
	char *text;

	file->fault.text[0] = '\0';
	file->stamp = *seen;
	file->stand_in = nobody;
	fw_table_clear(file->users, free);
	text = read_text(file->path, &len, &file->stamp, &file->fault);
	file->settled = fw_file_settled(&file->stamp, fw_now_ms(), FW_FILE_SETTLE_MS);
	file->good = text && read_lines(file, text, len) == FW_OK;
	if (text)
		OPENSSL_cleanse(text, len);
	free(text);
	if (file->good)
		file->reported.text[0] = '\0';
	else
		fw_error_set(&file->fault, "out of memory");
}

/* With the lock held. Reads the file again if it may have changed. A fault, such as too many open
 * files, may pass without a trace in the stamp: so after one the file is read each time. */
static void refresh(struct fw_password_file *file)
{
	struct fw_file_stamp now = {0};
	struct stat status;

	if (stat(file->path, &status) == 0)
		now = fw_file_stamp_of(&status);
	if (!fw_file_stamp_equal(&now, &file->stamp) || !file->good || !file->settled)
		read_again(file, &now);
}

enum fw_status fw_password_file_open(
	const char *path, struct fw_password_file **out, struct fw_error *error)
{
	struct fw_password_file *file = calloc(1, sizeof(*file));

	if (!file)
		return FW_NOMEM;
	pthread_mutex_init(&file->lock, NULL);
	file->seed = fw_random();
	file->path = strdup(path);
	file->users = fw_table_new(0);
	if (!file->path || !file->users) {
		fw_password_file_close(file);
		return FW_NOMEM;
	}
	read_again(file, &file->stamp);
	if (!file->good) {
		*error = file->fault;
		fw_password_file_close(file);
		return FW_INVALID;
	}
	*out = file;
	return FW_OK;
}

void fw_password_file_close(struct fw_password_file *file)
{
	if (!file)
		return;
	fw_table_clear(file->users, free);
	fw_table_free(file->users);
	pthread_mutex_destroy(&file->lock);
	free(file->path);
	free(file);
}

/* --- questions --- */

/* With the lock held. NULL: there is no such user, or the file is no good. */
static const struct entry *find(struct fw_password_file *file, struct fw_slice user)
{
	refresh(file);
	return file->good ? fw_table_get(file->users, user) : NULL;
}

/* With the lock held. Reports the fault, if it is another one than the last that was reported. */
static void report_fault(struct fw_password_file *file, struct fw_error *error)
{
	if (strcmp(file->fault.text, file->reported.text) != 0)
		*error = file->reported = file->fault;
}

static bool hash_argon2id(
	const struct entry *entry, struct fw_slice password, unsigned char out[HASH_BYTES])
{
	uint32_t iterations = entry->iterations, memory = entry->memory, lanes = entry->lanes;
	/* by name: the headers of OpenSSL 3.0 do not have them */
	OSSL_PARAM costs[] = {
		OSSL_PARAM_construct_octet_string(
			"pass", (void *)(uintptr_t)password.at, password.len),
		OSSL_PARAM_construct_octet_string(
			"salt", (void *)(uintptr_t)entry->salt, entry->salt_len),
		OSSL_PARAM_construct_uint32("iter", &iterations),
		OSSL_PARAM_construct_uint32("memcost", &memory),
		OSSL_PARAM_construct_uint32("lanes", &lanes),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool done = context && EVP_KDF_derive(context, out, HASH_BYTES, costs) == 1;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return done;
}

static bool hash_password(
	const struct entry *entry, struct fw_slice password, unsigned char out[HASH_BYTES])
{
	unsigned char salted[FW_PASSWORD_MAX + SALT_MOST];
	unsigned len = 0;
	bool done;

	if (password.len > FW_PASSWORD_MAX)
		return false;
	if (entry->kind == KIND_ARGON2ID)
		return hash_argon2id(entry, password, out);
	if (entry->kind == KIND_PBKDF2)
		return PKCS5_PBKDF2_HMAC(password.at, (int)password.len, entry->salt,
			       (int)entry->salt_len, (int)entry->iterations, EVP_sha512(),
			       HASH_BYTES, out) == 1;
	memcpy(salted, password.at, password.len);
	memcpy(salted + password.len, entry->salt, entry->salt_len);
	done = EVP_Digest(salted, password.len + entry->salt_len, out, &len, EVP_sha512(), NULL) ==
		1;
	OPENSSL_cleanse(salted, sizeof(salted));
	return done;
}

enum fw_status fw_password_file_check(struct fw_password_file *file, struct fw_slice user,
	struct fw_slice password, struct fw_error *error)
{
	struct entry entry;
	unsigned char hash[HASH_BYTES];
	const struct entry *found;
	bool known, good, same;

	pthread_mutex_lock(&file->lock);
	found = find(file, user);
	known = found != NULL;
	entry = known ? *found : file->stand_in;
	good = file->good;
	if (!good)
		report_fault(file, error);
	pthread_mutex_unlock(&file->lock);
	if (!good)
		return FW_FAILED;
	if (entry.kind == KIND_UNKNOWN) {
		fw_error_set(error,
			"plugin_opt_admin_password_file: the password of '%.*s' is of a kind that "
			"is not known here: make it by 'mosquitto_passwd -H sha512-pbkdf2'",
			(int)(user.len < 64 ? user.len : 64), user.at);
		return FW_FAILED;
	}
	same = hash_password(&entry, password, hash) &&
		CRYPTO_memcmp(hash, entry.hash, HASH_BYTES) == 0;
	OPENSSL_cleanse(hash, sizeof(hash));
	return same && known ? FW_OK : FW_INVALID;
}

uint64_t fw_password_file_mark(struct fw_password_file *file, struct fw_slice user)
{
	const struct entry *found;
	uint64_t mark;

	pthread_mutex_lock(&file->lock);
	found = find(file, user);
	mark = found ? found->mark : 0;
	pthread_mutex_unlock(&file->lock);
	return mark;
}
