/* Checks passwords by a file that mosquitto_passwd makes:
 *
 *	name:$7$ITERATIONS$SALT$HASH	PBKDF2-HMAC-SHA512
 *	name:$6$SALT$HASH		SHA-512 of the password and then the salt
 *	name:$argon2id$v=19$m=KIB,t=ITERATIONS,p=LANES$SALT$HASH
 *					Argon2id, of Mosquitto 2.1, where OpenSSL has it (3.2)
 *
 * SALT and HASH are base64; the hash has 64 bytes. The file is read again when it changes. Any
 * thread. */
#ifndef FW_CONTROL_PASSWORD_FILE_H
#define FW_CONTROL_PASSWORD_FILE_H

#include "base/fw.h"

#define FW_PASSWORD_USER_MAX 256u /* bytes of a user name */
#define FW_PASSWORD_MAX 1024u     /* bytes of a password */

struct fw_password_file;

/* FW_OK: the caller owns *out. FW_INVALID with a message that says what to change: it cannot be
 * read, others may read or write it, or it is too large. FW_NOMEM. `path` is copied. */
enum fw_status fw_password_file_open(
	const char *path, struct fw_password_file **out, struct fw_error *error);
void fw_password_file_close(struct fw_password_file *file); /* NULL is fine */

/* FW_OK: it is the user's password. FW_INVALID: it is not, or there is no such user, which takes as
 * long. FW_FAILED: the file, or the user's line, cannot be used; `error` has a message, of a fault
 * of the file only once. Takes up to seconds of processor, as the line's costs say. */
enum fw_status fw_password_file_check(struct fw_password_file *file, struct fw_slice user,
	struct fw_slice password, struct fw_error *error);

/* A mark of the user's line: a login ends when it changes. 0: there is no such user, or the file
 * cannot be used. */
uint64_t fw_password_file_mark(struct fw_password_file *file, struct fw_slice user);

#endif
