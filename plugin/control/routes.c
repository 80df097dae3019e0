/* The table of routes. A request gets the first one that matches both path and method: a path whose
 * parts are all fixed stands before one with variable parts. */
#include "control/routes.h"

#include <stdio.h>
#include <string.h>

#include "files/url.h"

#define V1 "/api/v1"
#define COMMAND FW_ROUTE_COMMAND

static const struct fw_route routes[] = {
	{"GET", V1 "/details", COMMAND, "getDetails", 200, NULL},
	{"GET", V1 "/products", COMMAND, "listProducts", 200, NULL},
	{"POST", V1 "/products", COMMAND, "createProduct", 201, NULL},
	{"GET", V1 "/products/{productId}", COMMAND, "getProduct", 200, NULL},
	{"PATCH", V1 "/products/{productId}", COMMAND, "modifyProduct", 200, NULL},
	{"DELETE", V1 "/products/{productId}", COMMAND, "deleteProduct", 200, NULL},
	{"GET", V1 "/products/{productId}/versions", COMMAND, "getProductVersions", 200, NULL},
	{"GET", V1 "/firmware", COMMAND, "listFirmware", 200, NULL},
	{"POST", V1 "/firmware", COMMAND, "createFirmware", 201, NULL},
	{"GET", V1 "/firmware/{firmwareId}", COMMAND, "getFirmware", 200, NULL},
	{"PATCH", V1 "/firmware/{firmwareId}", COMMAND, "modifyFirmware", 200, NULL},
	{"DELETE", V1 "/firmware/{firmwareId}", COMMAND, "deleteFirmware", 200, NULL},
	{"GET", V1 "/devices", COMMAND, "listDevices", 200, NULL},
	{"POST", V1 "/devices", COMMAND, "createDevice", 201, NULL},
	{"GET", V1 "/devices/{productId}/{deviceId}", COMMAND, "getDevice", 200, NULL},
	{"PATCH", V1 "/devices/{productId}/{deviceId}", COMMAND, "modifyDevice", 200, NULL},
	{"DELETE", V1 "/devices/{productId}/{deviceId}", COMMAND, "deleteDevice", 200, NULL},
	{"GET", V1 "/devices/{productId}/{deviceId}/history", COMMAND, "getDeviceHistory", 200,
		NULL},
	{"GET", V1 "/stuck", COMMAND, "listStuckDevices", 200, NULL},
	{"POST", V1 "/tasks/preview", COMMAND, "previewTask", 200, NULL},
	{"GET", V1 "/tasks", COMMAND, "listTasks", 200, NULL},
	{"POST", V1 "/tasks", COMMAND, "createTask", 201, NULL},
	{"GET", V1 "/tasks/{taskId}", COMMAND, "getTask", 200, NULL},
	{"PUT", V1 "/tasks/{taskId}", FW_ROUTE_PUT, "createTask", 201, NULL},
	{"PATCH", V1 "/tasks/{taskId}", COMMAND, "modifyTask", 200, NULL},
	{"DELETE", V1 "/tasks/{taskId}", COMMAND, "deleteTask", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/stop", COMMAND, "stopTask", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/continue", COMMAND, "continueTask", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/pause", COMMAND, "pauseTask", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/resume", COMMAND, "resumeTask", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/nextStage", COMMAND, "nextStage", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/retry", COMMAND, "retryTask", 200, NULL},
	{"GET", V1 "/tasks/{taskId}/failures", COMMAND, "getTaskFailures", 200, NULL},
	{"GET", V1 "/tasks/{taskId}/progress", COMMAND, "getTaskProgress", 200, NULL},
	{"GET", V1 "/tasks/{taskId}/log", COMMAND, "getTaskLog", 200, NULL},
	{"GET", V1 "/tasks/{taskId}/devices", COMMAND, "listTaskDevices", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/devices", COMMAND, "addTaskDevices", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/devices/stop", COMMAND, "stopTaskDevices", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/devices/continue", COMMAND, "continueTaskDevices", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/devices/retry", COMMAND, "retryTaskDevices", 200, NULL},
	{"POST", V1 "/tasks/{taskId}/devices/remove", COMMAND, "removeTaskDevices", 200, NULL},
	{"GET", V1 "/files", COMMAND, "listFiles", 200, NULL},
	{"PUT", V1 "/files/{file}", FW_ROUTE_UPLOAD, NULL, 201,
		"Uploads a firmware file; answers its size and SHA-256."},
	{"DELETE", V1 "/files/{file}", COMMAND, "deleteFile", 200, NULL},
	{"GET", V1 "/downloads", COMMAND, "listDownloads", 200, NULL},
	{"GET", V1 "/log", COMMAND, "listAdminLog", 200, NULL},
	{"GET", V1 "/log/tasks", COMMAND, "getTaskLog", 200, NULL},
	{"POST", V1 "/commands", FW_ROUTE_COMMANDS, NULL, 200,
		"Carries out {\"commands\":[...]}, as $CONTROL/firmware/v1 does."},
	{"POST", V1 "/session", FW_ROUTE_LOGIN, NULL, 201,
		"Logs in with username and password; answers a cookie."},
	{"GET", V1 "/session", FW_ROUTE_SESSION, NULL, 200, "Who is logged in."},
	{"DELETE", V1 "/session", FW_ROUTE_LOGOUT, NULL, 200, "Logs out."},
	{"GET", V1 "/openapi.json", FW_ROUTE_OPENAPI, NULL, 200, "This description."},
	{"GET", "/openapi.json", FW_ROUTE_OPENAPI, NULL, 200, "This description."},
	{"GET", "/metrics", FW_ROUTE_METRICS, NULL, 200, "The metrics, as text for Prometheus."},
	{"GET", "/healthz", FW_ROUTE_HEALTH, NULL, 200,
		"200 while the catalog can be read, else 503. Needs no login."},
};

