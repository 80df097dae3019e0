/* Products: the columns that commands see. */
#include "control/internal.h"

const struct fw_command_member fw_product_members[] = {
	{"productId", "product_id", FW_MEMBER_TEXT, FW_USE_CREATE | FW_USE_NAMED,
		FW_USE_CREATE | FW_USE_NAME, 0, 0, NULL, "the first level of the topics"},
	{"name", "name", FW_MEMBER_TEXT, FW_USE_SET, 0, 0, 0, NULL, "for people"},
	{"firmwareEnabled", "firmware_enabled", FW_MEMBER_BOOLEAN, FW_USE_SET | FW_USE_FILTER, 0, 0,
		0, NULL, "false: every pull is refused, and nothing is pushed"},
	{"pullPolicy", "pull_policy", FW_MEMBER_TEXT, FW_USE_SET, 0, 0, 0, NULL,
		"latest, stepwise or task"},
	{"publicKey", "public_key", FW_MEMBER_TEXT, FW_USE_SET, 0, 0, 0, NULL,
		"PEM, for signatures of firmware"},
	{0},
};

const struct fw_entity fw_product_entity = {
	.table = "product",
	.noun = "product",
	.from = "product AS e",
	.members = fw_product_members,
	.keys = {"product_id"},
	.counts = true,
};
