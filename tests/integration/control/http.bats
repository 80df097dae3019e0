#!/usr/bin/env bats
# The admin server, asked by curl and by hand: who may, from where, and what it does.

load ../admin_helper

setup() { BROKER_DIR=$BATS_TEST_TMPDIR; }

# STATUS OPTION of curl...: GET details gives this status.
details() { assert_equal "$(status_of -m 20 "${@:2}" "$API/details")" "$1"; }

# How many commands succeeded, as the metrics have it.
ok_commands() { curl -s -m 20 -u 'ann:se:cret' "$ADMIN/metrics" | grep 'requests_total{face="http",outcome="ok"}'; }

@test "logins: who may, who may look, who may not, and a cookie" {
	start_admin
	details 200 -u 'ann:se:cret'
	details 200 -u old:sechs
	details 200 -u vic:look
	details 403 -u dev:ice
	details 401 -u ann:secret
	is_error not_authenticated
	details 401 -u nobody:x
	details 401
	details 401 -H 'Authorization: Basic x'
	details 401 -H 'Authorization: Bearer x'
	details 401 -b fw_session=0000000000000000000000000000000000000000000000000000000000000000
	# scripts are told of Basic; a browser, which would ask by itself, is not
	[[ $(curl -si "$API/details") == *'WWW-Authenticate: Basic '* ]]
	[[ $(curl -si -H 'Sec-Fetch-Site: same-origin' "$API/details") != *'Authenticate: Basic'* ]]
	# who may look changes nothing
	assert_equal "$(status_of -u vic:look -H "$JSON" -d '{"productId":"x"}' "$API/products")" 403
	assert_equal "$(status_of -u vic:look -H "$BYTES" -T passwords "$API/files/x")" 403
	assert_equal "$(status_of -u vic:look -X DELETE "$API/products/lamp")" 403
	rows "SELECT count(*) FROM product" 2
	# the page's login
	assert_equal "$(curl -s -o body -c jar -D head -w '%{http_code}' -H "$JSON" -d '{"username":"vic","password":"look"}' "$API/session")" 201
	[[ $(header Set-Cookie) =~ ^fw_session=[0-9a-f]{64}\;\ Path=/\;\ HttpOnly\;\ SameSite=Strict$ ]]
	assert_json "$(<body)" '.username == "vic" and .role == "viewer"'
	details 200 -b jar
	assert_json "$(curl -s -b jar "$API/session")" '.username == "vic"'
	assert_equal "$(status_of -b jar -X DELETE "$API/session")" 200
	details 401 -b jar
	for body in '' '{}' '[]' '{"username":"ann"}' '{"username":1,"password":"x"}' '{"username":"ann","password":"x","x":1}' '{'; do
		assert_equal "$(status_of -H "$JSON" -d "$body" "$API/session")" 400
	done
	assert_equal "$(status_of -H "$JSON" -d '{"username":"ann","password":"x"}' "$API/session")" 401
	# who has not logged in may not have a lot of JSON taken apart
	head -c 20000 /dev/zero | tr '\0' '[' >large
	assert_equal "$(status_of -H "$JSON" --data-binary @large "$API/session")" 413
	assert_equal "$(status_of -H "$JSON" -H 'Transfer-Encoding: chunked' --data-binary @large "$API/session")" 413
	# no login at all, and no command that is counted
	counted=$(ok_commands)
	assert_json "$(curl -s "$ADMIN/healthz")" '.status == "ok"'
	assert_equal "$(ok_commands)" "$counted"
}

