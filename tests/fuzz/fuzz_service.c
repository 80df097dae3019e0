/* The whole plugin but the broker's side, on a real catalog, driven through any sequence of events:
 * messages of devices, operators and strangers, connections, ticks, the store's rounds, operators'
 * SQL, restarts without a last word, time that passes. What must hold of any sequence is checked at
 * each publication and verdict, and of the rows at the end. */
#include "stepped.h"

#include "service/internal.h"
#include "service_world.h"
#include "service_checks.h"
#include "service_catalog.h"

#define PAYLOAD_MAX 512u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* --- events --- */

static void overtake(struct fw_slice product, struct fw_slice device)
{
	for (size_t i = 0; i < world.accepted_count; i++) {
		if (!product.len ||
			(same(product, world.accepted[i].product) &&
				same(device, world.accepted[i].device)))
			world.accepted[i].overtaken = true;
	}
}

/* An uplink was kept. */
static void note_accepted(const struct fw_topic *topic, const char *version, bool tracked)
{
	struct accepted *next = &world.accepted[world.accepted_count];

	overtake(topic->product, topic->device);
	if (!tracked)
		return;
	fw_slice_copy(topic->product, next->product, sizeof(next->product));
	fw_slice_copy(topic->device, next->device, sizeof(next->device));
	next->version = version;
	next->timestamp = world.stamp;
	next->overtaken = false;
	world.accepted_count++;
}

static uint64_t kept(void)
{
	const struct fw_counters *counters = &world.service->counters;

	return fw_count_get(counters, FW_COUNT_PROGRESS) +
		fw_count_get(counters, FW_COUNT_REPORTS) + fw_count_get(counters, FW_COUNT_REPLIES);
}

static enum fw_verdict send(const struct fw_incoming *request)
{
	const struct fw_client client = {world.sender, world.sender->id, world.sender->username};
	uint64_t last = fw_spool_last(fw_store_spool(world.service->store));
	bool fails = world.publish_fails > 0;
	enum fw_verdict verdict;

	world.published = 0;
	world.in_message = true;
	verdict = fw_service_message(world.service, &client, request);
	world.in_message = false;
	check(verdict != FW_NO_ACK);
	if (!client.id)
		check(verdict == FW_PASS);
	else
		check((verdict == FW_DENY) == !may_send(&world.asked) ||
			(verdict == FW_DENY && may_be_foreign(&world.asked)));
	check(verdict != FW_ANSWERED || world.asked.kind == FW_TOPIC_READ);
	/* nothing of ours is ever retained */
	check((verdict == FW_PASS_UNRETAINED) ==
		(client.id && request->retain && request->len &&
			world.asked.kind != FW_TOPIC_OTHER && verdict != FW_DENY &&
			verdict != FW_ANSWERED));
	if (verdict == FW_DENY || !client.id)
		check(fw_spool_last(fw_store_spool(world.service->store)) == last &&
			(world.published == 0 || world.late));
	else if (!fails && !world.late && !world.vandalized)
		check(world.published <= 1 &&
			(world.asked.kind != FW_TOPIC_PULL || world.published == 1) &&
			(verdict != FW_ANSWERED || world.published == 1));
	return verdict;
}

static const struct properties *take_properties(struct properties *properties)
{
	uint8_t choice = take();

	if (!(choice & 1))
		return NULL;
	properties->response_topic = response_topics[(choice >> 1) % COUNT(response_topics)];
	properties->correlation = choice & 64 ? take_bytes(64, &properties->correlation_len) : NULL;
	return properties;
}

/* A payload as a device would write it, with a timestamp of its own. *version: what a report tells,
 * if that is plain text. */
