#include "upgrade/offer.h"

#include <stdlib.h>

char *fw_offer_write(const struct fw_hosting *hosting, const struct fw_firmware *firmware,
	struct fw_slice product, struct fw_slice device, int64_t now, struct fw_slice message_id,
	size_t *len)
{
	char *url, *payload;

	if (!firmware->url_apart)
		return fw_message_write_offer(firmware->rendered, now, message_id, len);
	url = fw_hosting_url(hosting, product, device, firmware->firmware_id, firmware->file, now);
	payload = url ? fw_message_write_offer_at(firmware->rendered, url, now, message_id, len)
		      : NULL;
	free(url);
	return payload;
}