@test "five failures: the sixth try waits, whoever it is; a password file that changes is read again" {
	start_admin
	for password in 1 2 3 4 5; do details 401 -u "ann:$password"; done
	details 429 -u 'ann:se:cret'
	is_error too_many_failures
	[[ $(curl -si -u 'ann:se:cret' "$API/details" | tr -d '\r') =~ Retry-After:\ (2[0-9][0-9]|300) ]]
	assert_equal "$(status_of -H "$JSON" -d '{"username":"ann","password":"se:cret"}' "$API/session")" 429
	# from elsewhere
	details 200 -u 'ann:se:cret' --interface 127.0.0.2
	grep -q "admin: login of 'ann' from 127.0.0.1 failed" "$LOG"
	# a new password ends sessions
	curl -s -o /dev/null -c jar -H "$JSON" -d '{"username":"old","password":"sechs"}' --interface 127.0.0.2 "$API/session"
	details 200 -b jar
	mosquitto_passwd -b "$PASSWORDS" old sieben
	details 401 -b jar
	details 200 -u old:sieben --interface 127.0.0.2
	# others may read it: nobody logs in until they may not
	chmod o+r "$PASSWORDS"
	details 503 -u old:sieben --interface 127.0.0.2
	retry 5 grep -q "others may read or write it: run 'chmod o= $PASSWORDS'" "$LOG"
	chmod o= "$PASSWORDS"
	details 200 -u old:sieben --interface 127.0.0.2
}

# STATUS OPTION of curl...: a POST of a new product as ann gives this status.
post() { assert_equal "$(as_ann /products -d '{"productId":"new"}' "${@:2}")" "$1"; }

@test "hosts, origins, types and methods" {
	start_admin 'plugin_opt_admin_hosts admin.example.com, other.example.com:8443'
	details 200 -u 'ann:se:cret' -H "Host: localhost:$PORT"
	details 200 -u 'ann:se:cret' -H 'Host: admin.example.com'
	details 200 -u 'ann:se:cret' -H 'Host: other.example.com:8443'
	for host in evil.example "evil.example:$PORT" other.example.com 127.0.0.1 127.0.0.1:1 "127.0.0.2:$PORT" ''; do
		details 421 -u 'ann:se:cret' -H "Host: $host"
	done
	is_error wrong_host
	assert_equal "$(status_of -H 'Host: evil.example' "$ADMIN/healthz")" 421
	details 421 --http1.0 -H 'Host:'
	# a write
	for origin in http://evil.example null "https://127.0.0.1:$PORT" http://127.0.0.1 "http://localhost:$PORT"; do
		post 403 -H "$JSON" -H "Origin: $origin"
	done
	is_error not_allowed
	post 403 -H "$JSON" -H 'Sec-Fetch-Site: cross-site'
	post 403 -H "$JSON" -H 'Sec-Fetch-Site: same-site'
	for type in application/x-www-form-urlencoded text/plain multipart/form-data 'application/json; charset=utf-16'; do
		post 415 -H "Content-Type: $type"
	done
	is_error unsupported_type
	post 415 -H 'Content-Type:'
	post 415 -H "$BYTES"
	assert_equal "$(as_ann /tasks/x/stop -X POST)" 415
	rows "SELECT count(*) FROM product" 2
	post 201 -H "$JSON" -H "Origin: $ADMIN" -H 'Sec-Fetch-Site: same-origin'
	assert_equal "$(as_ann /products/new -X DELETE)" 200
	# a foreign page uses up nobody's tries
	for _ in {1..6}; do
		assert_equal "$(status_of -u ann:wrong -H "$JSON" -H 'Origin: http://evil.example' -d '{}' "$API/products")" 403
	done
	# methods
	assert_equal "$(as_ann /products -X PUT -H "$JSON")" 405
	assert_equal "$(header Allow)" 'GET, HEAD, POST'
	assert_equal "$(as_ann /products -X OPTIONS -H "$JSON" -H "Origin: $ADMIN")" 405
	refute grep -i access-control head
	assert_equal "$(as_ann /nothing)" 404
	is_error not_found
	assert_equal "$(as_ann /products -I)" 200
	[[ $(header Content-Security-Policy) == "default-src 'none'; script-src 'self';"*"frame-ancestors 'none'" ]]
	assert_equal "$(header X-Content-Type-Options)" nosniff
}

