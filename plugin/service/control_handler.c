/* A request on $CONTROL/firmware/v1, and its answer.
 *
 * Mosquitto lets anybody publish there unless its acl_file says otherwise. So the options admins
 * and admin_viewers decide here by the user name, and anybody else gets a refusal as the answer.
 * The control plane's own thread carries the request out. */
#include <stdlib.h>
#include <string.h>

#include "service/internal.h"

static void publish_reply(struct fw_service *service, const struct fw_control_reply *reply)
{
	if (service->broker.publish(service->broker.context,
		    &(struct fw_publication){.client_id = reply->client_id,
			    .topic = reply->topic,
			    .payload = reply->payload,
			    .len = reply->len,
			    .qos = reply->qos,
			    .correlation = reply->correlation,
			    .correlation_len = reply->correlation_len}) != FW_OK)
		service->broker.log(service->broker.context, FW_LOG_WARNING,
			"out of memory: a command was not answered");
}

/* An answer that needs no catalog. Takes over `refusal`, which is NULL without memory. */
static void answer_with(
	struct fw_service *service, const struct fw_control_request *request, json_t *refusal)
{
	char *text = refusal ? json_dumps(refusal, JSON_COMPACT) : NULL;
	struct fw_control_reply reply = {.client_id = (char *)request->client_id,
		.topic = request->response_topic ? (char *)request->response_topic
						 : (char *)FW_CONTROL_RESPONSE_TOPIC,
		.payload = text,
		.len = text ? strlen(text) : 0,
		.qos = request->qos,
		.correlation = (void *)request->correlation,
		.correlation_len = request->correlation_len};

	if (text)
		publish_reply(service, &reply);
	json_decref(refusal);
	free(text);
}

static void refuse(struct fw_service *service, const struct fw_control_request *request,
	const char *code, const char *message)
{
	answer_with(service, request, fw_commands_refusal(code, message));
}

static void refuse_user(struct fw_service *service, const struct fw_client *client,
	const struct fw_control_request *request)
{
	fw_count(&service->counters, FW_COUNT_REFUSED);
	fw_service_log_refusal(service, FW_REFUSED_IDENTITY, FW_TOPIC_OTHER, client,
		FW_CONTROL_TOPIC, "its user is named by neither admins nor admin_viewers");
	refuse(service, request, "not_allowed",
		"this user may not use it: add the name to plugin_opt_admins or "
		"plugin_opt_admin_viewers");
}

static void ask(struct fw_service *service, const struct fw_client *client,
	struct fw_control_request *request)
{
	bool admin = fw_options_is_admin(service->options, client->username);

	if (!admin && !fw_options_is_viewer(service->options, client->username)) {
		refuse_user(service, client, request);
		return;
	}
	request->user = client->username;
	request->right = admin ? FW_RIGHT_ADMIN : FW_RIGHT_VIEW;
	if (request->body.len > FW_COMMANDS_BYTES_MAX) {
		answer_with(service, request, fw_commands_too_large());
		return;
	}
	switch (fw_control_ask(service->control, request)) {
	case FW_OK:
		break;
	case FW_FULL:
		refuse(service, request, "busy",
			"too many requests wait: wait for an answer before asking again");
		break;
	default:
		refuse(service, request, "failed", "out of memory");
	}
}

static bool is_topic(const char *topic)
{
	return topic && *topic && !strpbrk(topic, "+#");
}

void fw_service_control(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming)
{
	struct fw_reply_to to = {NULL, NULL, 0};
	struct fw_control_request request = {.client = client->handle,
		.client_id = client->id,
		.body = {incoming->payload, incoming->len},
		.qos = incoming->qos};

	if (!service->control || !client->id)
		return;
	fw_service_check_ticks(service);
	if (incoming->properties &&
		service->broker.reply_to(service->broker.context, incoming->properties, &to) !=
			FW_OK) {
		service->broker.log(service->broker.context, FW_LOG_WARNING,
			"out of memory: a command was not answered");
		return;
	}
	request.response_topic = is_topic(to.response_topic) ? to.response_topic : NULL;
	request.correlation = to.correlation;
	request.correlation_len = to.correlation_len;
	ask(service, client, &request);
	fw_reply_to_clear(&to);
}

bool fw_service_drain_control(struct fw_service *service, int64_t until)
{
	struct fw_control_reply reply;
	enum fw_log_level level;
	bool any = false;
	char *line;

	if (!service->control)
		return false;
	while ((line = fw_control_take_line(service->control, &level))) {
		service->broker.log(service->broker.context, level, line);
		free(line);
	}
	while (fw_control_take(service->control, &reply)) {
		publish_reply(service, &reply);
		fw_control_reply_clear(&reply);
		any = true;
		if (fw_boot_ms() >= until)
			break;
	}
	return any;
}