static size_t write_payload(enum fw_topic_kind kind, char *out, const char **version)
{
	const char *named = PICK(versions), *other = PICK(versions), *firmware = PICK(firmware_ids);
	uint8_t bits = take();
	int len;

	/* a clock of the year 1970 says nothing: near the broker's, and never the same twice */
	world.stamp = fw_now_ms() > world.stamp ? fw_now_ms() : world.stamp + 1;
	switch (kind) {
	case FW_TOPIC_REPORT:
	case FW_TOPIC_READ_REPLY:
		len = snprintf(out, PAYLOAD_MAX, "{\"timestamp\":%lld,\"version\":\"%s\"}",
			(long long)world.stamp, named);
		*version = named[0] && !strchr(named, '\\') ? named : NULL;
		break;
	case FW_TOPIC_PULL:
		len = snprintf(out, PAYLOAD_MAX,
			"{\"messageId\":%u,\"currentVersion\":\"%s\",\"requestVersion\":\"%s\"}",
			bits, bits & 1 ? named : "", bits & 2 ? other : "");
		break;
	case FW_TOPIC_CHUNK:
		len = snprintf(out, PAYLOAD_MAX,
			"{\"firmwareId\":\"%s\",\"offset\":%u,\"length\":%u}",
			bits & 1 ? "filed" : firmware, bits * 7u, bits + 0u);
		break;
	default:
		len = snprintf(out, PAYLOAD_MAX,
			"{\"timestamp\":%lld,\"progress\":%d,\"complete\":%s,\"success\":%s,"
			"\"firmwareId\":\"%s\",\"version\":\"%s\",\"errorReason\":\"%s\"}",
			(long long)world.stamp, bits % 101, bits & 1 ? "true" : "false",
			bits & 2 ? "true" : "false", firmware, bits & 4 ? named : "",
			bits & 8 ? other : "");
	}
	return (size_t)len;
}

static void send_generated(void)
{
	const char *product = PICK(products), *device = PICK(devices), *version = NULL;
	enum fw_topic_kind kind = (enum fw_topic_kind)(1 + take() % (FW_TOPIC_KINDS - 1));
	struct properties properties = {0};
	char topic[512], payload[PAYLOAD_MAX];
	uint64_t before = kept();
	uint8_t how = take();
	struct fw_incoming request = {
		.topic = topic, .payload = payload, .qos = how % 3, .retain = how & 128};
	enum fw_verdict verdict;
	bool told;

	world.sender = &PICK(people);
	snprintf(topic, sizeof(topic), "/%s/%s/firmware/%s%s", product, device, fw_topic_tail(kind),
		kind == FW_TOPIC_CHUNK_REPLY ? "/x/0" : "");
	fw_topic_parse(topic, &world.asked);
	request.len = write_payload(kind, payload, &version);
	request.properties = world.properties = take_properties(&properties);
	verdict = send(&request);
	told = kind == FW_TOPIC_UPGRADE_PROGRESS || version;
	/* the three products of the beginning stay: they have devices */
	if (told && verdict == FW_PASS && world.sender->id && may_send(&world.asked) &&
		!world.vandalized && product[0] && strchr("lot", product[0]) &&
		strcmp(product, "stranger") != 0)
		check(kept() == before + 1);
	if (kept() > before)
		note_accepted(&world.asked, version, told);
	else if (kind == FW_TOPIC_PULL)
		overtake(world.asked.product, world.asked.device);
}

static void send_raw(void)
{
	static const char plain[] = "/lamp/d1/firmware/";
	struct properties properties = {0};
	char topic[FW_TOPIC_BUFFER + 256];
	struct fw_incoming request = {.topic = topic};
	size_t len;
	uint8_t bits = take();
	const uint8_t *bytes = take_bytes(200, &len);

	world.sender = &PICK(people);
	snprintf(topic, sizeof(topic), "%s%.*s", bits & 1 ? plain : "", (int)len,
		(const char *)bytes);
	if (bits & 2)
		snprintf(topic, sizeof(topic), "%s%s", plain,
			fw_topic_tail((enum fw_topic_kind)(bits / 4 % FW_TOPIC_KINDS)));
	fw_topic_parse(topic, &world.asked);
	request.payload = take_bytes(255, &request.len);
	request.properties = world.properties = take_properties(&properties);
	request.retain = bits & 64;
	send(&request);
	overtake(world.asked.product, world.asked.device);
}

static void connection(uint8_t what)
{
	static const char *const filters[] = {
		"#", "/lamp/d1/firmware/#", "x", "", "/+/+/firmware/upgrade", "$share/g/#"};
	const struct person *person = &PICK(people);
	const struct fw_client client = {person, person->id, person->username};

	if (!person->id)
		return; /* broker/events.c leaves them out */
	if (what == 0)
		fw_service_connected(world.service, &client, take() & 1);
	else if (what == 1)
		fw_service_subscribed(world.service, &client, PICK(filters));
	else
		fw_service_gone(world.service, &client,
			&(struct fw_takeover_client){
				.handle = person, .id = person->id, .clean = true},
			FW_ENDING_UNTOLD);
}

static void tick(void)
{
	for (unsigned i = 0;
		i < 10000 && fw_chunks_under_way(fw_download_chunks(world.service->download));
		i++) {
		fw_service_tick(world.service);
		usleep(20);
	}
	check(fw_service_tick(world.service) >= 0);
	world.late = false;
}

