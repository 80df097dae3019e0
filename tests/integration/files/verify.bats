#!/usr/bin/env bats
# The life of a row with a file: pending, ready, rejected; and that nothing is offered but what was verified.

load ../files_helper

setup() { start_with_files; }

@test "a row with nothing but a file is filled in, and offered" {
	drop a.bin 300000
	add_file f 30 a.bin
	becomes f ready
	assert_equal "$(db "SELECT size, sign_method, sign, url, state_reason IS NULL FROM firmware WHERE firmware_id = 'f'")" \
		"300000|sha256|$(sha256sum <"$FILES/a.bin" | cut -d' ' -f1)|$HTTP/firmware/f/a.bin|1"
	assert_json "$(pull d1 '{}')" ".firmwareId == \"f\" and .size == 300000 and .signMethod == \"sha256\" and .url == \"$HTTP/firmware/f/a.bin\""
}

@test "what the row gives must match the file, each method" {
	local method
	drop a.bin
	for method in md5 sha256 sha512; do
		add_file "good-$method" 3$((++n)) a.bin "sign_method='$method'" "sign='$("${method}sum" <"$FILES/a.bin" | cut -d' ' -f1)'" size=100000 "url='https://cdn.test/x'"
		add_file "bad-$method" 4$n a.bin "sign_method='$method'" "sign='$("${method}sum" </dev/null | cut -d' ' -f1)'"
		add_file "open-$method" 5$n a.bin "sign_method='$method'"
	done
	for method in md5 sha256 sha512; do
		becomes "good-$method" ready
		rejected "bad-$method" 'but that of the file is'
		becomes "open-$method" ready
		assert_equal "$(db "SELECT sign, url FROM firmware WHERE firmware_id = 'good-$method'")" "$("${method}sum" <"$FILES/a.bin" | cut -d' ' -f1)|https://cdn.test/x"
		assert_equal "$(db "SELECT sign FROM firmware WHERE firmware_id = 'open-$method'")" "$("${method}sum" <"$FILES/a.bin" | cut -d' ' -f1)"
	done
	add_file small 60 a.bin size=99999
	rejected small 'the file has 100000 bytes, but size is 99999'
	assert_equal "$(offered d1)" open-sha512
}

# NAME: the product's key is this one's.
give_key() { db "UPDATE product SET public_key = CAST(readfile('$1.pub') AS TEXT) WHERE product_id = 'lamp'"; }

@test "signatures that the openssl command makes, of each method" {
	local method n=30
	drop a.bin
	drop other.bin
	openssl genpkey -algorithm ed25519 -out ed25519
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ecdsa-sha256
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa-sha256 2>/dev/null
	openssl pkeyutl -sign -rawin -inkey ed25519 -in "$FILES/a.bin" | openssl base64 -A >ed25519.sign
	openssl dgst -sha256 -sign ecdsa-sha256 "$FILES/a.bin" | openssl base64 -A >ecdsa-sha256.sign
	openssl dgst -sha256 -sign rsa-sha256 "$FILES/a.bin" | openssl base64 -A >rsa-sha256.sign
	for method in ed25519 ecdsa-sha256 rsa-sha256; do openssl pkey -in $method -pubout -out $method.pub; done
	for method in ed25519 ecdsa-sha256 rsa-sha256; do
		give_key $method
		add_file "$method" $((++n)) a.bin "sign_method='$method'" "sign='$(<$method.sign)'"
		add_file "bad-$method" $((++n)) other.bin "sign_method='$method'" "sign='$(<$method.sign)'"
		becomes $method ready
		rejected bad-$method 'is not the signature of this file'
		assert_json "$(pull d1 "{\"requestVersion\":\"$((n - 1)).0\"}")" ".signMethod == \"$method\" and .sign == \"$(<$method.sign)\""
		db "UPDATE firmware SET state = 'rejected' WHERE firmware_id LIKE '%$method'"
	done
}

