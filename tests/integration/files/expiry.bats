#!/usr/bin/env bats
# URLs that are for one device and some time.

load ../files_helper

setup() {
	start_with_files 'plugin_opt_url_ttl_seconds 100'
	drop 'a b.bin'
	add_file f 30 'a b.bin'
	becomes f ready
}

@test "a pull's URL works, and no other does" {
	local url other
	url=$(member "$(pull 'd 1' '{}')" url)
	[[ $url == "$HTTP/firmware/f/a%20b.bin?device=d%201&expires="*"&signature="* ]]
	assert_equal "$(status_of "$url")" 200
	cmp body "$FILES/a b.bin"
	other=$(member "$(pull d2 '{}')" url)
	assert_equal "$(status_of "$other")" 200
	[[ ${other#*signature=} != "${url#*signature=}" ]]
	for bad in "${url%%\?*}" "${url/d%201/d2}" "${url/expires=1/expires=2}" "${url%?}" "${url}0" "${url/signature=/signature=0}" "${url/device=/devices=}" \
		"${url%%\?*}?${other#*\?}x" "${url/expires=/expires=-}" "${url/expires=/expires=0}" "${url/expires=/expires=%2B}" "${url%%&signature*}"; do
		assert_equal "$bad $(status_of "$bad")" "$bad 403"
	done
	# the row's own address says nothing of a device
	assert_equal "$(db "SELECT url FROM firmware WHERE firmware_id = 'f'")" "$HTTP/firmware/f/a%20b.bin"
	assert_equal "$(stat -c %a "$BROKER_DIR/url.secret")" 600
}

@test "a pushed URL is the device's own" {
	db "INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1')"
	listen d1 -i d1 -q 1 -t /lamp/d1/firmware/upgrade
	db "INSERT INTO task (firmware_id, name, mode) VALUES ('f', 'T', 'push')"
	retry 10 heard_count d1 1
	assert_equal "$(status_of "$(heard d1 | cut -d' ' -f4- | jq -r .url)")" 200
	heard_text d1 'device=d1&expires='
}

@test "who downloaded it is in the catalog" {
	curl -sf -o got "$(member "$(pull d1 '{}')" url)"
	curl -sf -o got -r 0-9 "$(member "$(pull d2 '{}')" url)"
	rows "SELECT device_id, bytes, reached, total, requests, completed_at IS NOT NULL FROM download ORDER BY 1" $'d1|100000|100000|100000|1|1\nd2|10|10|100000|1|0'
	[[ $(db "CREATE TEMP TABLE arg AS SELECT 'lamp' AS product_id, '30.0' AS version" ".read $FW_SOURCE/schema/scripts/downloads.sql") == *d2*0*d1*100* ]]
}

@test "another file given by hand: the URL is its own, and signed" {
	local url
	drop b.bin 5000
	db "UPDATE firmware SET file = 'b.bin', size = NULL, sign = NULL, sign_method = NULL WHERE firmware_id = 'f'"
	becomes f ready
	url=$(member "$(pull d1 '{}')" url)
	[[ $url == "$HTTP/firmware/f/b.bin?device=d1&expires="*"&signature="* ]]
	assert_equal "$(status_of "$url")" 200
	cmp body "$FILES/b.bin"
}

@test "another firmware's or product's signature is worth nothing" {
	local url
	drop b.bin
	add_file g 29 b.bin
	becomes g ready
	url=$(member "$(pull d1 '{}')" url)
	assert_equal "$(status_of "$HTTP/firmware/g/b.bin?${url#*\?}")" 403
}

@test "it expires, and lives on over a restart until then" {
	local url
	stop_broker
	sed -i 's/ttl_seconds .*/ttl_seconds 3/' "$BROKER_DIR/mosquitto.conf"
	start_broker
	url=$(member "$(pull d1 '{}')" url)
	stop_broker
	start_broker
	assert_equal "$(status_of "$url")" 200
	sleep 4
	assert_equal "$(status_of "$url")" 403
}

@test "an address given by hand is told as it is" {
	drop c.bin
	add_file h 31 c.bin "url='https://cdn.test/c'"
	becomes h ready
	assert_json "$(pull d1 '{}')" '.url == "https://cdn.test/c"'
}

@test "a key file that others can read keeps the broker from starting" {
	stop_broker
	chmod 644 "$BROKER_DIR/url.secret"
	refuses_to_start
	[[ $output == *'plugin_opt_url_secret_file'*'chmod 600'* ]]
}
