#!/usr/bin/env bats
# What the documents say of the HTTP API, done as they say it.

load ../admin_helper
load ../control_helper

setup() { :; }

@test "ten things, as SQL and with curl, leave the same rows" {
	start_admin
	do_as_sql
	mosquitto_passwd -b "$PASSWORDS" ann secret
	{
		echo 'mosquitto_ctrl() { :; }'
		ten_things sh | sed "s#:8081#:$PORT#"
	} | bash >answers
	refute grep '"code"' answers
	left_rows >by.curl
	diff by.sql by.curl
	assert_equal "$(ten_things sh | grep -c '^api /')" 13
}

# KIND NUMBER: one of the fenced blocks of http-api.md.
block() {
	awk -v kind="$1" -v wanted="$2" '/^```/ { inside = !open && $0 == "```" kind; n += inside; open = !open; next }
		inside && n == wanted' "$FW_SOURCE/plugin/doc/http-api.md"
}

@test "http-api.md: its first session, and its proxy" {
	local front line
	PORT=$(free_port)
	front=$(free_port)
	cd "$BATS_TEST_TMPDIR"
	touch passwd && chmod 600 passwd
	mosquitto_passwd -b passwd ann secret
	mapfile -t lines < <({ block '' 1; block '' 2; } | sed -e "s#:8081#:$PORT#" -e "s#/etc/mosquitto/firmware.passwd#$PWD/passwd#" | sort -u)
	assert_equal "${#lines[@]}" 6
	start_broker "${lines[@]}"
	head -c 1000 /dev/urandom >lamp-2.1.bin
	block sh 1 | sed "s#:8081#:$PORT#" | bash
	rows "SELECT name, state FROM task" 'Spring|stopped'
	mkdir -p nginx
	{
		printf 'daemon off; master_process off; pid nginx/pid; error_log nginx/error.log;\nevents {}\nhttp {\n'
		printf 'access_log off; client_body_temp_path nginx/b; fastcgi_temp_path nginx/f; uwsgi_temp_path nginx/u; scgi_temp_path nginx/s; proxy_temp_path nginx/p;\n'
		printf 'server { listen 127.0.0.1:%s;\n' "$front"
		block '' 3 | sed "s#:8081#:$PORT#"
		printf '}\n}\n'
	} >nginx/conf
	[[ $(id -u) != 0 ]] || sed -i '1s/^/user root; /' nginx/conf
	/usr/sbin/nginx -p "$PWD" -c "$PWD/nginx/conf" >nginx/out 2>&1 3>&- &
	BACKGROUND+=($!)
	line="http://admin.example.com:$front"
	local proxy=(curl -s -m 20 --resolve "admin.example.com:$front:127.0.0.1" -u ann:secret)
	retry 10 "${proxy[@]}" -f -o /dev/null "$line/api/v1/details"
	# what the browser sees there
	assert_equal "$("${proxy[@]}" -o /dev/null -w '%{http_code}' -H "$JSON" -H 'Origin: https://admin.example.com' -d '{"productId":"x"}' "$line/api/v1/products")" 201
	assert_equal "$("${proxy[@]}" -o /dev/null -w '%{http_code}' -H "$JSON" -H 'Origin: https://evil.example.com' -d '{"productId":"y"}' "$line/api/v1/products")" 403
	assert_equal "$("${proxy[@]}" -o /dev/null -w '%{http_code}' -H "$BYTES" -T lamp-2.1.bin "$line/api/v1/files/second.bin")" 201
}