@test "create, read, change and delete; ETags; a PUT that is repeated" {
	start_admin
	assert_equal "$(send POST /products '{"productId":"new","name":"New"}')" 201
	assert_equal "$(send POST /products '{"productId":"new"}')" 409
	assert_equal "$(send POST /products '{"productid":"typo"}')" 400
	assert_equal "$(send POST /products '{"productId":"a","productId":"b"}')" 400
	for body in '{' '[]' '1' '{"productId":"\ud800"}' "$(printf '{"productId":"%b"}' '\0377')"; do
		assert_equal "$(send POST /products "$body")" 400
	done
	shows /products/new '.name == "New"'
	etag=$(header ETag)
	rm body
	assert_equal "$(as_ann /products/new -H "If-None-Match: $etag")" 304
	[[ ! -s body ]]
	assert_equal "$(as_ann /products/new -X PATCH -H "$JSON" -d '{"name":"N"}' -H "If-Match: $ETAG_OF_NOTHING")" 412
	is_error precondition_failed
	assert_equal "$(as_ann /products/new -X PATCH -H "$JSON" -d '{"name":"N"}' -H "If-Match: $etag")" 200
	assert_equal "$(as_ann /products/new -X PATCH -H "$JSON" -d '{"name":"O"}' -H "If-Match: $etag")" 412
	assert_equal "$(as_ann /products/new -H "If-None-Match: $etag")" 200
	assert_equal "$(db "SELECT name FROM product WHERE product_id = 'new'")" N
	assert_equal "$(as_ann /products/new -X DELETE)" 200
	assert_equal "$(as_ann /products/new)" 404
	shows '/products?count=1' '.items[0].productId == "lamp" and .next'
	shows "/products?count=1&after=$(jq -r '.next | @uri' body)" '.items[0].productId == "oven" and .next == null'
	assert_equal "$(as_ann '/products?typo=1')" 400
	assert_equal "$(as_ann '/products?count=x')" 400
	# a script may repeat it
	task='{"firmwareId":"lamp-2.0","name":"T","mode":"pull"}'
	assert_equal "$(send PUT /tasks/t1 "$task")" 201
	assert_equal "$(send PUT /tasks/t1 "$task")" 200
	assert_json "$(<body)" '.taskId == "t1"'
	assert_equal "$(send PUT /tasks/t1 '{"firmwareId":"lamp-1.1","name":"T","mode":"pull"}')" 409
	assert_equal "$(send POST /tasks/t1/stop)" 200
	assert_equal "$(db "SELECT state FROM task")" stopped
	assert_equal "$(send POST /commands '{"commands":[{"command":"getTask","taskId":"t1"},{"command":"x"}]}')" 200
	assert_json "$(<body)" '.responses[0].data.state == "stopped" and .responses[1].code == "bad_request"'
	rows "SELECT group_concat(command || ' ' || subject || ' ' || who) FROM (SELECT * FROM admin_log WHERE outcome = 'ok'
		AND subject = 't1')" 'createTask t1 ann,stopTask t1 ann'
	shows '/log?subject=t1&count=500' '.items | map(.command) | unique == ["createTask", "stopTask"]'
	assert_equal "$(status_of -u 'ann:se:cret' "$ADMIN/openapi.json")" 200
	assert_json "$(<body)" '.paths["/api/v1/tasks/{taskId}"].put.requestBody and .openapi == "3.1.0"'
	# with stages, and for some devices
	staged='{"firmwareId":"lamp-2.0","name":"S","mode":"pull","devices":["lamp-1"],"stages":[{"untilPercent":50},{"untilPercent":100}]}'
	assert_equal "$(send POST /devices '{"productId":"lamp","deviceId":"lamp-1"}')" 201
	assert_equal "$(send POST /devices '{"productId":"lamp","deviceId":"lamp-2"}')" 201
	assert_equal "$(send PUT /tasks/t2 "$staged")" 201
	assert_equal "$(send PUT /tasks/t2 "$staged")" 200
	assert_equal "$(send PUT /tasks/t2 "${staged/lamp-1/lamp-2}")" 409
}