@test "a key that is missing, of another kind, or cut short; and the row heals when the key does" {
	drop a.bin
	openssl genpkey -algorithm ed25519 -out mine
	openssl pkey -in mine -pubout -out mine.pub
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkey -pubout >ec.pub
	openssl genpkey -algorithm ed25519 | openssl pkey -pubout >foreign.pub
	head -2 mine.pub | head -c 60 >cut.pub
	add_file f 30 a.bin "sign_method='ed25519'" "sign='$(openssl pkeyutl -sign -rawin -inkey mine -in "$FILES/a.bin" | openssl base64 -A)'"
	rejected f "needs the product's public_key"
	give_key ec
	retry 5 rejected f 'is of type EC'
	give_key cut
	retry 5 rejected f 'is not a whole PEM public key'
	give_key foreign
	retry 5 rejected f 'is not the signature of this file'
	give_key mine
	becomes f ready
	give_key foreign
	becomes f rejected
}

@test "signature methods need a signature that is one" {
	drop a.bin
	openssl genpkey -algorithm ed25519 | openssl pkey -pubout >k.pub
	give_key k
	add_file none 30 a.bin "sign_method='ed25519'"
	add_file padding 31 a.bin "sign_method='ed25519'" "sign='AAAA'"
	rejected none 'sign is missing'
	rejected padding 'is not the signature'
	run db "INSERT INTO firmware (product_id, name, version, version_order, file, sign_method, sign) VALUES ('lamp', 'x', '32', 32, 'a.bin', 'ed25519', 'AA\$A')"
	[[ $output == *'sign must be base64'* ]]
}

@test "a file that is missing is waited for" {
	add_file f 30 later.bin
	rejected f "there is no file 'later.bin'"
	drop later.bin
	becomes f ready
}

@test "links, pipes, folders, empty and foreign files are refused, with the reason" {
	echo secret >outside
	ln -s "$PWD/outside" "$FILES/link"
	ln -s a.bin "$FILES/inner"
	mkfifo "$FILES/pipe"
	mkdir "$FILES/folder"
	: >"$FILES/empty"
	add_file link 30 link
	add_file inner 31 inner
	add_file pipe 32 pipe
	add_file folder 33 folder
	add_file empty 34 empty
	rejected link 'symbolic link'
	rejected inner 'symbolic link'
	rejected pipe 'special file'
	rejected folder 'special file'
	rejected empty 'is empty'
	run db "INSERT INTO firmware (product_id, name, version, version_order, file) VALUES ('lamp', 'x', '35', 35, '../outside')"
	[[ $output == *'file must be a plain name'* ]]
	for id in link inner pipe folder empty; do assert_equal "$(status_of "$HTTP/firmware/$id/$id")" 404; done
	assert_equal "$(offered d1)" lamp-2.0
	# the one that is made good is taken
	rm "$FILES/link"
	drop link
	becomes link ready
}

@test "a file that is changed, replaced or removed is not offered from that moment on" {
	local how
	drop a.bin
	cp -p "$FILES/a.bin" kept
	add_file f 30 a.bin
	for how in 'echo x >>a.bin' 'printf "other bytes here" | dd of=a.bin conv=notrunc status=none' 'rm a.bin' 'head -c 100000 /dev/urandom >b; mv b a.bin' 'ln -sf /etc/passwd a.bin' 'truncate -s 10 a.bin'; do
		becomes f ready
		assert_equal "$(offered d1)" f
		(cd "$FILES" && eval "$how")
		[[ $(offered d1) != f ]]
		assert_equal "$(status_of "$HTTP/firmware/f/a.bin")" 404
		retry 5 rejected f ''
		assert_equal "$(offered d1)" lamp-2.0
		rm -f "$FILES/a.bin"
		cp -p kept "$FILES/a.bin"
	done
	becomes f ready
}

