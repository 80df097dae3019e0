/* Counts the clients of a server by their addresses. The library's own limit counts for each
 * listening socket by itself, and takes each of the many addresses of an IPv6 client for another
 * client. */
#include "http/slots.h"

#include <netinet/in.h>
#include <string.h>

enum fw_status fw_http_slots_init(struct fw_http_slots *slots)
{
	pthread_mutex_init(&slots->lock, NULL);
	slots->addresses = fw_table_new(0);
	return slots->addresses ? FW_OK : FW_NOMEM;
}

void fw_http_slots_close(struct fw_http_slots *slots)
{
	fw_table_free(slots->addresses);
	pthread_mutex_destroy(&slots->lock);
}

struct fw_http_address fw_http_address_of(const struct sockaddr *address)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct fw_http_address out = {.loopback = false};

	memset(out.bytes, 0, sizeof(out.bytes));
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

		out.bytes[0] = 4;
		memcpy(out.bytes + 1, &v4->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct in6_addr *v6 =
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

		/* an IPv4 client of a socket that takes both is the same client */
		out.bytes[0] = memcmp(v6, mapped, sizeof(mapped)) == 0 ? 4 : 6;
		memcpy(out.bytes + 1, v6->s6_addr + (out.bytes[0] == 4 ? 12 : 0),
			out.bytes[0] == 4 ? 4 : 8);
		out.loopback = IN6_IS_ADDR_LOOPBACK(v6);
	}
	out.loopback |= out.bytes[0] == 4 && out.bytes[1] == 127;
	return out;
}

static struct fw_slice key_of(const struct fw_http_address *address)
{
	return (struct fw_slice){address->bytes, sizeof(address->bytes)};
}

static uintptr_t count_of(const struct fw_http_slots *slots, const struct fw_http_address *address)
{
	return (uintptr_t)fw_table_get(slots->addresses, key_of(address));
}

bool fw_http_slots_admit(struct fw_http_slots *slots, const struct sockaddr *address)
{
	struct fw_http_address from = fw_http_address_of(address);
	bool room;

	pthread_mutex_lock(&slots->lock);
	room = slots->taken < slots->most &&
		count_of(slots, &from) < (from.loopback ? slots->loopback : slots->per_address);
	pthread_mutex_unlock(&slots->lock);
	return room;
}

enum fw_status fw_http_slots_take(struct fw_http_slots *slots, struct fw_http_slot *slot)
{
	enum fw_status status;

	pthread_mutex_lock(&slots->lock);
	slot->since = fw_boot_ms();
	status = fw_table_put(slots->addresses, key_of(&slot->address),
		(void *)(count_of(slots, &slot->address) + 1), NULL);
	if (status == FW_OK) {
		slot->next = slots->first;
		slot->previous = NULL;
		if (slot->next)
			slot->next->previous = slot;
		slots->first = slot;
		slots->taken++;
	}
	pthread_mutex_unlock(&slots->lock);
	return status;
}

void fw_http_slots_leave(struct fw_http_slots *slots, struct fw_http_slot *slot)
{
	uintptr_t left;

	pthread_mutex_lock(&slots->lock);
	if (slot->previous)
		slot->previous->next = slot->next;
	else
		slots->first = slot->next;
	if (slot->next)
		slot->next->previous = slot->previous;
	slots->taken--;
	left = count_of(slots, &slot->address) - 1;
	if (left)
		/* never fails: it is there */
		fw_table_put(slots->addresses, key_of(&slot->address), (void *)left, NULL);
	else
		fw_table_remove(slots->addresses, key_of(&slot->address));
	pthread_mutex_unlock(&slots->lock);
}

bool fw_http_slots_crowded(const struct fw_http_slots *slots)
{
	return slots->taken > slots->most / 4 * 3;
}