# NAME BYTES: no file of that name; and no dot-file is left.
nothing_left() { [[ -z $(ls -A "$FILES") ]]; }

@test "uploads: whole, refused before the body, broken off, lying" {
	start_admin 'plugin_opt_admin_upload_max_bytes 4000000000000000000'
	head -c 3000000 /dev/urandom >image
	assert_equal "$(upload image 'a%20b%25.bin')" 201
	assert_json "$(<body)" ".file == \"a b%.bin\" and .size == 3000000 and .sha256 == \"$(sha256sum <image | cut -d' ' -f1)\""
	cmp image "$FILES/a b%.bin"
	rows "SELECT command || ' ' || subject || ' ' || outcome FROM admin_log" 'uploadFile a b%.bin ok'
	grep -q "uploadFile 'a b%.bin' by 'ann' (http 127.0.0.1): ok" "$LOG"
	for expect in 'Expect: 100-continue' 'Expect:'; do
		assert_equal "$(upload image 'a%20b%25.bin' -H "$expect")" 409
	done
	cmp image "$FILES/a b%.bin"
	assert_equal "$(as_ann '/files/a%20b%25.bin' -X DELETE)" 200
	assert_equal "$(upload image b -H 'Transfer-Encoding: chunked')" 411
	assert_equal "$(upload image b -H 'Content-Length: 5000000000000000000')" 413
	assert_equal "$(upload image b -H 'Content-Length: 3000000000000000000')" 507
	is_error no_space
	for name in .hidden a%2fb %2e%2e a%00b a%0ab; do [[ $(upload image "$name") == 40[04] ]]; done
	assert_equal "$(as_ann /files/b -X PUT -H "$JSON" -d '{}')" 415
	assert_equal "$(status_of -u vic:look -H "$BYTES" -T image "$API/files/b")" 403
	rows "SELECT group_concat(DISTINCT who || ' ' || substr(outcome, 1, instr(outcome, ':') - 1)) FROM admin_log WHERE subject = 'b'" \
		'ann length_required,ann too_large,ann no_space,ann unsupported_type,vic not_allowed'
	nothing_left
	# broken off, and a file that is longer than told: the rest is no request
	raw_upload 3000000 2000000
	raw_upload 10 20
	retry 5 test -e "$FILES/raw"
	assert_equal "$(stat -c %s "$FILES/raw")" 10
	rm "$FILES/raw"
	retry 5 nothing_left
	rows "SELECT outcome FROM admin_log WHERE subject = 'raw' AND outcome <> 'ok'" 'failed: it broke off after 2000000 bytes'
	# two at once: one gets the name
	upload image twice >first 3>&- & curl -s -o /dev/null -w '%{http_code}' -m 20 -u 'ann:se:cret' -H "$BYTES" -T image "$API/files/twice" >second
	wait $!
	assert_equal "$(sort first second | tr '\n' ' ' | sed 's/201409/201 409/; s/409201/201 409/')" '201 409 '
}

@test "files_dir is the catalog's folder: no upload takes a name of the catalog's, no delete its files" {
	start_admin "plugin_opt_files_dir $BATS_TEST_TMPDIR"
	echo image >image
	for name in firmware.db firmware.db-journal firmware.db-wal firmware.db-spool firmware.db-lock FIRMWARE.DB-x; do
		assert_equal "$(upload image "$name")" 409
		assert_json "$(<body)" '.message | test("is the catalog, or belongs to it")'
		assert_equal "$(as_ann "/files/$name" -X DELETE)" 409
	done
	[[ ! -e firmware.db-journal && ! -e FIRMWARE.DB-x ]]
	ln firmware.db other
	assert_equal "$(as_ann /files/other -X DELETE)" 409
	assert_equal "$(upload image firmware.bin)" 201
	assert_equal "$(as_ann /files/firmware.bin -X DELETE)" 200
	rows "SELECT count(*) FROM product" 2
}

