/* Splits a Host or an Origin into name and port, and compares them with the options. */
#include "control/guard.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A name or address, and a port if there is one. */
struct authority {
	struct fw_slice name; /* of an IPv6 address without its brackets */
	int port;             /* 0: none */
};

static bool equal_ignoring_case(struct fw_slice a, struct fw_slice b)
{
	return a.len == b.len && a.len && strncasecmp(a.at, b.at, a.len) == 0;
}

static bool read_port(struct fw_slice text, int *port)
{
	*port = 0;
	if (text.len == 0 || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		*port = *port * 10 + (text.at[i] - '0');
	}
	return *port > 0 && *port <= 65535;
}

static bool split(struct fw_slice text, struct authority *out)
{
	const char *end = text.at + text.len, *colon;

	if (text.len == 0)
		return false;
	if (text.at[0] == '[') {
		const char *bracket = memchr(text.at, ']', text.len);

		if (!bracket)
			return false;
		out->name = (struct fw_slice){text.at + 1, (size_t)(bracket - text.at) - 1};
		colon = bracket + 1;
	} else {
		colon = memchr(text.at, ':', text.len);
		colon = colon ? colon : end;
		out->name = (struct fw_slice){text.at, (size_t)(colon - text.at)};
	}
	out->port = 0;
	if (out->name.len == 0)
		return false;
	return colon == end ||
		(*colon == ':' &&
			read_port((struct fw_slice){colon + 1, (size_t)(end - colon) - 1},
				&out->port));
}

/* An address as IPv6, or false when it is a name. */
static bool address_of(struct fw_slice text, struct in6_addr *out)
{
	char copy[INET6_ADDRSTRLEN + 8] = "::ffff:";

	if (fw_slice_copy(text, copy + 7, sizeof(copy) - 7) && inet_pton(AF_INET6, copy, out) == 1)
		return true;
	return fw_slice_copy(text, copy, sizeof(copy)) && inet_pton(AF_INET6, copy, out) == 1;
}

static bool is_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
		(IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* One of admin_hosts: without a port it is good with any. */
static bool is_listed(const struct fw_guard *guard, const struct authority *host)
{
	for (char **entry = guard->hosts; entry && *entry; entry++) {
		struct authority listed;

		if (split(fw_slice_of(*entry), &listed) &&
			equal_ignoring_case(listed.name, host->name) &&
			(!listed.port || listed.port == host->port))
			return true;
	}
	return false;
}

/* True for the address that the client connected to, as a number or as localhost, and for the name
 * that the server listens on. */
static bool is_own_name(const struct fw_guard *guard, struct fw_slice name, const char *local)
{
	struct in6_addr here, said;
	struct authority listened;

	if (split(fw_slice_of(guard->listen), &listened) && !address_of(listened.name, &said) &&
		equal_ignoring_case(listened.name, name))
		return true;
	if (!local || !address_of(fw_slice_of(local), &here))
		return false;
	if (equal_ignoring_case(name, FW_SLICE("localhost")))
		return is_loopback(&here);
	return address_of(name, &said) && memcmp(&said, &here, sizeof(here)) == 0;
}

static int default_port(const struct fw_guard *guard)
{
	return guard->tls ? 443 : 80;
}

bool fw_guard_host(const struct fw_guard *guard, struct fw_slice host, const char *local)
{
	struct authority said;

	if (!split(host, &said))
		return false;
	if (!guard->listen || is_listed(guard, &said))
		return true;
	if ((said.port ? said.port : default_port(guard)) != guard->port)
		return false;
	return is_own_name(guard, said.name, local);
}

/* "https://name:port" without its scheme; *secure: which. */
static bool authority_of_origin(const char *origin, struct fw_slice *out, bool *secure)
{
	*secure = strncasecmp(origin, "https://", 8) == 0;
	if (!*secure && strncasecmp(origin, "http://", 7) != 0)
		return false;
	*out = fw_slice_of(origin + (*secure ? 8 : 7));
	return true;
}

bool fw_guard_origin(const struct fw_guard *guard, struct fw_slice host, const char *origin,
	const char *fetch_site)
{
	struct fw_slice from;
	struct authority said;
	bool secure;

	if (fetch_site && strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0)
		return false;
	if (!origin)
		return true;
	if (!authority_of_origin(origin, &from, &secure))
		return false;
	if (equal_ignoring_case(from, host))
		return guard->behind_proxy || secure == guard->tls;
	/* a proxy may send another Host than the browser did */
	if (!guard->behind_proxy || !split(from, &said))
		return false;
	for (char **entry = guard->hosts; entry && *entry; entry++) {
		if (equal_ignoring_case(fw_slice_of(*entry), from))
			return true;
	}
	return false;
}

/* Behind "application/json": nothing, or "; charset=utf-8". */
static bool is_utf8(const char *parameters)
{
	parameters += strspn(parameters, " \t");
	if (*parameters == '\0')
		return true;
	if (*parameters++ != ';')
		return false;
	parameters += strspn(parameters, " \t");
	return strcasecmp(parameters, "charset=utf-8") == 0 ||
		strcasecmp(parameters, "charset=\"utf-8\"") == 0;
}

enum fw_guard_type fw_guard_type(const char *content_type)
{
	static const char json[] = "application/json", bytes[] = "application/octet-stream";

	if (!content_type)
		return FW_TYPE_NONE;
	if (strncasecmp(content_type, json, sizeof(json) - 1) == 0 &&
		is_utf8(content_type + sizeof(json) - 1))
		return FW_TYPE_JSON;
	if (strcasecmp(content_type, bytes) == 0)
		return FW_TYPE_BYTES;
	return FW_TYPE_OTHER;
}
