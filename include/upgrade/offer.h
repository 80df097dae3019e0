/* The offer of firmware to a device: what a pull is answered with, and what is pushed. Pure; any
 * thread. */
#ifndef FW_UPGRADE_OFFER_H
#define FW_UPGRADE_OFFER_H

#include "files/hosting.h"
#include "upgrade/resolver.h"

/* The JSON of the offer of a ready firmware to this device: as it was rendered, or with a url for
 * this device alone. `now`: Unix ms; message_id and `deferral` as for fw_message_write_offer.
 * malloc'd, its bytes in *len; NULL when out of memory. */
char *fw_offer_write(const struct fw_hosting *hosting, const struct fw_firmware *firmware,
	const struct fw_deferral *deferral, struct fw_slice product, struct fw_slice device,
	int64_t now, struct fw_slice message_id, size_t *len);

#endif
