#include "delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum fw_status fw_delivery_init(struct fw_delivery *delivery, const struct fw_options *options, struct fw_error *error)
{
	enum fw_status status = fw_files_prepare(options->files_dir, error);

	delivery->folder = options->files_dir;
	delivery->url_base = options->url_base;
	delivery->remote = status == FW_OK && fw_files_remote(options->files_dir);
	delivery->ttl_seconds = options->url_ttl_seconds;
	atomic_store(&delivery->suspect, false);
	if (status == FW_OK && fw_delivery_expires(delivery))
		status = fw_url_key_load(options->url_secret_file, &delivery->key, error);
	return status;
}

bool fw_delivery_names_nobody(const struct fw_delivery *delivery)
{
	static const char *const all[] = {"0.0.0.0", "[::]", "[0:0:0:0:0:0:0:0]", "0"};
	const char *host = delivery->url_base ? strstr(delivery->url_base, "://") : NULL;
	size_t len;

	if (!host)
		return false;
	host += 3;
	len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strlen(all[i]) == len && strncmp(host, all[i], len) == 0)
			return true;
	}
	return false;
}

bool fw_delivery_holds(struct fw_delivery *delivery, const char *file, const struct fw_file_stamp *stamp)
{
	if (fw_files_unchanged(delivery->folder, file, stamp))
		return true;
	atomic_store(&delivery->suspect, true);
	return false;
}

bool fw_delivery_may_hold(struct fw_delivery *delivery, const char *file, const struct fw_file_stamp *stamp)
{
	return delivery->remote || fw_delivery_holds(delivery, file, stamp);
}

char *fw_delivery_plain_url(const struct fw_delivery *delivery, struct fw_slice firmware_id, struct fw_slice file)
{
	char *url = NULL;

	if (delivery->url_base)
		return fw_url_plain(delivery->url_base, firmware_id, file);
	return asprintf(&url, "chunk:%.*s", (int)firmware_id.len, firmware_id.at) < 0 ? NULL : url;
}

bool fw_delivery_expires(const struct fw_delivery *delivery)
{
	return delivery->ttl_seconds > 0 && delivery->url_base;
}

char *fw_delivery_url(const struct fw_delivery *delivery, struct fw_slice product, struct fw_slice device, const char *firmware_id, const char *file, int64_t now)
{
	/* rounded up: it is over when the second that `expires` names begins */
	struct fw_url_grant grant = {.product = product, .device = device, .firmware_id = fw_slice_of(firmware_id), .file = fw_slice_of(file),
		.expires = (now + 999) / 1000 + delivery->ttl_seconds};

	return fw_url_mint(delivery->url_base, &delivery->key, &grant);
}

char *fw_delivery_write_offer(const struct fw_delivery *delivery, const struct fw_firmware *firmware, struct fw_slice product, struct fw_slice device,
	int64_t now, struct fw_slice message_id, size_t *len)
{
	char *url, *payload;

	if (!firmware->url_apart)
		return fw_message_write_offer(firmware->rendered, now, message_id, len);
	url = fw_delivery_url(delivery, product, device, firmware->firmware_id, firmware->file, now);
	payload = url ? fw_message_write_offer_at(firmware->rendered, url, now, message_id, len) : NULL;
	free(url);
	return payload;
}
