/* All devices share the rendered part of an offer. Its url (where each has its own), the deferral
 * and the messageId are added for each device. */
#include "upgrade/offer.h"

#include <stdlib.h>

char *fw_offer_write(const struct fw_hosting *hosting, const struct fw_firmware *firmware,
	const struct fw_deferral *deferral, struct fw_slice product, struct fw_slice device,
	int64_t now, struct fw_slice message_id, size_t *len)
{
	char *url = NULL, *payload = NULL;

	if (firmware->url_per_device)
		url = fw_hosting_url(
			hosting, product, device, firmware->firmware_id, firmware->file, now);
	if (url || !firmware->url_per_device)
		payload = fw_message_write_offer(
			firmware->rendered, url, deferral, now, message_id, len);
	free(url);
	return payload;
}
