/* The dot-file is locked (flock) while it is written to, so that a sweep tells an upload that is
 * under way from one that a crash broke off. */
#include "control/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "files/folder.h"

#define PREFIX ".firmware-upload-"
#define FILE_MODE 0644 /* less the umask: a web server may have to read it */
/* bytes of the disk that no upload takes: the catalog and the spool may be on it, too */
#define ROOM_LEFT (INT64_C(16) << 20)

struct fw_upload {
	int folder, fd;
	char name[256];
	char dot_name[sizeof(PREFIX) + 16];
	int64_t size, written;
	EVP_MD_CTX *digest;
	bool finished;
};

static enum fw_upload_status refuse(
	struct fw_error *error, enum fw_upload_status status, const char *name, const char *reason)
{
	fw_error_set(error, "'%s' cannot be uploaded: %s", name, reason);
	return status;
}

static enum fw_upload_status refuse_errno(struct fw_error *error, const char *name)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

	return refuse(error, full ? FW_UPLOAD_NO_SPACE : FW_UPLOAD_FAILED, name, strerror(errno));
}

static enum fw_upload_status refuse_existing(struct fw_error *error, const char *name)
{
	return refuse(error, FW_UPLOAD_EXISTS, name,
		"there is a file of that name: delete it, or choose another name");
}

static bool exists(int folder, const char *name)
{
	struct stat status;

	return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* True where the system does not tell: then a write fails. */
static bool has_room(int fd, int64_t size)
{
	struct statvfs disk;

	return fstatvfs(fd, &disk) != 0 || !disk.f_blocks ||
		(double)disk.f_bavail * (double)disk.f_frsize >= (double)size + ROOM_LEFT;
}

static enum fw_upload_status create(struct fw_upload *upload, struct fw_error *error)
{
	snprintf(upload->dot_name, sizeof(upload->dot_name), PREFIX "%016llx",
		(unsigned long long)fw_random());
	upload->fd = openat(upload->folder, upload->dot_name,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (upload->fd < 0)
		return refuse_errno(error, upload->name);
	(void)!flock(upload->fd, LOCK_EX | LOCK_NB);
	if (!has_room(upload->fd, upload->size))
		return refuse(error, FW_UPLOAD_NO_SPACE, upload->name,
			"it would leave less than 16 MiB of the disk");
	/* a file system that cannot reserve room is full when a write fails */
	if (upload->size && fallocate(upload->fd, 0, 0, upload->size) != 0 &&
		(errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
		return refuse_errno(error, upload->name);
	upload->digest = EVP_MD_CTX_new();
	if (!upload->digest || EVP_DigestInit_ex(upload->digest, EVP_sha256(), NULL) != 1)
		return refuse(error, FW_UPLOAD_FAILED, upload->name, "no SHA-256");
	return FW_UPLOAD_OK;
}

enum fw_upload_status fw_upload_begin(const char *folder, const char *name, int64_t size,
	struct fw_upload **out, struct fw_error *error)
{
	struct fw_upload *upload;
	enum fw_upload_status status;

	if (!fw_folder_name_valid(name))
		return refuse(error, FW_UPLOAD_BAD_NAME, name,
			"a name has 1 to 255 bytes, no slash, no dot in front and no control "
			"characters");
	upload = calloc(1, sizeof(*upload));
	if (!upload)
		return refuse(error, FW_UPLOAD_FAILED, name, "out of memory");
	upload->fd = -1;
	upload->size = size;
	snprintf(upload->name, sizeof(upload->name), "%s", name);
	upload->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (upload->folder < 0)
		status = refuse_errno(error, name);
	else
		status = exists(upload->folder, name) ? refuse_existing(error, name)
						      : create(upload, error);
	if (status != FW_UPLOAD_OK) {
		fw_upload_free(upload);
		return status;
	}
	*out = upload;
	return FW_UPLOAD_OK;
}

enum fw_upload_status fw_upload_write(
	struct fw_upload *upload, const void *bytes, size_t len, struct fw_error *error)
{
	const char *at = bytes;

	if ((uint64_t)len > (uint64_t)(upload->size - upload->written))
		return refuse(error, FW_UPLOAD_SHORT, upload->name, "more bytes came than told");
	if (EVP_DigestUpdate(upload->digest, bytes, len) != 1)
		return refuse(error, FW_UPLOAD_FAILED, upload->name, "no SHA-256");
	while (len) {
		ssize_t done = write(upload->fd, at, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return refuse_errno(error, upload->name);
		at += done;
		len -= (size_t)done;
		upload->written += done;
	}
	return FW_UPLOAD_OK;
}

enum fw_upload_status fw_upload_finish(
	struct fw_upload *upload, char sha256[FW_SHA256_TEXT], struct fw_error *error)
{
	unsigned char digest[32];
	unsigned len = 0;

	if (upload->written != upload->size)
		return refuse(error, FW_UPLOAD_SHORT, upload->name, "fewer bytes came than told");
	if (EVP_DigestFinal_ex(upload->digest, digest, &len) != 1)
		return refuse(error, FW_UPLOAD_FAILED, upload->name, "no SHA-256");
	if (fsync(upload->fd) != 0)
		return refuse_errno(error, upload->name);
	if (!fw_folder_rename(upload->folder, upload->dot_name, upload->name))
		return errno == EEXIST ? refuse_existing(error, upload->name)
				       : refuse_errno(error, upload->name);
	upload->finished = true;
	if (fsync(upload->folder) != 0)
		return refuse_errno(error, upload->name);
	fw_hex(sha256, digest, sizeof(digest));
	return FW_UPLOAD_OK;
}

void fw_upload_free(struct fw_upload *upload)
{
	if (!upload)
		return;
	if (upload->fd >= 0 && !upload->finished)
		unlinkat(upload->folder, upload->dot_name, 0);
	if (upload->fd >= 0)
		close(upload->fd);
	if (upload->folder >= 0)
		close(upload->folder);
	EVP_MD_CTX_free(upload->digest);
	free(upload);
}

void fw_upload_sweep(const char *folder)
{
	fw_folder_sweep(folder, PREFIX);
}
