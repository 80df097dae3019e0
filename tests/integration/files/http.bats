#!/usr/bin/env bats
# Download over HTTP: curl, wget and others get the file bit by bit, whole and resumed; nobody else gets anything.

load ../files_helper

setup() {
	start_with_files
	drop a.bin 5000000
	add_file f 30 a.bin
	becomes f ready
	URL=$HTTP/firmware/f/a.bin
}

@test "curl, whole and resumed" {
	curl -sf -o got "$URL"
	cmp got "$FILES/a.bin"
	head -c 1234567 "$FILES/a.bin" >got
	curl -sf -C - -o got "$URL"
	cmp got "$FILES/a.bin"
	curl -sf -r 100-199 "$URL" | cmp - <(tail -c +101 "$FILES/a.bin" | head -c 100)
	curl -sf -r -7 "$URL" | cmp - <(tail -c 7 "$FILES/a.bin")
}

@test "wget, whole, resumed, and under the name of the file" {
	only_long
	wget -q "$URL"
	cmp a.bin "$FILES/a.bin"
	head -c 4000000 "$FILES/a.bin" >a.bin
	wget -q -c "$URL"
	cmp a.bin "$FILES/a.bin"
	rm a.bin
	wget -q --content-disposition "$URL?x=1"
	cmp a.bin "$FILES/a.bin"
}

@test "a client that keeps its connection and asks piece by piece, as small devices do" {
	timeout 60 /usr/bin/python3 - 127.0.0.1 "$PORT" "$FILES/a.bin" <<-'END'
		import http.client, sys
		host, port, path = sys.argv[1:]
		image = open(path, "rb").read()
		connection, got = http.client.HTTPConnection(host, int(port), timeout=10), b""
		connection.request("HEAD", "/firmware/f/a.bin")
		answer = connection.getresponse()
		answer.read()
		size, tag = int(answer.headers["Content-Length"]), answer.headers["ETag"]
		assert size == len(image) and answer.headers["Accept-Ranges"] == "bytes"
		while len(got) < size:
		    connection.request("GET", "/firmware/f/a.bin", headers={"Range": "bytes=%d-%d" % (len(got), len(got) + 99999), "If-Range": tag})
		    answer = connection.getresponse()
		    assert answer.status == 206, answer.status
		    got += answer.read()
		assert got == image
		connection.request("GET", "/firmware/f/a.bin", headers={"Range": "bytes=%d-" % size})
		answer = connection.getresponse()
		answer.read()
		assert answer.status == 416 and answer.headers["Content-Range"] == "bytes */%d" % size
	END
}

@test "ready firmware alone, under its own name alone" {
	drop wrong.bin
	add_file g 31 wrong.bin size=5
	becomes g rejected
	echo secret >"$BROKER_DIR/secret"
	for path in f/b.bin g/wrong.bin f/wrong.bin lamp-2.0/lamp-2.0 f/../../secret f/..%2f..%2fsecret f/%2e%2e%2fsecret ../firmware.db f/a.bin%00 F/a.bin f/a.bin/; do
		assert_equal "$path $(status_of --path-as-is "$HTTP/firmware/$path")" "$path 404"
	done
	for path in / /firmware/ /firmware.db /url.secret; do assert_equal "$path $(status_of "$HTTP$path")" "$path 404"; done
}

@test "405, 304, 416" {
	assert_equal "$(status_of -X POST -d x "$URL")" 405
	assert_equal "$(status_of -H "If-None-Match: \"$(sha256sum <"$FILES/a.bin" | cut -d' ' -f1)\"" "$URL")" 304
	assert_equal "$(status_of -r 5000000- "$URL")" 416
	assert_equal "$(status_of -H 'Range: bytes=18446744073709551615-18446744073709551616' "$URL")" 416
}

