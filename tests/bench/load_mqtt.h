/* MQTT 3.1.1 packets as bytes. */
#ifndef FW_BENCH_LOAD_MQTT_H
#define FW_BENCH_LOAD_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline size_t put_length(unsigned char *at, size_t length)
{
	size_t used = 0;

	do {
		at[used++] = (unsigned char)((length & 127) | (length > 127 ? 128 : 0));
		length >>= 7;
	} while (length);
	return used;
}

static inline size_t put_text(unsigned char *at, const char *text, size_t len)
{
	at[0] = (unsigned char)(len >> 8);
	at[1] = (unsigned char)len;
	memcpy(at + 2, text, len);
	return len + 2;
}

/* Fixed header, remaining length, body. */
static inline size_t put_packet(
	unsigned char *packet, unsigned char type, const unsigned char *body, size_t len)
{
	size_t used = 1 + put_length(packet + 1, len);

	packet[0] = type;
	memcpy(packet + used, body, len);
	return used + len;
}

/* The packet at the front of `bytes`, its size in *size: false when it is not complete. */
static inline bool next_packet(
	const unsigned char *bytes, size_t have, size_t *header, size_t *size)
{
	size_t length = 0, used = 1;

	for (unsigned shift = 0; shift < 28; shift += 7) {
		if (used >= have)
			return false;
		length |= (size_t)(bytes[used] & 127) << shift;
		if (!(bytes[used++] & 128))
			break;
	}
	*header = used;
	*size = used + length;
	return have >= *size;
}

#endif
