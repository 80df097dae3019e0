# The page in a headless Chromium, driven as a person does: tests/integration/page/walks.py. In the default suite one walk; the
# others in the long form. Pictures of what was seen are kept in pictures/ beside the plugin.

load ../admin_helper

setup() { :; }

PICTURES=${FW_PLUGIN%/*}/pictures
export PICTURES

needs_chromium() {
	{ command -v chromium && command -v chromedriver; } >/dev/null || skip 'no chromium and chromium-driver: apt-get install chromium chromium-driver'
}

# A broker with the page and files_dir.
start_page() {
	local port
	port=$(free_port)
	mkdir -p "$BATS_TEST_TMPDIR/firmware"
	start_admin "plugin_opt_http_listen 127.0.0.1:$port"
	export BROKER_SOCKET=$BROKER_DIR/socket
}

walk() { timeout "${WALK_SECONDS:-240}" /usr/bin/python3 "$FW_SOURCE/tests/integration/page/walks.py" "$1" "$ADMIN" "${@:2}"; }

# A task of three devices: one done, one failed, one waiting; and what an overview has to show.
nightly() {
	db "BEGIN IMMEDIATE;
		INSERT INTO device (product_id, device_id, name, version) VALUES ('lamp', 'lamp-1', 'Gate', '1.0'),
			('lamp', 'lamp-2', '', '1.0'), ('lamp', 'lamp-3', '<img src=x onerror=alert(1)>', '2.0');
		INSERT INTO task (task_id, firmware_id, name, mode, description)
			SELECT 'nightly', firmware_id, 'Nightly', 'push', 'what was built' FROM firmware WHERE version = '2.0' AND product_id = 'lamp';
		INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('nightly', 1, 10), ('nightly', 2, 100);
		UPDATE catalog_state SET plugin_writing = 1;
		UPDATE task_device SET state = 'failed', failure = 'device', error_reason = '<script>alert(1)</script> flash', attempts = 1,
			completed_at = created_at + 5000 WHERE device_id = 'lamp-2';
		UPDATE catalog_state SET plugin_writing = 0;
		COMMIT;"
}

@test "the page is embedded, compressed, small, and has one digest and a strict policy" {
	local file total=0 status size encoding tag etag='' policy names
	start_page
	names=("$FW_SOURCE"/plugin/web/*.{html,css,js,json,svg})
	names=("${names[@]##*/}")
	# by one connection: STATUS SIZE ENCODING ETAG, and what is in the file
	curl -s -m 20 --remote-name-all -w '%{http_code} %{size_download} %header{content-encoding} %header{etag}\n' "${names[@]/#/$ADMIN/}" >answers
	while read -r status size encoding tag; do
		assert_equal "$status $encoding" '200 gzip'
		total=$((total + size))
		etag=${etag:-$tag}
		assert_equal "$tag" "$etag"
	done <answers
	assert_equal "$(wc -l <answers)" "${#names[@]}"
	for file in "${names[@]}"; do cmp <(gzip -dc <"$file") "$FW_SOURCE/plugin/web/$file"; done
	assert_equal "$(curl -s -m 20 --remote-name-all -w '%{http_code}\n' -H "If-None-Match: $etag" "${names[@]/#/$ADMIN/}" | sort -u)" 304
	echo "$total bytes in all"
	((total > 10000 && total < 102400))
	assert_equal "$(curl -s -m 20 -D head -o body -w '%{http_code}' "$ADMIN/")" 200
	cmp <(gzip -dc body) "$FW_SOURCE/plugin/web/index.html"
	policy=$(header Content-Security-Policy)
	[[ $policy == "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "*"frame-ancestors 'none'" ]]
	[[ $policy != *unsafe* && $policy != *http* ]]
	assert_equal "$(header X-Content-Type-Options)" nosniff
	assert_equal "$(header Referrer-Policy)" no-referrer
}

