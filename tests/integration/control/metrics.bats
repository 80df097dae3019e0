#!/usr/bin/env bats
# The metrics of a broker at work, read by curl, by promtool and by a real Prometheus.

load ../files_helper
load ../task_helper

setup() {
	METRICS_PORT=$(free_port)
	METRICS=http://127.0.0.1:$METRICS_PORT/metrics
	start_broker 'plugin_opt_operators admin' "plugin_opt_metrics_listen 127.0.0.1:$METRICS_PORT"
	catalog
	cd "$BATS_TEST_TMPDIR" || return 1
}

# NAME{LABELS}: its value.
value() { curl -sf "$METRICS" | grep -v '^#' | grep -F "mosquitto_firmware_$1 " | cut -d' ' -f2; }
value_is() { [[ $(value "$1") == "$2" ]]; }

# NAME{LABELS} VALUE...: all must have these values soon.
all_are() {
	while (($#)); do
		retry 10 value_is "$1" "$2" || { echo "$1 is '$(value "$1")', not $2"; return 1; }
		shift 2
	done
}

# Once in a file: the programs of Debian's package, without installing it, which starts a server.
fetch_prometheus() {
	[[ ! -e $BATS_FILE_TMPDIR/fetched ]] || return 0
	(
		cd "$BATS_FILE_TMPDIR"
		timeout 60 apt-get -q download prometheus && dpkg -x prometheus_*.deb prometheus
	) >"$BATS_FILE_TMPDIR/fetched" 2>&1 </dev/null 3>&- || cat "$BATS_FILE_TMPDIR/fetched"
}

needs() { # COMMAND
	PATH=$PATH:$BATS_FILE_TMPDIR/prometheus/usr/bin
	[[ -n $(type -P "$1") ]] || fetch_prometheus
	command -v "$1" >/dev/null || skip "$1 is not installed, and its package (prometheus) could not be had"
}

# The names of all metrics, as their samples have them, without what belongs to a histogram.
names() {
	grep -o '^mosquitto_firmware_[a-z_]*' "$1" | sed -E 's/_(bucket|sum|count)$//' | sort -u
}

# All families have samples; they are in the file `text`.
tells_task() {
	curl -sf "$METRICS" >text
	grep -q '^mosquitto_firmware_task_paused{' text
}

@test "what devices say, and what becomes of their upgrades" {
	start_fleet
	online d1 d2
	all_are 'devices{product="lamp"}' 2 'devices_online{product="lamp"}' 2 reports_total 2
	pull d3 '{"currentVersion":"2.0"}'
	pull d4 '{"requestVersion":"none"}'
	pub -q 1 -i evil -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	all_are 'pulls_total{code="no_update"}' 1 'pulls_total{code="version_not_found"}' 1 \
		messages_refused_total 1
	task t 2.0 push 'd1 d2'
	all_are 'task_devices{task="t",product="lamp",state="processing"}' 2 pushes_total 2
	progress d1 '{"progress":100,"complete":true,"success":true}'
	progress d2 '{"complete":true,"success":false,"errorReason":"secret cause"}'
	all_are 'task_devices_finished_total{result="success",failure=""}' 1 progress_total 2 \
		'task_devices_finished_total{result="failed",failure="device"}' 1 \
		upgrade_duration_seconds_count 1 'upgrade_duration_seconds_bucket{le="+Inf"}' 1
	db "UPDATE task_device SET state = 'waiting' WHERE device_id = 'd2';
		UPDATE task SET state = 'paused' WHERE task_id = 't'"
	all_are 'task_paused{task="t",product="lamp"}' 1 \
		'firmware{state="ready"}' "$(db "SELECT count(*) FROM firmware WHERE state = 'ready'")"
	curl -sf "$METRICS" >text
	refute grep -E 'd[1-4]"|secret' text
}

@test "an operator's stop is counted, once for each device" {
	unseen d1 d2 d3
	task t 2.0 pull 'd1 d2 d3'
	db "UPDATE task SET state = 'stopped' WHERE task_id = 't'"
	all_are 'task_devices_finished_total{result="canceled",failure=""}' 3
	assert_equal "$(value 'task_devices{task="t",product="lamp",state="canceled"}')" ''
}

@test "an operator's transaction: the spool waits, the metrics do not" {
	local ready before
	assert_equal "$(value spool_oldest_timestamp_seconds)" 0.000
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo "BEGIN IMMEDIATE; SELECT 'open';" >&"${OPERATOR[1]}"
	read -r ready <&"${OPERATOR[0]}"
	assert_equal "$ready" open
	before=$(date +%s)
	say d1 report '{"version":"1.0"}'
	waits() { (($(value spool_oldest_timestamp_seconds | cut -d. -f1) >= before)); }
	retry 10 waits
	(($(value spool_bytes) > 0))
	assert_equal "$(value 'devices{product="lamp"}')" 0
	echo 'ROLLBACK;' >&"${OPERATOR[1]}"
	all_are spool_oldest_timestamp_seconds 0.000 spool_bytes 0 'devices{product="lamp"}' 1
}

@test "both formats, and nothing else" {
	local url=${METRICS%/metrics}
	curl -sf -D head -o body "$METRICS"
	grep -qi '^content-type: text/plain; version=0.0.4' head
	curl -sf -D head -o open -H 'Accept: application/openmetrics-text;version=1.0.0' "$METRICS"
	grep -qi '^content-type: application/openmetrics-text; version=1.0.0' head
	assert_equal "$(tail -n 1 open)" '# EOF'
	assert_equal "$(names open)" "$(names body)"
	for path in / /firmware/lamp-2.0/a /metrics/x /api/v1/tasks; do
		assert_equal "$(status_of "$url$path")" 404
	done
	assert_equal "$(status_of -X POST -d x "$METRICS")" 405
}

@test "every metric is told in the document, and none that is not there" {
	local document=$FW_SOURCE/plugin/doc/metrics.md
	unseen d1
	task t 2.0 push d1
	retry 10 tells_task
	# shellcheck disable=SC2016 # the document's backquotes
	sed -n 's/^| `\([a-z_]*\)` | .*/mosquitto_firmware_\1/p' "$document" | sort -u >told
	diff told <(names text)
	# what the dashboard and the alerts ask for
	jq -e . "$FW_SOURCE/plugin/doc/grafana.json" >/dev/null
	cat "$FW_SOURCE"/plugin/doc/{grafana.json,alerts.yml} |
		grep -o 'mosquitto_firmware_[a-z_]*' | sed 's/_bucket$//' | sort -u >asked
	(($(wc -l <asked) > 15))
	assert_equal "$(comm -23 asked told)" ''
}

@test "an address that cannot be listened on" {
	stop_broker
	sed -i 's/metrics_listen .*/metrics_listen 192.0.2.1:9/' "$BROKER_DIR/mosquitto.conf"
	refuses_to_start
	[[ $output == *"plugin_opt_metrics_listen: cannot listen on '192.0.2.1:9'"* ]]
}

@test "promtool finds nothing to say against the metrics" {
	needs promtool
	unseen d1
	task t 2.0 push d1
	retry 10 tells_task
	assert_equal "$(promtool check metrics <text 2>&1)" ''
}

@test "the alert rules are well-formed, and fire when they should" {
	needs promtool
	local rules=$FW_SOURCE/plugin/doc/alerts.yml
	promtool check rules "$rules"
	sed "s#RULES\$#$rules#" "$FW_SOURCE/tests/integration/control/alerts_test.yml" >alerts_test.yml
	promtool test rules alerts_test.yml
	# and the test can fail
	sed 's/wal_bytes > 256/wal_bytes > 512/' "$rules" >lax.yml
	sed -i "s#$rules#$PWD/lax.yml#" alerts_test.yml
	refute promtool test rules alerts_test.yml
}

# PATH OPTION of curl...: what Prometheus answers there.
api() { curl -sf "${@:2}" "http://127.0.0.1:$PROMETHEUS_PORT/api/v1/$1"; }

# QUERY: the value that Prometheus gives.
asked() {
	api query --get --data-urlencode "query=$1" | jq -r '.data.result[0].value[1] // empty'
}
asked_is() { [[ $(asked "$1") == "$2" ]]; }

@test "Prometheus scrapes it by the document's job, and knows what it is asked" {
	needs prometheus
	PROMETHEUS_PORT=$(free_port)
	say d1 report '{"version":"2.0"}'
	for _ in 1 2 3; do pull d1 '{"currentVersion":"2.0"}'; done
	# shellcheck disable=SC2016 # the document's fences
	{
		awk '/^```/ { inside = $0 == "```yaml"; next } inside' "$FW_SOURCE/plugin/doc/metrics.md" |
			sed "s/127.0.0.1:9091/127.0.0.1:$METRICS_PORT/; s/15s/1s/"
		printf 'rule_files: [%s]\n' "$FW_SOURCE/plugin/doc/alerts.yml"
	} >prometheus.yml
	grep -q 'job_name: mosquitto-firmware' prometheus.yml
	prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb \
		--web.listen-address="127.0.0.1:$PROMETHEUS_PORT" >prometheus.log 2>&1 3>&- &
	BACKGROUND+=($!)
	retry 20 asked_is 'up{job="mosquitto-firmware"}' 1
	retry 10 asked_is 'mosquitto_firmware_pulls_total{code="no_update"}' 3
	retry 10 asked_is 'sum(mosquitto_firmware_devices_by_version{product="lamp",version="2.0"})' 1
	assert_equal "$(asked 'count(mosquitto_firmware_upgrade_duration_seconds_bucket)')" 14
	# it took the format that it prefers
	assert_equal "$(api metadata?metric=mosquitto_firmware |
		jq -r '.data.mosquitto_firmware[0].type')" info
	assert_equal "$(api rules |
		jq '[.data.groups[].rules[] | select(.health != "err")] | length')" 7
	stop_broker
	retry 15 asked_is 'up{job="mosquitto-firmware"}' 0
}
