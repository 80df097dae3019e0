/* The broker's file, all integers but store ids in network order:
 *
 *   0  magic (15)   15 checksum, unused (4)   19 version (4)
 *   23 chunks, each: type (4), length (4), body
 *
 *   type 2, a message:
 *     0  store id (8)     8  expiry (8)      16 length of the payload (4)
 *     20 source mid (2)   22 length of the client id (2)   24 of the user name (2)
 *     26 of the topic (2) 28 port (2)        30 qos        31 retain
 *     32 client id, user name, topic, payload, properties
 *   type 4, a retained message:
 *     0  store id (8)
 *
 * Messages stand before what refers to them. Nothing is read beyond the end, whatever lengths say.
 */
#include "broker/retained.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/conf.h"
#include "protocol/topic.h"

#define HEADER 23u
#define MESSAGE 32u
#define MESSAGES_MAX 100000u /* of firmware topics; more are not remembered */
#define NAMED_MAX 4u         /* in the line: the broker cuts a line at 1000 bytes */

/* --- the configuration --- */

struct persistence {
	bool on;
	char location[PATH_MAX], file[NAME_MAX + 1];
};

static void take_line(void *context, const struct fw_conf_line *line)
{
	struct persistence *out = context;
	const char *word = line->word;

	if (strcmp(word, "persistence") == 0 || strcmp(word, "retained_persistence") == 0)
		out->on = fw_conf_is_true(line->value);
	else if (strcmp(word, "persistence_location") == 0)
		snprintf(out->location, sizeof(out->location), "%s", line->value);
	else if (strcmp(word, "persistence_file") == 0)
		snprintf(out->file, sizeof(out->file), "%s", line->value);
}

enum fw_status fw_retained_file(const char *conf, char *path, size_t size)
{
	struct persistence persistence = {.file = "mosquitto.db"};
	const char *preset = getenv("MOSQUITTO_PERSISTENCE_LOCATION"); /* 2.1 */
	int len;

	if (preset)
		snprintf(persistence.location, sizeof(persistence.location), "%s", preset);
	/* what cannot be read says nothing */
	fw_conf_read(conf, take_line, &persistence);
	if (!persistence.on)
		return FW_NOT_FOUND;
	len = snprintf(path, size, "%s%s%s", persistence.location,
		persistence.location[0] ? "/" : "", persistence.file);
	return len >= 0 && (size_t)len < size ? FW_OK : FW_NOT_FOUND;
}

/* --- the file --- */

struct message {
	uint64_t store_id;
	struct fw_slice topic;
};

struct scan {
	const unsigned char *at, *end;
	struct message *messages; /* on firmware topics, sorted by store id once `sorted` */
	size_t count, room;
	bool sorted;
	size_t retained;
	struct fw_slice named[NAMED_MAX];
};

static uint32_t big32(const unsigned char *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return be32toh(number);
}