# TOLD SENT: an upload of this many bytes, of which so many are sent; then the connection ends.
raw_upload() {
	timeout 20 /usr/bin/python3 - "$PORT" "$@" <<-'END'
		import base64, socket, sys
		port, told, sent = map(int, sys.argv[1:])
		s = socket.create_connection(("127.0.0.1", port))
		login = base64.b64encode(b"ann:se:cret").decode()
		s.sendall(("PUT /api/v1/files/raw HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Basic %s\r\n"
		           "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % (port, login, told)).encode())
		s.sendall(b"x" * sent)
		if sent >= told:
		    s.recv(100)
		s.close()
	END
}

dot_file_is_there() { compgen -G "$FILES/.firmware-upload-*" >/dev/null; }

@test "an upload that kill -9 broke off is removed at the next start" {
	start_admin
	head -c 200000 /dev/zero | curl -s -m 20 --limit-rate 20k -u 'ann:se:cret' -H "$BYTES" -H 'Content-Length: 200000' -T - "$API/files/slow" >/dev/null 2>&1 3>&- &
	BACKGROUND+=($!)
	retry 10 dot_file_is_there
	kill_broker
	dot_file_is_there
	start_broker
	refute dot_file_is_there
	nothing_left
}

@test "a locked catalog: 503 with Retry-After, and nothing half done" {
	start_admin
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo 'BEGIN IMMEDIATE; SELECT 1;' >&"${OPERATOR[1]}"
	read -r -t 10 <&"${OPERATOR[0]}"
	assert_equal "$(send POST /products '{"productId":"new"}')" 503
	is_error busy
	[[ $(header Retry-After) -ge 1 ]]
	shows /products/lamp .name
	assert_equal "$(status_of "$ADMIN/healthz")" 200
	assert_equal "$(db "SELECT count(*) FROM product")" 2
	# the broker goes on
	assert_json "$(pull lamp-1 '{"version":"1.0"}')" '.version == "2.0"'
}

@test "/healthz: who asks while the first look takes its time is told what that sees" {
	start_admin
	timeout 60 /usr/bin/python3 - "$PORT" "$DB" <<-'END'
		import socket, sqlite3, sys, time
		port = int(sys.argv[1])
		catalog = sqlite3.connect(sys.argv[2], isolation_level=None)
		def send(head, body=""):
		    s = socket.create_connection(("127.0.0.1", port), timeout=20)
		    s.sendall(("%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n" % (head, port, body)).encode())
		    return s
		# all that carry out commands wait for the catalog, for a second
		catalog.execute("BEGIN IMMEDIATE")
		body = '{"productId":"new"}'
		post = "Authorization: Basic YW5uOnNlOmNyZXQ=\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
		busy = [send("POST /api/v1/products", post % (len(body), body)) for _ in range(4)]
		time.sleep(.4)
		many = [send("GET /healthz") for _ in range(3)]
		answers = [s.recv(12) for s in many]
		assert answers == [b"HTTP/1.1 200"] * 3, answers
		answers = [s.recv(12) for s in busy]
		assert answers == [b"HTTP/1.1 503"] * 4, answers
	END
}

@test "half and slow requests lose their places; many connections keep nobody else waiting" {
	start_admin
	timeout 60 /usr/bin/python3 - "$PORT" <<-'END'
		import socket, sys, time, select
		port = int(sys.argv[1])
		def connect(source):
		    s = socket.socket()
		    s.bind((source, 0))
		    s.connect(("127.0.0.1", port))
		    return s
		def ended(s):
		    try:
		        return bool(select.select([s], [], [], 0)[0]) and s.recv(100) == b""
		    except ConnectionError:
		        return True
		# an address gets eight places
		many = [connect("127.0.0.9") for _ in range(1000)]
		time.sleep(1)
		left = sum(not ended(s) for s in many)
		assert left == 8, left
		# others take most of the rest, each sending a byte now and then
		for source in ("127.0.0.10", "127.0.0.11"):
		    many += [connect(source) for _ in range(8)]
		many += [connect("127.0.0.12") for _ in range(2)]
		# now that few are left, those who are the longest without a request lose theirs
		begun, first = time.time(), [s for s in many[:1000] if not ended(s)]
		while time.time() - begun < 20 and any(not ended(s) for s in first):
		    for s in many:
		        try: s.send(b"G")
		        except OSError: pass
		    time.sleep(.5)
		assert 2 < time.time() - begun < 15, time.time() - begun
	END
	details 200 -u 'ann:se:cret'
	assert_json "$(pull lamp-1 '{"version":"1.0"}')" '.version == "2.0"'
}

@test "what is no HTTP, or too much of it, is answered or ended, and the server lives" {
	start_admin
	timeout 60 /usr/bin/python3 - "$PORT" <<-'END'
		import socket, sys
		port = int(sys.argv[1])
		host = b"Host: 127.0.0.1:%d\r\n" % port
		login = b"Authorization: Basic YW5uOnNlOmNyZXQ=\r\n"
		def say(data, want):
		    s = socket.create_connection(("127.0.0.1", port), timeout=10)
		    try:
		        s.sendall(data)
		        s.shutdown(socket.SHUT_WR)
		        got = s.recv(20)
		    except ConnectionError:
		        got = b""
		    assert any(w in got for w in want) or (b"" in want and not got), (data[:60], got)
		say(b"\x16\x03\x01\x02\x00\x01", [b"", b"400"])
		say(b"GET /healthz HTTP/1.1\r\n\r\n", [b"400", b"421"])
		say(b"GET /healthz HTTP/1.1\r\n" + host + host + b"\r\n", [b"400", b"421"])
		say(b"GET http://evil/healthz HTTP/1.1\r\n" + host + b"\r\n", [b"200"])
		say(b"GET /api/v1/products?" + b"a=1&" * 4000 + b" HTTP/1.1\r\n" + host + login + b"\r\n", [b"400", b"414"])
		say(b"GET /healthz HTTP/1.1\r\n" + host + b"X: " + b"x" * 100000 + b"\r\n\r\n", [b"431", b"413", b""])
		post = b"POST /api/v1/products HTTP/1.1\r\n" + host + login + b"Content-Type: application/json\r\n"
		say(post + b"Content-Length: 2000000\r\n\r\n", [b"413"])
		say(post + b"Content-Length: -1\r\n\r\n", [b"400", b""])
		say(post + b"Content-Length: 2\r\n\r\n[]", [b"400"])
		say(post + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n0\r\n\r\n", [b"400"])
		say(post + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17 + b"0\r\n\r\n", [b"413", b""])
		say(post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", [b"400", b""])
	END
	details 200 -u 'ann:se:cret'
}

@test "a unix socket: its permissions are the login" {
	start_broker "plugin_opt_admin_listen unix:$BATS_TEST_TMPDIR/admin.sock"
	catalog
	assert_equal "$(stat -c '%a %F' admin.sock 2>/dev/null || stat -c '%a %F' "$BATS_TEST_TMPDIR/admin.sock")" '660 socket'
	cd "$BATS_TEST_TMPDIR"
	local ask=(curl -s -m 20 --unix-socket admin.sock)
	assert_json "$("${ask[@]}" http://localhost/api/v1/products)" '.items | length == 2'
	assert_equal "$("${ask[@]}" -H "$JSON" -d '{"productId":"new"}' -o /dev/null -w '%{http_code}' http://localhost/api/v1/products)" 201
	rows "SELECT who || '|' || from_ FROM admin_log" "|http uid $(id -u)"
	# a foreign page that got here by a proxy is refused
	assert_equal "$("${ask[@]}" -H "$JSON" -H 'Origin: http://evil' -d '{}' -o /dev/null -w '%{http_code}' http://localhost/api/v1/products)" 403
	# what a kill left is replaced; an orderly stop leaves nothing
	kill_broker
	[[ -S admin.sock ]]
	start_broker
	assert_json "$("${ask[@]}" http://localhost/healthz)" '.status == "ok"'
	stop_broker
	[[ ! -e admin.sock ]]
}

@test "TLS, and what it does not start without" {
	local certificate=(plugin_opt_admin_certfile\ "$BATS_TEST_TMPDIR/crt" plugin_opt_admin_keyfile\ "$BATS_TEST_TMPDIR/key")
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$BATS_TEST_TMPDIR/key" -out "$BATS_TEST_TMPDIR/crt" \
		-days 2 -subj /CN=broker.example -addext 'subjectAltName=DNS:broker.example' 2>/dev/null
	start_admin "${certificate[@]}" 'plugin_opt_admin_hosts broker.example'
	local tls=(-m 20 --cacert "$BATS_TEST_TMPDIR/crt" --resolve "broker.example:$PORT:127.0.0.1" -u 'ann:se:cret')
	assert_equal "$(status_of "${tls[@]}" "https://broker.example:$PORT/api/v1/details")" 200
	assert_equal "$(status_of "${tls[@]}" -H "$JSON" -H "Origin: https://broker.example:$PORT" -d '{"productId":"new"}' "https://broker.example:$PORT/api/v1/products")" 201
	assert_equal "$(status_of "${tls[@]}" -H "$JSON" -H "Origin: http://broker.example:$PORT" -d '{}' "https://broker.example:$PORT/api/v1/products")" 403
	[[ $(curl -s "${tls[@]}" -D - -H "$JSON" -d '{"username":"ann","password":"se:cret"}' "https://broker.example:$PORT/api/v1/session") == *'SameSite=Strict; Secure'* ]]
	refute curl -s -m 5 -o /dev/null "$API/details"
	refute curl -s -m 5 -o /dev/null --tls-max 1.1 "${tls[@]}" "https://broker.example:$PORT/healthz"
	stop_broker

	local login="plugin_opt_admin_password_file $PASSWORDS"
	wrong 'plugin_opt_admin_password_file' "plugin_opt_admin_listen 127.0.0.1:$PORT"
	wrong 'can be reached by other machines' "plugin_opt_admin_listen 0.0.0.0:$PORT" "$login"
	wrong 'belong together' "plugin_opt_admin_listen 127.0.0.1:$PORT" "$login" "${certificate[0]}"
	wrong 'must be a PEM file' "plugin_opt_admin_listen 127.0.0.1:$PORT" "$login" 'plugin_opt_admin_certfile /nowhere' "${certificate[1]}"
	wrong 'a certificate or key that is none' "plugin_opt_admin_listen 127.0.0.1:$PORT" "$login" "plugin_opt_admin_certfile $PASSWORDS" "${certificate[1]}"
	wrong 'cannot listen on' "plugin_opt_admin_listen unix:$BATS_TEST_TMPDIR/crt"
	chmod 644 "$PASSWORDS"
	wrong 'others may read or write it' "plugin_opt_admin_listen 127.0.0.1:$PORT" "$login"
	chmod 600 "$PASSWORDS"
	rm "$BROKER_DIR/mosquitto.conf"
	start_broker "plugin_opt_admin_listen 0.0.0.0:$PORT" "$login" 'plugin_opt_admin_behind_proxy true' 'plugin_opt_admins ann'
	details 200 -u 'ann:se:cret'
}

# WORDS LINE...: does not start with these options, and says so.
wrong() {
	rm "$BROKER_DIR/mosquitto.conf"
	refuses_to_start "${@:2}"
	[[ $output == *"$1"* ]]
}

# TASK: what is left of it, without the times and the names of task and device.
rows_of() {
	db "SELECT firmware_id, name, mode, release_type, state, paused_reason, stage FROM task WHERE task_id = '$1';
		SELECT state, attempts, error_reason, proved_epoch, bad_epoch FROM task_device WHERE task_id = '$1';
		SELECT what, replace(detail, '$1', 'T'), who FROM task_log WHERE task_id = '$1' ORDER BY log_id;
		SELECT total, waiting, processing, success, failed, canceled FROM task_summary WHERE task_id = '$1'"
}

# FACE VERB TASK: stop, continue or retry.
by() {
	case "$1 $2" in
	'sql stop') db "UPDATE task SET state = 'stopped' WHERE task_id = '$3'" ;;
	'sql continue') db "UPDATE task SET state = 'running' WHERE task_id = '$3' AND state = 'stopped'" ;;
	'sql retry') db "UPDATE task_device SET state = 'waiting' WHERE task_id = '$3' AND state = 'failed'" ;;
	http*) assert_equal "$(send POST "/tasks/$3/$2")" 200 ;;
	control*) assert_json "$(by_control "{\"command\":\"$2Task\",\"taskId\":\"$3\"}")" '.responses[0].data' ;;
	esac
}

