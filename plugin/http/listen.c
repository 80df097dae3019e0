/* Resolves, binds and listens. All sockets of a name are opened before a server starts on the first
 * one, so a name whose last address is taken starts nothing. */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* bytes of a connection that wait in the kernel unsent; without a bound slow clients could use up
 * the kernel's memory for TCP */
#define UNSENT_MOST 131072
#define UNIX_MODE 0660

static enum fw_status refuse(
	const char *option, const char *text, const char *reason, struct fw_error *error)
{
	fw_error_set(error, "plugin_opt_%s: cannot listen on '%s': %s", option, text, reason);
	return FW_INVALID;
}

/* Closes it, and returns -1 with errno as it was. */
static int give_up(int fd)
{
	int reason = errno;

	close(fd);
	errno = reason;
	return -1;
}

/* A socket that listens there; -1 with errno. `alone`: an IPv6 address that is all of them takes
 * IPv4 clients too. */
static int listen_on(const struct addrinfo *address, bool alone)
{
	int yes = 1, only = !alone, unsent = UNSENT_MOST;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	/* the sockets of clients inherit it */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 1024) == 0)
		return fd;
	return give_up(fd);
}

/* The addresses of `text`, to be freed by freeaddrinfo; NULL with a static sentence. */
static struct addrinfo *resolve(const char *text, const char **reason)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
	char host[256];
	int code;

	*reason = "it must be address:port";
	/* getaddrinfo takes larger numbers, and forgets their upper bits */
	if (!colon || (size_t)(colon - text) >= sizeof(host) ||
		strtoul(colon + 1, NULL, 10) > 65535)
		return NULL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * bracketed, text + bracketed);
	code = getaddrinfo(host, colon + 1, &hints, &found);
	if (code != 0)
		*reason = gai_strerror(code);
	return code == 0 ? found : NULL;
}

static int port_of(int socket)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char port[16];

	if (getsockname(socket, (struct sockaddr *)&address, &len) != 0 ||
		getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port),
			NI_NUMERICSERV) != 0)
		return 0;
	return (int)strtol(port, NULL, 10);
}

static void add(struct fw_listen *out, int fd)
{
	struct fw_listen_socket *socket = &out->sockets[out->count++];

	socket->fd = fd;
	fstat(fd, &socket->known);
}

/* Is the same address before it in the list? A hosts file may name one twice. */
static bool is_repeated(const struct addrinfo *first, const struct addrinfo *address)
{
	for (const struct addrinfo *at = first; at != address; at = at->ai_next) {
		if (at->ai_addrlen == address->ai_addrlen &&
			memcmp(at->ai_addr, address->ai_addr, at->ai_addrlen) == 0)
			return true;
	}
	return false;
}

/* On all addresses of the name. One that this machine does not have, such as ::1 where IPv6 is off,
 * is left out if there is another. 0, or the errno of the one that cannot be listened on. */
static int listen_on_all(const struct addrinfo *found, struct fw_listen *out)
{
	int reason = 0;

	for (const struct addrinfo *at = found; at && out->count < FW_LISTEN_MOST;
		at = at->ai_next) {
		int fd;

		if (is_repeated(found, at))
			continue;
		fd = listen_on(at, !found->ai_next);
		if (fd >= 0) {
			add(out, fd);
			if (!out->port)
				out->port = port_of(fd);
			continue;
		}
		reason = errno;
		if (reason != EADDRNOTAVAIL && reason != EAFNOSUPPORT)
			return reason;
	}
	return out->count ? 0 : reason;
}

enum fw_status fw_listen_open(
	const char *option, const char *text, struct fw_listen *out, struct fw_error *error)
{
	const char *refusal;
	struct addrinfo *found = resolve(text, &refusal);
	int reason;

	*out = (struct fw_listen){.count = 0};
	if (!found)
		return refuse(option, text, refusal, error);
	reason = listen_on_all(found, out);
	freeaddrinfo(found);
	if (!reason)
		return FW_OK;
	fw_listen_close(out);
	return refuse(option, text, strerror(reason), error);
}

/* Removes a socket that an ended process has left there. False with errno: somebody listens on it,
 * or it is no socket. */
static bool clear_path(const struct sockaddr_un *address)
{
	struct stat status;
	int fd, reason;

	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(status.st_mode)) {
		errno = EEXIST;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	reason = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(fd);
	if (reason == ECONNREFUSED)
		return unlink(address->sun_path) == 0;
	errno = EADDRINUSE;
	return false;
}

/* Nobody can connect before listen(), and by then the socket has its mode. -1 with errno. */
static int listen_at(const struct sockaddr_un *address)
{
	int fd;

	if (!clear_path(address))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
		chmod(address->sun_path, UNIX_MODE) == 0 && listen(fd, 1024) == 0)
		return fd;
	return give_up(fd);
}

enum fw_status fw_listen_open_unix(
	const char *option, const char *path, struct fw_listen *out, struct fw_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	*out = (struct fw_listen){.count = 0};
	if (!fw_slice_copy(fw_slice_of(path), address.sun_path, sizeof(address.sun_path)))
		return refuse(option, path, "the path is too long for a unix socket", error);
	fd = listen_at(&address);
	if (fd < 0)
		return refuse(option, path, strerror(errno), error);
	add(out, fd);
	return FW_OK;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	return address->sa_family == AF_INET6 &&
		IN6_IS_ADDR_LOOPBACK(
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

bool fw_listen_is_loopback(const char *text)
{
	const char *reason;
	struct addrinfo *found = resolve(text, &reason);
	bool loopback = found != NULL;

	for (const struct addrinfo *at = found; at; at = at->ai_next)
		loopback = loopback && is_loopback(at->ai_addr);
	if (found)
		freeaddrinfo(found);
	return loopback;
}

void fw_listen_release(struct fw_listen *listening, unsigned index)
{
	listening->sockets[index].fd = -1;
}

static void close_if_open(const struct fw_listen_socket *socket)
{
	struct stat status;

	if (socket->fd >= 0 && fstat(socket->fd, &status) == 0 &&
		status.st_dev == socket->known.st_dev && status.st_ino == socket->known.st_ino)
		close(socket->fd);
}

void fw_listen_close(struct fw_listen *listening)
{
	for (unsigned i = 0; i < listening->count; i++)
		close_if_open(&listening->sockets[i]);
	listening->count = 0;
}