static void operate(const char *sql)
{
	sqlite3_stmt *statement = NULL;
	const uint8_t *bytes;
	int64_t number;
	size_t len;

	if (sqlite3_prepare_v2(world.operator, sql, -1, &statement, NULL) != SQLITE_OK)
		return;
	sqlite3_bind_text(statement, 1, PICK(products), -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, PICK(devices), -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 3, PICK(firmware_ids), -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 4, PICK(task_ids), -1, SQLITE_STATIC);
	if (sqlite3_bind_parameter_count(statement) > 4) {
		bytes = take_bytes(200, &len);
		sqlite3_bind_blob(statement, 5, bytes, (int)len, SQLITE_STATIC);
		number = take();
		sqlite3_bind_int64(statement, 6, number << take() % 48);
	}
	sqlite3_step(statement);
	sqlite3_finalize(statement);
	if (strstr(sql, "INTO device") || strstr(sql, "FROM device"))
		overtake((struct fw_slice){NULL, 0}, (struct fw_slice){NULL, 0});
}

static void end_transaction(void)
{
	sqlite3_exec(world.operator, "ROLLBACK", NULL, NULL, NULL);
}

/* Without the store's last words, as after a crash: what was acknowledged is in the spool. */
static bool restart(void)
{
	end_transaction();
	fw_service_close(world.service);
	world.late = false;
	return open_service();
}

static void pass_time(void)
{
	int64_t units = 1 + take();

	skipped_ms += units << take() % 24;
	world.late = true;
	if (take() & 1)
		tick();
}

/* False: the service is gone. */
static bool happen(void)
{
	uint8_t event = take() % 20;
	bool more;

	if (event < 7)
		send_generated();
	else if (event < 9)
		send_raw();
	else if (event < 12)
		connection(event - 9);
	else if (event == 12)
		tick();
	else if (event < 15)
		step_store(&more);
	else if (event < 17)
		operate(PICK(statements));
	else if (event == 17)
		pass_time();
	else if (event == 18)
		world.publish_fails = take() % 3;
	else if (take() % 8 == 0) {
		world.vandalized = true;
		operate(PICK(vandalism));
	} else
		return restart();
	return true;
}

/* --- the end --- */

static void catch_up(void)
{
	enum fw_status status = FW_OK;
	bool more = true;

	for (unsigned i = 0; i < 1000 && more; i++) {
		status = step_store(&more);
		fw_service_tick(world.service);
		more |= status != FW_OK && !world.vandalized;
	}
	check(world.vandalized || (status == FW_OK && !more));
}

static void check_rows(void)
{
	check(stepped_store->ingest.rejected == 0);
	check(fw_store_applied(stepped_store) == fw_spool_last(fw_store_spool(stepped_store)));
	for (size_t i = 0; i < world.accepted_count; i++) {
		const struct accepted *one = &world.accepted[i];

		if (!one->version)
			check(ask("SELECT count(*) FROM progress_log WHERE product_id = ?1 AND "
				  "device_id = ?2 AND reported_at = ?3",
				      one) == 1);
		else if (!one->overtaken)
			check(ask("SELECT count(*) FROM device WHERE product_id = ?1 AND device_id "
				  "= ?2 AND version = ?3",
				      one) == 1);
	}
	check(ask("SELECT count(*) FROM task_count c WHERE (waiting, processing, success, failed, "
		  "canceled) <>"
		  " (SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE "
		  "state = 'processing'), count(*) FILTER (WHERE state = 'success'),"
		  " count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = "
		  "'canceled') FROM task_device td WHERE td.task_id = c.task_id)",
		      NULL) == 0);
	check(ask("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
		      NULL) == 0);
	check(ask("SELECT count(*) FROM pragma_foreign_key_check", NULL) == 0);
	check(ask("SELECT plugin_writing FROM catalog_state", NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	bool alive = true;

	if (!template)
		make_template();
	memset(&world, 0, sizeof(world));
	skipped_ms = 0;
	world.at = bytes;
	world.end = bytes + len;
	remove_files();
	write_file(catalog_path, template, template_len);
	set_options(take());
	check(open_service());
	open_operator();
	for (unsigned i = 0; alive && i < EVENTS_MAX && world.at < world.end; i++)
		alive = happen();
	end_transaction();
	if (alive) {
		world.late = true;
		catch_up();
		if (!world.vandalized)
			check_rows();
		fw_service_close(world.service);
	}
	sqlite3_close(world.operator);
	fw_options_clear(&world.options);
	return 0;
}