# shellcheck disable=SC2016 # the topic
by_control() { rr -V mqttv5 -u ann -t '$CONTROL/firmware/v1' -e answer -m "{\"commands\":[$1]}"; } # JSON: as ann, by $CONTROL

# DEVICE: its upgrade has failed.
fails() { say "$1" upgrade/progress '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":false,"errorReason":"flash"}'; }

@test "the same create, stop, continue and retry by SQL, by HTTP and by \$CONTROL leave the same rows" {
	start_admin
	task='"firmwareId":"lamp-2.0","name":"T","mode":"pull"'
	for face in sql http control; do
		assert_equal "$(send POST /devices "{\"productId\":\"lamp\",\"deviceId\":\"d-$face\",\"version\":\"1.0\"}")" 201
	done
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('sql', 'lamp-2.0', 'T', 'pull', 'part');
		INSERT INTO task_device (task_id, device_id) VALUES ('sql', 'd-sql')"
	assert_equal "$(send POST /tasks "{\"taskId\":\"http\",$task,\"devices\":[\"d-http\"]}")" 201
	assert_json "$(by_control "{\"command\":\"createTask\",\"taskId\":\"control\",$task,\"devices\":[\"d-control\"]}")" '.responses[0].data.taskId == "control"'
	for step in created stop continue failed retry; do
		for face in sql http control; do
			case $step in
			created) ;;
			failed)
				pull "d-$face" '{"version":"1.0"}'
				fails "d-$face"
				rows "SELECT state FROM task_device WHERE task_id = '$face'" failed
				;;
			*) by "$face" "$step" "$face" ;;
			esac
		done
		settle
		[[ $(rows_of sql) == *'|pull|'*created* ]]
		assert_equal "$(rows_of http)" "$(rows_of sql)"
		assert_equal "$(rows_of control)" "$(rows_of sql)"
	done
	# what a rule refuses is told in the same words
	sentence=$(db "UPDATE task SET state = 'paused' WHERE task_id = 'sql'; UPDATE task SET stage = 7 WHERE task_id = 'sql'" 2>&1) || true
	assert_equal "$(send POST /tasks/http/nextStage)" 409
	[[ $sentence == *"$(jq -r .message body)"* ]]
	assert_equal "$(by_control '{"command":"nextStage","taskId":"http"}' | jq -r '.responses[0].error')" "$(jq -r .message body)"
}