@test "no file of the page reads text as markup, or asks anything of another server" {
	cd "$FW_SOURCE/plugin/web"
	refute grep -nE 'innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function|srcdoc|javascript:' ./*.{js,html}
	[[ $(grep -ohE 'https?://[a-zA-Z0-9./]*' ./*.{js,html,css,json} | sort -u) == http://www.w3.org/2000/svg ]]
	refute grep -nE '<style|style=|<script>|on(click|load|error)=' ./*.html
}

@test "both languages have each sentence that the page asks for, and the same places in it" {
	/usr/bin/python3 - "$FW_SOURCE/plugin/web" <<-'END'
		import json, pathlib, re, sys
		web = pathlib.Path(sys.argv[1])
		en, zh = (json.loads((web / f"{name}.json").read_text()) for name in ("en", "zh"))
		code = "\n".join(file.read_text() for file in web.glob("*.js"))
		asked = set(re.findall(r"\bt\(\s*'([^']+)'", code))
		missing = {key for key in asked if key not in en}
		assert not missing, f"not in en.json: {missing}"
		assert set(en) == set(zh), f"in one language alone: {set(en) ^ set(zh)}"
		places = lambda text: sorted(set(re.findall(r"\{\w+\}", text)))
		for key in en:
		    assert places(en[key]) == places(zh[key]) or key.endswith(".one"), f"{key}: {en[key]} / {zh[key]}"
		    known = key in asked or any(key.startswith(p) for p in re.findall(r"(?:word|state)\('(\w+)'", code)) or key.endswith(".one")
		    known = known or f"'{key}'" in code or any(key.startswith(p) for p in re.findall(r"t\(`([\w.]+)\$\{", code))
		    assert known, f"nobody asks for {key}"
	END
}

@test "each reason that the plugin writes for a task is one that the page translates" {
	/usr/bin/python3 - "$FW_SOURCE/plugin" <<-'END'
		import pathlib, re, sys
		plugin = pathlib.Path(sys.argv[1])
		rollout = (plugin / "upgrade/rollout.c").read_text()
		known = re.findall(r"^\s+(?:\w+:)?\s*/\^(.*)\$/,$", (plugin / "web/i18n.js").read_text(), re.M)
		known = [re.compile(pattern.replace("(?<", "(?P<")) for pattern in known]
		calls = re.findall(r"snprintf\(out->reason, sizeof\(out->reason\),((?:\s*(?:\"[^\"]*\"|PRId64))+)", rollout)
		written = ["".join(text or "7" for text in re.findall(r'"([^"]*)"|PRId64', call)).replace("%7", "7").replace("%%", "%") for call in calls]
		assert len(written) > 4 and len(known) > 4, (written, known)
		assert len(written) == rollout.count("out->reason,"), written
		for text in written:
		    assert sum(bool(pattern.fullmatch(text)) for pattern in known) == 1, text
	END
}

@test "a newcomer: product, image, staged rollout, why it stopped, retry, end" {
	needs_chromium
	start_page
	db "DELETE FROM firmware; DELETE FROM product; INSERT INTO product (product_id, name, firmware_enabled) VALUES ('toaster', 'Toaster', 0);"
	walk short "$BATS_TEST_TMPDIR/bad"
	db_is "SELECT count(*) FROM task_device WHERE state = 'success'" 60
	db_is "SELECT count(*) > 4 FROM admin_log WHERE who = 'ann' AND outcome = 'ok'" 1
	db_is "SELECT stop_failed_percent, stop_failed_min, response_timeout_seconds = (SELECT dflt_value FROM pragma_table_info('task')
		WHERE name = 'response_timeout_seconds') FROM task" '90|5|1'
	db_is "SELECT parameters, description FROM firmware" '{"build":"1.10","slot":"7"}|what was built'
	db_is "SELECT stop_window, rate_doubles_after, attempt_limit, defer_seconds, retry_limit, retry_on, gate FROM task" \
		'500|1000|7||2|any|complete'
}

@test "a wrong password, and a viewer who may only look" {
	needs_chromium
	only_long
	start_page
	nightly
	walk login
}

@test "the broker is gone: the page says how old it is, and comes back" {
	needs_chromium
	only_long
	start_page
	nightly
	coproc WALK { walk gone "$BROKER" 2>&1; }
	grep -q '^gone$' <&"${WALK[0]}"
	wait "$BROKER" 2>/dev/null || true
	start_broker
	echo >&"${WALK[1]}"
	wait "$WALK_PID"
}

@test "100,000 rows" {
	needs_chromium
	only_long
	start_page
	# as the plugin does: by hand each id is looked at
	db "BEGIN IMMEDIATE;
		UPDATE catalog_state SET plugin_writing = 1;
		INSERT INTO device (product_id, device_id, version, presence) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
			WHERE i < 100000) SELECT 'lamp', printf('lamp-%06d', i), '1.0', 'offline' FROM n;
		UPDATE catalog_state SET plugin_writing = 0;
		INSERT INTO task (task_id, firmware_id, name, mode) SELECT 'nightly', firmware_id, 'Nightly', 'push' FROM firmware
			WHERE version = '2.0' AND product_id = 'lamp';
		UPDATE catalog_state SET plugin_writing = 1;
		UPDATE task_device SET state = 'failed', failure = 'device', error_reason = 'flash', attempts = 1,
			completed_at = created_at + 5000 WHERE device_id LIKE '%7';
		UPDATE catalog_state SET plugin_writing = 0;
		COMMIT;"
	walk many
}

@test "by keyboard alone" {
	needs_chromium
	only_long
	start_page
	nightly
	walk keyboard
}

@test "the pictures of the documents" {
	needs_chromium
	only_long
	start_page
	db "DELETE FROM firmware; DELETE FROM product;"
	PICTURES=$PICTURES/documents walk album "$BATS_TEST_TMPDIR/bad"
	file "$PICTURES/documents/task.png" | grep -q '1180 x 756'
}

@test "in Chinese and in English" {
	needs_chromium
	only_long
	start_page
	nightly
	walk languages
}

@test "each screen in both themes and on a phone, without a finding of axe-core" {
	needs_chromium
	only_long
	local axe=()
	start_page
	nightly
	if command -v npm >/dev/null && (cd "$BATS_TEST_TMPDIR" && npm install --silent --no-save --ignore-scripts axe-core@4 >/dev/null 2>&1); then
		axe=("$BATS_TEST_TMPDIR/node_modules/axe-core/axe.min.js")
	else
		echo '# no axe-core by npm: pictures alone' >&3
	fi
	walk pictures "${axe[@]}"
}