@test "touched, or replaced by the same bytes: ready again by itself" {
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	touch "$FILES/a.bin"
	retry 5 db_is "SELECT state FROM firmware WHERE firmware_id = 'f'" pending
	becomes f ready
	cp "$FILES/a.bin" "$FILES/b" && mv "$FILES/b" "$FILES/a.bin"
	retry 5 db_is "SELECT state FROM firmware WHERE firmware_id = 'f'" pending
	becomes f ready
}

@test "changed while the broker was away" {
	drop a.bin
	drop b.bin
	add_file f 30 a.bin
	add_file g 29 b.bin
	becomes f ready
	becomes g ready
	stop_broker
	echo x >>"$FILES/a.bin"
	start_broker
	[[ $(offered d1) != f ]]
	becomes f rejected
	assert_equal "$(offered d1)" g
}

@test "a file that is being written is left alone until it is whole" {
	add_file f 30 slow.bin
	rejected f 'there is no file'
	for _ in $(seq 15); do
		head -c 50000 /dev/urandom
		sleep 0.2
	done >"$FILES/slow.bin" 3>&- &
	BACKGROUND+=($!)
	retry 5 db_is "SELECT state FROM firmware WHERE firmware_id = 'f'" pending
	# others do not wait for it
	drop a.bin
	add_file g 31 a.bin
	becomes g ready
	assert_equal "$(db "SELECT state FROM firmware WHERE firmware_id = 'f'")" pending
	becomes f ready
	assert_equal "$(db "SELECT size FROM firmware WHERE firmware_id = 'f'")" 750000
}

@test "a copy that stalls is not taken for the whole file" {
	add_file f 30 slow.bin
	rejected f 'there is no file'
	{
		head -c 50000 /dev/urandom
		sleep 5
		head -c 50000 /dev/urandom
	} >"$FILES/slow.bin" 3>&- &
	BACKGROUND+=($!)
	rows "SELECT state, state_reason LIKE '%open for writing%' FROM firmware WHERE firmware_id = 'f'" 'pending|1'
	# others do not wait for it
	drop a.bin
	add_file g 29 a.bin
	becomes g ready
	while kill -0 "${BACKGROUND[-1]}" 2>/dev/null; do
		assert_equal "$(db "SELECT state, state_reason LIKE '%open for writing%' FROM firmware WHERE firmware_id = 'f'")" 'pending|1'
		assert_equal "$(offered d1)" g
		assert_equal "$(status_of "$HTTP/firmware/f/slow.bin")" 404
		pause 0.3
	done
	becomes f ready
	assert_equal "$(db "SELECT size, state_reason IS NULL FROM firmware WHERE firmware_id = 'f'")" '100000|1'
	retry 5 grep -q 'firmware .f. is ready: its file has 100000 bytes' "$LOG"
	refute grep -q 'is ready: its file has 50000' "$LOG"
}

@test "a broker that may not see who writes waits for ten seconds of rest" {
	local begun
	[[ $(id -u) == 0 ]] || skip 'needs root, to have files of others'
	stop_broker
	cat >as_others <<-END
		#!/bin/sh
		exec setpriv --bounding-set=-lease $MOSQUITTO "\$@"
	END
	chmod +x as_others
	MOSQUITTO=$PWD/as_others
	start_broker
	drop a.bin
	chown 65534 "$FILES/a.bin"
	begun=$SECONDS
	add_file f 30 a.bin
	retry 20 db_is "SELECT state FROM firmware WHERE firmware_id = 'f'" ready
	((SECONDS - begun >= 9))
}

@test "withdrawn by hand stays withdrawn" {
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	db "UPDATE firmware SET state = 'rejected', state_reason = 'withdrawn' WHERE firmware_id = 'f'"
	touch "$FILES/a.bin"
	assert_equal "$(offered d1)" lamp-2.0
	assert_equal "$(status_of "$HTTP/firmware/f/a.bin")" 404
	stop_broker
	start_broker
	drop b.bin
	add_file g 31 b.bin
	becomes g ready
	assert_equal "$(db "SELECT state, state_reason FROM firmware WHERE firmware_id = 'f'")" 'rejected|withdrawn'
	db "UPDATE firmware SET state = 'pending' WHERE firmware_id = 'f'"
	becomes f ready
}