static size_t big16(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static bool is_firmware_topic(struct fw_slice topic)
{
	char text[FW_TOPIC_BUFFER + 64];
	struct fw_topic parsed;

	if (!topic.len || topic.at[0] != '/' || !fw_slice_copy(topic, text, sizeof(text)))
		return false;
	fw_topic_parse(text, &parsed);
	return parsed.kind != FW_TOPIC_OTHER;
}

static enum fw_status add_message(struct scan *scan, const unsigned char *body, size_t len)
{
	struct message message;
	size_t before, topic_len;

	if (len < MESSAGE)
		return FW_OK;
	before = MESSAGE + big16(body + 22) + big16(body + 24);
	topic_len = big16(body + 26);
	if (topic_len > len || before > len - topic_len)
		return FW_OK;
	memcpy(&message.store_id, body, sizeof(message.store_id));
	message.topic = (struct fw_slice){(const char *)body + before, topic_len};
	if (!body[31] || !is_firmware_topic(message.topic) || scan->count == MESSAGES_MAX)
		return FW_OK;
	if (scan->count == scan->room) {
		size_t room = scan->room ? 2 * scan->room : 64;
		struct message *more = reallocarray(scan->messages, room, sizeof(*more));

		if (!more)
			return FW_NOMEM;
		scan->messages = more;
		scan->room = room;
	}
	scan->messages[scan->count++] = message;
	return FW_OK;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = ((const struct message *)a)->store_id,
		 right = ((const struct message *)b)->store_id;

	return (left > right) - (left < right);
}

static void count_retained(struct scan *scan, const unsigned char *body, size_t len)
{
	struct message wanted = {0}, *found;

	if (len < sizeof(wanted.store_id) || !scan->count)
		return;
	if (!scan->sorted)
		qsort(scan->messages, scan->count, sizeof(wanted), compare);
	scan->sorted = true;
	memcpy(&wanted.store_id, body, sizeof(wanted.store_id));
	found = bsearch(&wanted, scan->messages, scan->count, sizeof(wanted), compare);
	if (!found)
		return;
	if (scan->retained < NAMED_MAX)
		scan->named[scan->retained] = found->topic;
	scan->retained++;
}

static enum fw_status scan_chunks(struct scan *scan)
{
	enum fw_status status = FW_OK;

	while (status == FW_OK && scan->end - scan->at >= 8) {
		uint32_t type = big32(scan->at);
		size_t len = big32(scan->at + 4);

		scan->at += 8;
		if (len > (size_t)(scan->end - scan->at))
			break;
		if (type == 2 && !scan->sorted)
			status = add_message(scan, scan->at, len);
		else if (type == 4)
			count_retained(scan, scan->at, len);
		scan->at += len;
	}
	return status;
}

static void write_line(const struct scan *scan, char *line, size_t size)
{
	char topics[NAMED_MAX * (FW_TOPIC_BUFFER + 66)] = "";
	size_t used = 0;

	for (size_t i = 0; i < NAMED_MAX && i < scan->retained; i++)
		used += (size_t)snprintf(topics + used, sizeof(topics) - used, "%s%.*s",
			i ? ", " : "", (int)scan->named[i].len, scan->named[i].at);
	snprintf(line, size,
		"%zu retained messages on firmware topics are older than the plugin,"
		" and each client that subscribes gets them:"
		" clear each with 'mosquitto_pub -r -n -t TOPIC', as a user of "
		"plugin_opt_operators;"
		" the topics are: %s%s",
		scan->retained, topics, scan->retained > NAMED_MAX ? ", and more" : "");
	fw_make_line(line);
}

static enum fw_status scan_bytes(const unsigned char *bytes, size_t len, char *line, size_t size)
{
	static const unsigned char magic[15] = {
		0x00, 0xb5, 0x00, 'm', 'o', 's', 'q', 'u', 'i', 't', 't', 'o', ' ', 'd', 'b'};
	struct scan scan = {.at = bytes + HEADER, .end = bytes + len};
	enum fw_status status;

	if (memcmp(bytes, magic, sizeof(magic)) != 0 || big32(bytes + 19) < 5 ||
		big32(bytes + 19) > 6)
		return FW_CORRUPT;
	status = scan_chunks(&scan);
	if (status == FW_OK && scan.retained)
		write_line(&scan, line, size);
	free(scan.messages);
	return status == FW_OK && !scan.retained ? FW_NOT_FOUND : status;
}

enum fw_status fw_retained_describe(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum fw_status status = FW_NOT_FOUND;
	struct stat stat;
	void *bytes;

	if (fd < 0)
		return FW_NOT_FOUND;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size >= HEADER) {
		/* the broker never writes into it: it makes another one, and renames that */
		bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		status = bytes == MAP_FAILED ? FW_NOMEM
					     : scan_bytes(bytes, (size_t)stat.st_size, line, size);
		if (bytes != MAP_FAILED)
			munmap(bytes, (size_t)stat.st_size);
	}
	close(fd);
	return status;
}
