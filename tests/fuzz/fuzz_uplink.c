/* Any bytes as an encoded uplink: refused, or decoded to what encodes to the same bytes. */
#include "protocol/uplink.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static unsigned char again[FW_UPLINK_MAX + 5 * 65536];
	struct fw_uplink uplink;

	if (fw_uplink_decode(bytes, len, &uplink) != FW_OK)
		return 0;
	if (fw_uplink_encode(&uplink, again, sizeof(again)) != len ||
		memcmp(again, bytes, len) != 0)
		abort();
	return 0;
}
