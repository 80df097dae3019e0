/* A client of $CONTROL/firmware/v1, by libmosquitto. */
#ifndef FW_CTRL_CLIENT_H
#define FW_CTRL_CLIENT_H

#include <jansson.h>

#include "base/fw.h"
#include "ctrl/login.h"

#define FW_CTRL_TOPIC "$CONTROL/firmware/v1"
#define FW_CTRL_RESPONSE_TOPIC FW_CTRL_TOPIC "/response"
#define FW_CTRL_COMMANDS_MAX 100u /* of a request */
#define FW_CTRL_ANSWER_MS 5000

struct fw_ctrl_client;

/* Connects, and asks for a password that is missing. `login` is borrowed until the close. True:
 * *out is the caller's; else a sentence is in `error`. */
bool fw_ctrl_client_open(
	const struct fw_ctrl_login *login, struct fw_ctrl_client **out, struct fw_error *error);
void fw_ctrl_client_close(struct fw_ctrl_client *client); /* NULL is fine */

/* Sends an array of commands (stolen), and waits up to FW_CTRL_ANSWER_MS for the answer: a new
 * reference to the array of responses, as many as the commands. NULL with a sentence in `error`
 * that says what to do. */
json_t *fw_ctrl_client_ask(struct fw_ctrl_client *client, json_t *commands, struct fw_error *error);

/* One command (borrowed): the data of its answer, a new reference. NULL with a sentence in `error`;
 * then *busy (NULL is fine) is true if the catalog was locked, so that it is worth another try. */
json_t *fw_ctrl_client_data(
	struct fw_ctrl_client *client, const json_t *command, struct fw_error *error, bool *busy);

/* Waits `ms` milliseconds, and keeps the connection alive meanwhile. */
void fw_ctrl_client_wait(struct fw_ctrl_client *client, int64_t ms);

#endif
