/* Numbers in files: little endian, at any address. */
#ifndef FW_BASE_BYTES_H
#define FW_BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t fw_get16(const unsigned char *at)
{
	uint16_t little;

	memcpy(&little, at, sizeof(little));
	return le16toh(little);
}

static inline uint32_t fw_get32(const unsigned char *at)
{
	uint32_t little;

	memcpy(&little, at, sizeof(little));
	return le32toh(little);
}

static inline uint64_t fw_get64(const unsigned char *at)
{
	uint64_t little;

	memcpy(&little, at, sizeof(little));
	return le64toh(little);
}

static inline void fw_put16(unsigned char *at, uint16_t value)
{
	uint16_t little = htole16(value);

	memcpy(at, &little, sizeof(little));
}

static inline void fw_put32(unsigned char *at, uint32_t value)
{
	uint32_t little = htole32(value);

	memcpy(at, &little, sizeof(little));
}

static inline void fw_put64(unsigned char *at, uint64_t value)
{
	uint64_t little = htole64(value);

	memcpy(at, &little, sizeof(little));
}

#endif