@test "made ready by force it is not offered, but verified" {
	add_file f 30 none.bin
	becomes f rejected
	run db "UPDATE firmware SET state = 'ready' WHERE firmware_id = 'f'"
	[[ $output == *'becomes ready when the plugin has verified the file'* ]]
	stop_broker
	db "UPDATE catalog_state SET plugin_writing = 1; UPDATE firmware SET state = 'ready', url = 'u', size = 1, sign_method = 'sha256', sign = printf('%064d', 1);
		DELETE FROM firmware_file; UPDATE catalog_state SET plugin_writing = 0"
	start_broker
	[[ $(offered d1) != f ]]
	becomes f rejected
}

@test "a push waits while its file is not what was verified" {
	drop a.bin
	cp -p "$FILES/a.bin" kept
	add_file f 30 a.bin
	becomes f ready
	db "INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1')"
	listen d1 -i d1 -q 1 -t /lamp/d1/firmware/upgrade
	db "INSERT INTO task (task_id, firmware_id, name, mode, state) VALUES ('t', 'f', 'T', 'push', 'stopped')"
	rm "$FILES/a.bin"
	# before the plugin has noticed, or after
	db "UPDATE task SET state = 'running' WHERE task_id = 't'"
	becomes f rejected
	settle
	assert_equal "$(heard d1)" ''
	cp -p kept "$FILES/a.bin"
	retry 10 heard_count d1 1
	heard_text d1 "$HTTP/firmware/f/a.bin"
}

# More than any buffer; with --long more than 31 bits tell.
LARGE=268435456 LARGE_DIGEST=a6d72ac7690f53be6ae46ba88506bd97302a093f7108472bd9efc3cefda06484
[[ -z ${FW_LONG:-} ]] || LARGE=2147483648 LARGE_DIGEST=a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51

@test "a large file is read with little memory, by a thread that others do not wait for; and the broker stops at once" {
	local before
	truncate -s "$LARGE" "$FILES/large.bin"
	before=$(awk '/VmHWM/ {print $2}' "/proc/$BROKER/status")
	add_file f 30 large.bin
	retry 5 db_is "SELECT count(*) FROM firmware WHERE state = 'pending'" 1
	for _ in 1 2 3; do assert_equal "$(offered d1)" lamp-2.0; done
	retry 60 db_is "SELECT state FROM firmware WHERE firmware_id = 'f'" ready
	assert_equal "$(db "SELECT size, sign FROM firmware WHERE firmware_id = 'f'")" "$LARGE|$LARGE_DIGEST"
	(($(awk '/VmHWM/ {print $2}' "/proc/$BROKER/status") < before + 20000))
	truncate -s 20G "$FILES/huge.bin"
	add_file g 31 huge.bin
	sleep 1.5
	SECONDS=0
	stop_broker
	((SECONDS < 4))
}

@test "a row whose size is wrong is refused without reading 10 GB" {
	truncate -s 10G "$FILES/huge.bin"
	add_file f 30 huge.bin size=1000
	rejected f 'the file has 10737418240 bytes, but size is 1000'
}

@test "replaced by its script, with the new bytes" {
	drop a.bin
	drop b.bin 5000
	add_file f 30 a.bin
	becomes f ready
	db "CREATE TEMP TABLE arg AS SELECT 'lamp' AS product_id, '30.0' AS version, 'b.bin' AS file, NULL AS sign_method, NULL AS sign" \
		".read $FW_SOURCE/schema/scripts/replace_firmware_file.sql"
	rows "SELECT state, size, url FROM firmware WHERE firmware_id = 'f'" "ready|5000|$HTTP/firmware/f/b.bin"
}