const struct fw_route *fw_routes(size_t *count)
{
	*count = sizeof(routes) / sizeof(routes[0]);
	return routes;
}

bool fw_route_is_public(const struct fw_route *route)
{
	return route->kind == FW_ROUTE_HEALTH || route->kind == FW_ROUTE_LOGIN;
}

bool fw_route_takes_body(const struct fw_route *route)
{
	return strcmp(route->method, "POST") == 0 || strcmp(route->method, "PUT") == 0 ||
		strcmp(route->method, "PATCH") == 0;
}

/* --- paths --- */

/* Decodes one part; false when it is empty, too long or not valid. */
static bool take_part(struct fw_slice raw, char out[FW_ROUTE_VALUE])
{
	char text[3 * FW_ROUTE_VALUE];
	size_t len = raw.len;

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, raw.at, len);
	if (!fw_url_decode(text, &len) || len == 0 || !fw_utf8_valid(text, len))
		return false;
	return fw_slice_copy((struct fw_slice){text, len}, out, FW_ROUTE_VALUE);
}

static struct fw_slice part_of(const char *path)
{
	return (struct fw_slice){path, strcspn(path, "/")};
}

/* Compares part by part, and takes the values of the variable parts. */
static bool matches(const char *pattern, const char *path, struct fw_route_match *out)
{
	out->count = 0;
	while (*pattern == '/' && *path == '/') {
		struct fw_slice wanted = part_of(++pattern), said = part_of(++path);

		pattern += wanted.len;
		path += said.len;
		if (wanted.at[0] != '{') {
			if (!fw_slice_equal(wanted, said))
				return false;
		} else if (!take_part(said, out->value[out->count++])) {
			return false;
		}
	}
	return *pattern == '\0' && *path == '\0';
}

static void add_allowed(struct fw_route_match *out, const char *method)
{
	size_t len = strlen(out->allowed);

	snprintf(out->allowed + len, sizeof(out->allowed) - len, "%s%s", len ? ", " : "", method);
	if (strcmp(method, "GET") == 0)
		add_allowed(out, "HEAD");
}

void fw_route_find(const char *method, const char *path, struct fw_route_match *out)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct fw_route *route = &routes[i];

		if (!matches(route->path, path, out))
			continue;
		add_allowed(out, route->method);
		if (strcmp(route->method, wanted) == 0) {
			out->route = route;
			return;
		}
	}
}
