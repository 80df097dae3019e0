/* What of the outbox is published, and what is void by then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "service/internal.h"

#define UPGRADE "/lamp/d1/firmware/upgrade"

static char published[256];
static int client; /* only its address counts */

static enum fw_status publish_one(void *context, const struct fw_publication *publication)
{
	assert_null(context);
	strcat(published, publication->topic);
	return FW_OK;
}

static void ignore_change(void *context, const struct fw_presence_change *change)
{
	(void)context;
	(void)change;
}

static void put_blind(struct fw_service *service)
{
	struct fw_outgoing upgrade = {.kind = FW_OUTGOING_BLIND,
		.topic = strdup(UPGRADE),
		.payload = strdup("{}"),
		.qos = 1};

	assert_int_equal(fw_outbox_put(service->outbox, upgrade), FW_OK);
	fw_service_drain_outbox(service, INT64_MAX);
}

/* Sent to who knows whom, it goes out until the device has shown itself by this key. */
static void assert_void_once_seen(enum fw_identity identity, struct fw_slice key)
{
	struct fw_options options = {.identity = identity};
	struct fw_service service = {.options = &options,
		.broker = {.publish = publish_one},
		.outbox = fw_outbox_new(4),
		.presence = fw_presence_new(10, ignore_change, NULL)};

	published[0] = '\0';
	put_blind(&service);
	assert_string_equal(published, UPGRADE);
	fw_presence_seen(service.presence, &client, "c", key);
	put_blind(&service);
	assert_string_equal(published, UPGRADE);
	fw_presence_gone(service.presence, &client, key);
	put_blind(&service);
	assert_string_equal(published, UPGRADE UPGRADE);
	fw_presence_free(service.presence);
	fw_outbox_free(service.outbox);
}

static void what_was_sent_blindly_is_void_once_the_device_is_there(void **state)
{
	(void)state;
	assert_void_once_seen(FW_IDENTITY_CLIENTID, FW_SLICE("d1"));
	assert_void_once_seen(FW_IDENTITY_USERNAME, FW_SLICE("d1"));
	assert_void_once_seen(FW_IDENTITY_NONE, FW_SLICE("lamp/d1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_blindly_is_void_once_the_device_is_there),
	};

	return cmocka_run_group_tests_name("service_tick", tests, NULL, NULL);
}