@test "another file given by hand: what is filled in is that file's, what was given is compared with it" {
	local old
	drop a.bin
	drop b.bin 5000
	drop c.bin 5000
	add_file f 30 a.bin
	becomes f ready
	old=$(member "$(pull d1 '{}')" url)
	# who gave size and sign nobody knows
	db "UPDATE firmware SET file = 'b.bin' WHERE firmware_id = 'f'"
	rejected f 'the file has 5000 bytes, but size is 100000: put the right file there, or set size and sign to NULL to have them filled in'
	db "UPDATE firmware SET size = NULL WHERE firmware_id = 'f'"
	retry 5 rejected f 'set sign to NULL to have it filled in'
	db "UPDATE firmware SET sign = NULL, sign_method = NULL WHERE firmware_id = 'f'"
	becomes f ready
	assert_equal "$(member "$(pull d1 '{}')" url)" "$HTTP/firmware/f/b.bin"
	assert_equal "$(status_of "$HTTP/firmware/f/b.bin")" 200
	cmp body "$FILES/b.bin"
	assert_equal "$(status_of "$old")" 404
	# the url may be given with it, or afterwards
	db "UPDATE firmware SET file = 'c.bin', sign = NULL, url = 'http://mine.test/c' WHERE firmware_id = 'f'"
	rows "SELECT state, url FROM firmware WHERE firmware_id = 'f'" 'ready|http://mine.test/c'
	db "UPDATE firmware SET file = 'b.bin', sign = NULL WHERE firmware_id = 'f'"
	rows "SELECT state, file, url FROM firmware WHERE firmware_id = 'f'" 'ready|b.bin|http://mine.test/c'
}

@test "withdrawn, and put back with another file: the url is that file's" {
	drop a.bin
	drop b.bin
	add_file f 30 a.bin
	becomes f ready
	db "UPDATE firmware SET state = 'rejected', state_reason = 'withdrawn' WHERE firmware_id = 'f'"
	assert_equal "$(db "SELECT state, state_reason FROM firmware WHERE firmware_id = 'f'")" 'rejected|withdrawn'
	db "UPDATE firmware SET file = 'b.bin', size = NULL, sign = NULL, state = 'pending' WHERE firmware_id = 'f'"
	becomes f ready
	assert_equal "$(status_of "$(member "$(pull d1 '{}')" url)")" 200
	cmp body "$FILES/b.bin"
}

@test "another url_base, and files that were touched meanwhile" {
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	stop_broker
	touch "$FILES/a.bin"
	sed -i '$a plugin_opt_url_base https://cdn.test/x' "$BROKER_DIR/mosquitto.conf"
	start_broker
	rows "SELECT state, url FROM firmware WHERE file IS NOT NULL" 'ready|https://cdn.test/x/firmware/f/a.bin'
}

@test "the url follows url_base, unless it was given by hand" {
	drop a.bin
	add_file f 30 a.bin
	add_file g 31 a.bin "url='http://mine.test/a'"
	becomes f ready
	becomes g ready
	stop_broker
	sed -i '$a plugin_opt_url_base https://cdn.test/x' "$BROKER_DIR/mosquitto.conf"
	start_broker
	rows "SELECT url FROM firmware WHERE file IS NOT NULL ORDER BY 1" $'http://mine.test/a\nhttps://cdn.test/x/firmware/f/a.bin'
	stop_broker
	sed -i '/http_listen/d; /url_base/d' "$BROKER_DIR/mosquitto.conf"
	start_broker
	rows "SELECT url FROM firmware WHERE file IS NOT NULL ORDER BY 1" $'chunk:f\nhttp://mine.test/a'
}

