/* What every module shares: slices, errors, clocks, hashing, UTF-8. */
#include "base/fw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define FNV_BASIS 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

struct fw_slice fw_slice_of(const char *text)
{
	return (struct fw_slice){text, text ? strlen(text) : 0};
}

bool fw_slice_equal(struct fw_slice a, struct fw_slice b)
{
	/* memcmp may not be given NULL, which is what an empty slice usually points at */
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool fw_slice_copy(struct fw_slice text, char *buffer, size_t size)
{
	size_t len = text.len < size ? text.len : 0;

	if (len)
		memcpy(buffer, text.at, len);
	buffer[len] = '\0';
	return text.len < size;
}

void fw_error_set(struct fw_error *error, const char *format, ...)
{
	va_list args;

	if (!error || error->text[0])
		return;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	fw_make_line(error->text);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t fw_now_ms(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t fw_boot_ms(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t fw_boot_us(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000;
}

uint64_t fw_hash(uint64_t seed, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t hash = seed ? seed : FNV_BASIS;

	for (size_t i = 0; i < len; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): loses track of
		 * random_from_clocks' array */
		hash = (hash ^ at[i]) * FNV_PRIME;
	}
	return hash;
}

uint64_t fw_hash_device(uint64_t seed, struct fw_slice product, struct fw_slice device)
{
	uint64_t hash = fw_hash(seed, product.at, product.len);

	/* a byte that ids do not have keeps "a"/"bc" apart from "ab"/"c" */
	return fw_hash(fw_hash(hash, "/", 1), device.at, device.len);
}

struct fw_slice fw_device_key(char *buffer, struct fw_slice product, struct fw_slice device)
{
	memcpy(buffer, product.at, product.len);
	buffer[product.len] = '/';
	memcpy(buffer + product.len + 1, device.at, device.len);
	return (struct fw_slice){buffer, product.len + 1 + device.len};
}

bool fw_device_key_split(struct fw_slice key, struct fw_slice *product, struct fw_slice *device)
{
	const char *slash = key.len ? memchr(key.at, '/', key.len) : NULL;

	if (!slash)
		return false;
	*product = (struct fw_slice){key.at, (size_t)(slash - key.at)};
	*device = (struct fw_slice){slash + 1, key.len - product->len - 1};
	return true;
}

/* Good enough for ids and hash seeds on a system without getrandom; nothing secret may come from
 * here. */
static uint64_t random_from_clocks(void)
{
	int64_t seen[] = {clock_ns(CLOCK_REALTIME), clock_ns(CLOCK_MONOTONIC),
		clock_ns(CLOCK_PROCESS_CPUTIME_ID), getpid()};

	return fw_hash(0, seen, sizeof(seen));
}

void fw_hex(char *at, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	*at = '\0';
}

uint64_t fw_random(void)
{
	uint64_t number = 0;
	ssize_t got;

	/* up to 256 bytes come whole or not at all; before the pool is ready it must not block the
	 * start */
	do {
		got = getrandom(&number, sizeof(number), GRND_NONBLOCK);
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(number) ? number : random_from_clocks();
}

/* RFC 3629, section 4. */
size_t fw_utf8_step(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned char lead = at[0], low = 0x80, high = 0xbf;
	size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || size > len)
		return 0;
	if (lead == 0xe0) /* overlong below */
		low = 0xa0;
	else if (lead == 0xed) /* surrogates above */
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4) /* beyond U+10FFFF */
		high = 0x8f;
	for (size_t i = 1; i < size; i++) {
		if (at[i] < low || at[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return size;
}

bool fw_utf8_valid(const char *at, size_t len)
{
	while (len > 0) {
		size_t step = fw_utf8_step(at, len);

		if (step == 0)
			return false;
		at += step;
		len -= step;
	}
	return true;
}

size_t fw_utf8_length(const char *at, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)at[i] & 0xc0) != 0x80;
	return count;
}

void fw_make_line(char *text)
{
	const char *at = text;
	size_t len = strlen(text), step;

	/* written behind what is read: a question mark is never longer than what it stands for */
	for (; len; at += step, len -= step) {
		step = fw_utf8_step(at, len);
		if (step == 0 || fw_text_harmful(at, len)) {
			step += step == 0;
			*text++ = '?';
		} else {
			memmove(text, at, step);
			text += step;
		}
	}
	*text = '\0';
}
