/* What every module shares: the status codes, the limits of names and messages, slices, errors.
 *
 * Folders are layers, each including only those below it: tests/layers lists them. */
#ifndef FW_BASE_FW_H
#define FW_BASE_FW_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FW_VERSION_TEXT "0.1.0"

#define FW_ID_MAX 64u      /* bytes of a product, device, firmware or task id */
#define FW_VERSION_MAX 64u /* characters of a version */
/* bytes of one, terminated: a character has at most 4 */
#define FW_VERSION_BUFFER (FW_VERSION_MAX * 4 + 1)
/* bytes of a device's two ids with a slash between */
#define FW_DEVICE_KEY (2 * FW_ID_MAX + 1)
#define FW_PAYLOAD_MAX 8192u /* bytes of an uplink's payload */
#define FW_DEPTH_MAX 16u     /* brackets around a value in it */
#define FW_TOPIC_MAX 65535u  /* bytes of a topic: MQTT 5, section 1.5.4 */

enum fw_status {
	FW_OK = 0,
	FW_NOMEM,     /* an allocation failed */
	FW_INVALID,   /* input breaks a rule; from SQLite, one of the catalog's */
	FW_NOT_FOUND, /* no such thing */
	FW_BUSY,      /* not now: a lock that another holds, a share used up; try again later */
	FW_FULL,      /* no room: the disk, or a bounded queue */
	FW_IO,        /* the operating system refused a read or a write */
	FW_CORRUPT,   /* a file is damaged, or not what it should be */
	FW_NEWER,     /* a catalog made by a newer plugin */
	FW_FAILED,    /* anything else; the error text says what */
};

/* A borrowed piece of text: not terminated, valid as long as what it points into. */
struct fw_slice {
	const char *at;
	size_t len;
};

#define FW_SLICE(literal) ((struct fw_slice){(literal), sizeof(literal) - 1})

struct fw_slice fw_slice_of(const char *text); /* NULL gives an empty slice */
bool fw_slice_equal(struct fw_slice a, struct fw_slice b);

/* Copies `text`, terminated, into `buffer` of `size` bytes. Text that does not fit counts as none:
 * the buffer is then empty, and the result false. */
bool fw_slice_copy(struct fw_slice text, char *buffer, size_t size);

/* A sentence that says what went wrong and what to do, owned by the caller: one line of valid
 * UTF-8, whatever names it quotes. The first error wins. */
struct fw_error {
	char text[512];
};

void fw_error_set(struct fw_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Unix time in milliseconds, from the wall clock. Any thread. */
int64_t fw_now_ms(void);

/* Milliseconds that never step, from CLOCK_BOOTTIME; the same in microseconds. Any thread. */
int64_t fw_boot_ms(void);
int64_t fw_boot_us(void);

/* 64-bit FNV-1a of `len` bytes, continuing from `seed` (0 starts). For hash tables whose keys may
 * be chosen by a hostile client, start from a random seed. */
uint64_t fw_hash(uint64_t seed, const void *bytes, size_t len);

/* The same of a device: its two ids, kept apart. */
uint64_t fw_hash_device(uint64_t seed, struct fw_slice product, struct fw_slice device);

/* Both ids of a device as one key of a table, "product/device", in `buffer` of FW_DEVICE_KEY bytes:
 * an id has no slash, and each has at most FW_ID_MAX bytes. Not terminated. */
struct fw_slice fw_device_key(char *buffer, struct fw_slice product, struct fw_slice device);

/* The ids of such a key, borrowed from it. False when it has no slash: then they stay as they are.
 */
bool fw_device_key_split(struct fw_slice key, struct fw_slice *product, struct fw_slice *device);

/* Lower-case hex of `len` bytes, and the terminator: 2 * len + 1 bytes at `at`. */
void fw_hex(char *at, const unsigned char *bytes, size_t len);

/* A random 64-bit number from the operating system; falls back on the clocks. */
uint64_t fw_random(void);

/* Bytes of the character at the front of `len` bytes, at least 1; 0 where it is NUL or not valid.
 */
size_t fw_utf8_step(const char *at, size_t len);

/* True for valid UTF-8 without NUL and without surrogates (RFC 3629). */
bool fw_utf8_valid(const char *at, size_t len);

/* Number of code points of valid UTF-8. */
size_t fw_utf8_length(const char *at, size_t len);

/* Makes `text` one line of valid UTF-8 that is shown as it stands: a question mark for each
 * character that a terminal would obey (see fw_text_harmful), and for each byte that is none of
 * UTF-8. */
void fw_make_line(char *text);

#endif