@test "several ranges at once, as nginx answers them" {
	local boundary
	assert_equal "$(curl -s -D said -o body -w '%{http_code}' -H 'Range: bytes=100-199,4999990-,0-0' "$URL")" 206
	boundary=$(sed -n 's#^Content-Type: multipart/byteranges; boundary=\([0-9]*\)\r$#\1#p' said)
	{
		for range in '100 100' '4999990 10' '0 1'; do
			printf '\r\n--%s\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes %d-%d/5000000\r\n\r\n' \
				"$boundary" "${range% *}" $((${range% *} + ${range#* } - 1))
			tail -c +$((${range% *} + 1)) "$FILES/a.bin" | head -c "${range#* }"
		done
		printf '\r\n--%s--\r\n' "$boundary"
	} | cmp - body
	# what together is more than the file is the file
	assert_equal "$(status_of -H 'Range: bytes=0-,0-' "$URL")" 200
	cmp body "$FILES/a.bin"
}

@test "a device that goes on with an image that was replaced is told so, and one that asks for a newer one gets it" {
	local date etag
	curl -sI "$URL" >said
	etag=$(sed -n 's/^ETag: \(.*\)\r$/\1/p' said)
	date=$(sed -n 's/^Last-Modified: \(.*\)\r$/\1/p' said)
	assert_equal "$(status_of -r 1000- -H "If-Match: $etag" "$URL")" 206
	assert_equal "$(status_of -r 1000- -H "If-Unmodified-Since: $date" "$URL")" 206
	assert_equal "$(status_of -r 1000- -H "If-Range: $date" "$URL")" 206
	assert_equal "$(status_of -H "If-Modified-Since: $date" "$URL")" 304
	wget -q -N "$URL"
	LC_ALL=C wget -N "$URL" 2>&1 | grep 'not modified'
	# another image, of the same size, whose own date is older
	sleep 1.1
	head -c 5000000 /dev/urandom >"$FILES/.new"
	touch -d '2 days ago' "$FILES/.new"
	mv "$FILES/.new" "$FILES/a.bin"
	db "UPDATE firmware SET sign = NULL, size = NULL, state = 'pending' WHERE firmware_id = 'f'"
	retry 10 replaced
	assert_equal "$(status_of -r 1000- -H "If-Match: $etag" "$URL")" 412
	assert_equal "$(status_of -r 1000- -H "If-Unmodified-Since: $date" "$URL")" 412
	grep -qi '^cache-control: no-store' <(curl -sI -H "If-Match: $etag" "$URL")
	assert_equal "$(status_of -r 1000- -H "If-Range: $date" "$URL")" 200
	wget -q -N "$URL"
	cmp a.bin "$FILES/a.bin"
}
replaced() { [[ $(curl -sI "$URL" | sed -n 's/^ETag: "\(.*\)"\r$/\1/p') == "$(sha256sum <"$FILES/a.bin" | cut -d' ' -f1)" ]]; }

@test "who downloads is in the catalog, while it lasts and after" {
	truncate -s 60M "$FILES/b.bin"
	add_file g 31 b.bin
	becomes g ready
	curl -s --limit-rate 1M -o got "$HTTP/firmware/g/b.bin" 3>&- &
	BACKGROUND+=($!)
	rows "SELECT product_id, device_id, firmware_id, total, requests, completed_at FROM download" 'lamp||g|62914560|1|'
	retry 10 db_is "SELECT bytes > 0 AND reached = bytes AND last_byte_at > first_byte_at FROM download" 1
	kill "${BACKGROUND[-1]}"
	curl -sf -o got "$HTTP/firmware/g/b.bin"
	rows "SELECT requests, reached, total, completed_at IS NOT NULL, bytes > total FROM download" '2|62914560|62914560|1|1'
}

@test "complete is what was sent whole: the end alone is not, all pieces are, whenever and however" {
	curl -sf -r -100 -o got "$URL"
	rows "SELECT covered, ranges, reached, completed_at IS NULL FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '100|4999900-4999999|5000000|1'
	assert_equal "$(sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'lamp' AS product_id, '30.0' AS version" "$DB" <"$FW_SOURCE/schema/scripts/downloads.sql" | grep -c ' no ')" 1
	# broken off, then the end again
	curl -s --limit-rate 100k --max-time 2 -r 0-3999999 -o got "$URL" || true
	curl -sf -r -100 -o got "$URL"
	rows "SELECT requests, completed_at IS NULL, covered < total FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '3|1|1'
	curl -sf -H 'Range: bytes=2000000-2999999,0-1999999' -o got "$URL"
	# what was sent outlives the broker
	stop_broker
	start_broker
	curl -sf -r 3000000-4000000 -o got "$URL"
	rows "SELECT covered, ranges, completed_at IS NULL FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '4000101|0-4000000,4999900-4999999|1'
	curl -sf -r 4000001-4999899 -o got "$URL"
	rows "SELECT covered, ranges, completed_at IS NULL FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '5000000|0-4999999|0'
}

@test "a download that breaks off and is resumed again and again is complete at its end" {
	local have
	: >got
	for _ in $(seq 20); do
		have=$(stat -c %s got)
		((have < 5000000)) || break
		curl -s -r "$have-" "$URL" | head -c 1500000 >>got || true
	done
	cmp got "$FILES/a.bin"
	rows "SELECT covered, completed_at IS NOT NULL, requests > 1 FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '5000000|1|1'
}

@test "another image under the same name is another download" {
	curl -sf -o got "$URL"
	rows "SELECT completed_at IS NULL FROM download" 0
	drop a.bin 5000000
	db "UPDATE firmware SET sign = NULL, size = NULL, state = 'pending' WHERE firmware_id = 'f'"
	retry 10 replaced
	curl -sf -r 0-9 -o got "$URL"
	rows "SELECT covered, ranges, reached, completed_at IS NULL FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '10|0-9|10|1'
}

@test "an image that is written to while it is sent does not arrive whole" {
	local status=0
	truncate -s 50M "$FILES/b.bin"
	add_file g 31 b.bin
	becomes g ready
	curl -s --limit-rate 2M -o got "$HTTP/firmware/g/b.bin" 3>&- &
	sleep 1
	printf "other bytes here" | dd of="$FILES/b.bin" conv=notrunc status=none
	wait $! || status=$?
	((status != 0))
	(($(stat -c %s got) < 50 * 1024 * 1024))
}

@test "one that is replaced while it is sent arrives as it was" {
	drop b.bin 4000000
	cp "$FILES/b.bin" kept
	add_file g 31 b.bin
	becomes g ready
	curl -s --limit-rate 1500k -o got "$HTTP/firmware/g/b.bin" 3>&- &
	sleep 1
	drop b.bin
	wait $!
	cmp got kept
}

@test "withdrawn or deleted firmware is not sent any further" {
	local verb status
	truncate -s 50M "$FILES/b.bin"
	for verb in "UPDATE firmware SET state = 'rejected'" 'DELETE FROM firmware'; do
		add_file g 31 b.bin
		becomes g ready
		curl -s --limit-rate 2M -o got "$HTTP/firmware/g/b.bin" 3>&- &
		BACKGROUND+=($!)
		retry 10 test -s got
		SECONDS=0 status=0
		db "$verb WHERE firmware_id = 'g'"
		wait "${BACKGROUND[-1]}" || status=$?
		# of 25 seconds; what is in curl's own buffers it still takes at its pace
		((status != 0 && SECONDS < 10))
		db "DELETE FROM firmware WHERE firmware_id = 'g'"
		rm got
	done
	# one that is only verified again goes on
	add_file g 31 b.bin
	becomes g ready
	curl -s --limit-rate 10M -o got "$HTTP/firmware/g/b.bin" 3>&- &
	BACKGROUND+=($!)
	retry 10 test -s got
	db "UPDATE firmware SET state = 'pending' WHERE firmware_id = 'g'"
	wait "${BACKGROUND[-1]}"
	cmp got "$FILES/b.bin"
}

# ADDRESS: restarts the broker so that it listens there.
listen_at() {
	stop_broker
	sed -i "s/http_listen .*/http_listen $1:$PORT/" "$BROKER_DIR/mosquitto.conf"
	start_broker
}

@test "an address for everybody, or for this machine alone, is no address to tell devices" {
	local address
	for address in 0.0.0.0 127.0.0.1 localhost '[::ffff:127.0.0.1]' '[::ffff:0.0.0.0]'; do
		listen_at "$address"
		retry 5 grep -qF "plugin_opt_url_base is 'http://$address:$PORT', which devices cannot reach" "$LOG"
		assert_equal "$(status_of "$URL")" 200
	done
	stop_broker
	echo 'plugin_opt_url_base http://files.test' >>"$BROKER_DIR/mosquitto.conf"
	start_broker
	assert_equal "$(status_of "$URL")" 200
	refute grep -q 'which devices cannot reach' "$LOG"
}

@test "a name is listened on at all its addresses" {
	local address addresses
	mapfile -t addresses < <(getent ahosts localhost | awk '$2 == "STREAM" { print $1 }' | sort -u)
	((${#addresses[@]} > 0))
	listen_at localhost
	for address in "${addresses[@]}"; do
		if [[ $address == *:* ]]; then
			[[ -e /proc/net/if_inet6 ]] || continue
			address=[$address]
		fi
		assert_equal "$address $(status_of "http://$address:$PORT/firmware/f/a.bin")" "$address 200"
	done
}

@test "connections that send nothing hold nobody up, neither the broker nor other addresses" {
	ulimit -n "$(ulimit -Hn)"
	/usr/bin/python3 - "$PORT" >idle 3>&- <<-'END' &
		import resource, socket, sys, time
		resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
		sockets = []
		for i in range(10000):
		    try:
		        s = socket.socket()
		        s.settimeout(2)
		        s.connect(("127.0.0.1", int(sys.argv[1])))
		        sockets.append(s)
		    except OSError:
		        break
		print(len(sockets), flush=True)
		time.sleep(60)
	END
	BACKGROUND+=($!)
	retry 60 test -s idle
	curl -sf --max-time 10 --interface 127.0.0.2 -o got "$URL"
	cmp got "$FILES/a.bin"
	assert_equal "$(offered d1)" f
	(($(<idle) == 10000 || $(ulimit -Hn) < 10100))
}

@test "requests that never end, from two addresses that come again and again, do not keep others out" {
	ulimit -n "$(ulimit -Hn)"
	/usr/bin/python3 - "$PORT" >held 3>&- <<-'END' &
		import resource, select, socket, sys, time
		resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
		def begin(i):
		    s = socket.socket()
		    s.bind(("127.0.0.%d" % (2 + i % 2), 0))
		    s.setblocking(False)
		    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
		    return s
		sockets, text = [begin(i) for i in range(2500)], b"GET /firmware/f/a.bin HTTP/1.1\r\nHost: h\r\nX-Long: "
		for turn in range(120):
		    for i, s in enumerate(sockets):
		        try:
		            s.send(text[turn:turn + 1] or b"x")
		        except BlockingIOError:
		            pass
		        except OSError:
		            s.close()
		            sockets[i] = begin(i)
		    print(turn, flush=True)
		    time.sleep(0.5)
	END
	BACKGROUND+=($!)
	retry 60 grep -qx 4 held
	for _ in 1 2 3; do
		curl -sf --max-time 20 --interface 127.0.0.9 -o got "$URL"
		cmp got "$FILES/a.bin"
	done
	kill -0 "${BACKGROUND[-1]}"
}

@test "rubbish, half requests and huge headers" {
	/usr/bin/python3 - "$PORT" <<-'END'
		import socket, sys
		for text in (b"GARBAGE\r\n\r\n", b"GET /firmware/f/a.bin", b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n", b"\x00" * 5000, b"\x16\x03\x01",
		             b"GET /firmware/f/a.bin HTTP/1.1\r\nHost: h\r\n" + b"X: " + b"y" * 200000 + b"\r\n\r\n",
		             b"GET /firmware/f/a.bin HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		             b"POST /firmware/f/a.bin HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000000\r\n\r\n" + b"z" * 100000,
		             b"GET /firmware/f/a.bin HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"):
		    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
		    s.settimeout(1)
		    try:
		        s.sendall(text)
		        s.recv(100)
		    except OSError:
		        pass
		    s.close()
	END
	curl -sf -o got "$URL"
	cmp got "$FILES/a.bin"
	broker_lives
}

@test "an address that cannot be listened on: the broker does not start, and says why" {
	stop_broker
	sed -i "s/http_listen .*/http_listen 192.0.2.1:$PORT/" "$BROKER_DIR/mosquitto.conf"
	refuses_to_start
	[[ $output == *"plugin_opt_http_listen: cannot listen on '192.0.2.1:$PORT'"* ]]
}
