/* What every server asks libmicrohttpd about a connection and its request. */
#include "http/asked.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

int fw_http_socket_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

void *fw_http_context_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static enum MHD_Result count_host(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned *)context += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
	return MHD_YES;
}

unsigned fw_http_count_hosts(struct MHD_Connection *mhd)
{
	unsigned hosts = 0;

	MHD_get_connection_values(mhd, MHD_HEADER_KIND, count_host, &hosts);
	return hosts;
}

const char *fw_http_path_of(const char *target)
{
	size_t scheme = strncasecmp(target, "http://", 7) == 0 ? 7
		: strncasecmp(target, "https://", 8) == 0      ? 8
							       : 0;

	return scheme ? strchrnul(target + scheme, '/') : target;
}