@test "a catalog of the plugin before this one is migrated, and its files verified" {
	stop_broker
	rm "$DB"*
	cat "$FW_SOURCE"/schema/migrations/000[12]_*.sql - <<-'END' | sqlite3 -bail "$DB"
		INSERT INTO product (product_id) VALUES ('lamp');
		INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file, size, sign_method, sign, url, state)
		VALUES ('f', 'lamp', 'F', '1', 1, 'a.bin', 100000, 'sha256', printf('%064d', 1), 'http://h/x', 'ready');
		PRAGMA application_id = 0x4D6F4657;
		PRAGMA user_version = 2;
	END
	drop a.bin
	start_broker
	assert_equal "$(offered d1)" no_update
	rejected f 'but that of the file is'
	db "UPDATE firmware SET sign = NULL, sign_method = NULL WHERE firmware_id = 'f'"
	becomes f ready
	assert_equal "$(db 'PRAGMA user_version')" 7
}

@test "old rows of download go with log_retention_days, and with their firmware" {
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	curl -sf -o got "$HTTP/firmware/f/a.bin"
	rows "SELECT count(*) FROM download" 1
	stop_broker
	sed -i '$a plugin_opt_log_retention_days 1' "$BROKER_DIR/mosquitto.conf"
	db "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE download SET last_byte_at = last_byte_at - 2 * 86400000;
		UPDATE catalog_state SET plugin_writing = 0; COMMIT"
	start_broker
	rows "SELECT count(*) FROM download" 0
	curl -sf -o got "$HTTP/firmware/f/a.bin"
	rows "SELECT count(*) FROM download" 1
	db "DELETE FROM firmware WHERE firmware_id = 'f'"
	assert_equal "$(db "SELECT (SELECT count(*) FROM download) + (SELECT count(*) FROM firmware_file)")" 0
	assert_equal "$(status_of "$HTTP/firmware/f/a.bin")" 404
}

@test "an operator's trigger that refuses the record of one download holds up no other, nor what files wait for" {
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	add_file g 31 a.bin
	becomes g ready
	db "CREATE TRIGGER no_f BEFORE INSERT ON download WHEN NEW.firmware_id = 'f' BEGIN SELECT RAISE(ABORT, 'not f, please'); END"
	curl -sf -o got "$HTTP/firmware/f/a.bin"
	curl -sf -o got "$HTTP/firmware/g/a.bin"
	rows "SELECT firmware_id FROM download" g
	retry 5 grep -q "the catalog's rules refuse a download's record, which is passed over: not f, please" "$LOG"
	db "CREATE TRIGGER no_verdict BEFORE UPDATE OF state ON firmware WHEN NEW.firmware_id = 'h' AND NEW.state IN ('ready', 'rejected') BEGIN
		SELECT RAISE(ABORT, 'no verdict, please'); END"
	add_file h 32 a.bin
	drop b.bin
	add_file i 33 b.bin
	becomes i ready
	rows "SELECT state FROM firmware WHERE firmware_id = 'h'" pending
	refute grep -q 'the catalog cannot be written' "$LOG"
}

@test "nor does one that ends the whole transaction, and the log tells why a file stays pending" {
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	add_file g 31 a.bin
	becomes g ready
	db "CREATE TRIGGER no_f BEFORE INSERT ON download WHEN NEW.firmware_id = 'f' BEGIN SELECT RAISE(ROLLBACK, 'not f, please'); END"
	curl -sf -o got "$HTTP/firmware/f/a.bin"
	curl -sf -o got "$HTTP/firmware/g/a.bin"
	retry 20 db_is "SELECT firmware_id FROM download" g
	db "DROP TRIGGER no_f;
		CREATE TRIGGER no_verdict BEFORE UPDATE OF state ON firmware WHEN NEW.firmware_id = 'h' AND NEW.state IN ('ready', 'rejected') BEGIN
		SELECT RAISE(ROLLBACK, 'no verdict, please'); END"
	stop_broker # the line is written once a minute
	start_broker
	add_file h 32 a.bin
	drop b.bin
	add_file i 33 b.bin
	becomes i ready
	retry 10 grep -q "the catalog's rules refuse what a file is found to be, which is passed over: no verdict, please" "$LOG"
	rows "SELECT state FROM firmware WHERE firmware_id = 'h'" pending
	refute grep -q 'the catalog cannot be written' "$LOG"
}
