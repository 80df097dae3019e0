#!/usr/bin/env bats
# Debian's nginx: as cache and TLS front of the plugin, and as the server of the folder itself.

load ../files_helper

setup() { NGINX=; }

teardown() {
	[[ -z $NGINX ]] || kill "$NGINX" 2>/dev/null || true
	clean_up
}

# Runs nginx with the server block on standard input.
start_nginx() {
	mkdir -p nginx/cache
	{
		printf 'daemon off; master_process off; pid %s/nginx/pid; error_log %s/nginx/error.log;\nevents {}\nhttp {\n' "$PWD" "$PWD"
		printf 'access_log off; client_body_temp_path nginx/b; fastcgi_temp_path nginx/f; uwsgi_temp_path nginx/u; scgi_temp_path nginx/s; proxy_temp_path nginx/p;\n'
		cat
		printf '}\n'
	} >nginx/conf
	[[ $(id -u) != 0 ]] || sed -i '1s/^/user root; /' nginx/conf
	/usr/sbin/nginx -p "$PWD" -c "$PWD/nginx/conf" >nginx/out 2>&1 3>&- &
	NGINX=$!
	retry 10 nginx_listens
}
nginx_listens() { (exec 3<>"/dev/tcp/127.0.0.1/$FRONT") 2>/dev/null; }

@test "a cache with TLS in front of the plugin" {
	FRONT=$(free_port)
	start_with_files "plugin_opt_url_base https://localhost:$FRONT"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
	start_nginx <<-END
		proxy_cache_path $PWD/nginx/cache keys_zone=firmware:1m;
		server {
			listen 127.0.0.1:$FRONT ssl;
			ssl_certificate $PWD/tls.crt;
			ssl_certificate_key $PWD/tls.key;
			location /firmware/ {
				proxy_pass $HTTP;
				proxy_cache firmware;
				proxy_cache_revalidate on;
				add_header X-Cache \$upstream_cache_status;
			}
		}
	END
	drop a.bin 3000000
	add_file f 30 a.bin
	becomes f ready
	url=$(member "$(pull d1 '{}')" url)
	assert_equal "$url" "https://localhost:$FRONT/firmware/f/a.bin"
	curl -sf --cacert tls.crt -D head -o got "$url"
	cmp got "$FILES/a.bin"
	grep -q 'X-Cache: MISS' head
	for _ in 1 2 3; do curl -sf --cacert tls.crt -D head -o got "$url"; done
	grep -q 'X-Cache: HIT' head
	cmp got "$FILES/a.bin"
	head -c 1000000 "$FILES/a.bin" >got
	curl -sf --cacert tls.crt -C - -o got "$url"
	cmp got "$FILES/a.bin"
	rows "SELECT requests FROM download" 1
	assert_equal "$(status_of --cacert tls.crt "https://localhost:$FRONT/firmware/f/b.bin")" 404
}

@test "URLs that expire go through the front, and are not cached" {
	FRONT=$(free_port)
	start_with_files "plugin_opt_url_base http://127.0.0.1:$FRONT" 'plugin_opt_url_ttl_seconds 3'
	start_nginx <<-END
		proxy_cache_path $PWD/nginx/cache keys_zone=firmware:1m;
		server {
			listen 127.0.0.1:$FRONT;
			location /firmware/ {
				proxy_pass $HTTP;
				proxy_cache firmware;
			}
		}
	END
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	url=$(member "$(pull d1 '{}')" url)
	assert_equal "$(status_of "$url")" 200
	cmp body "$FILES/a.bin"
	sleep 4
	assert_equal "$(status_of "$url")" 403
}

@test "nginx serves the folder, the plugin only tells where" {
	FRONT=$(free_port)
	FILES=$BATS_TEST_TMPDIR/firmware
	cd "$BATS_TEST_TMPDIR" || return 1
	start_broker "plugin_opt_url_base http://127.0.0.1:$FRONT"
	catalog
	start_nginx <<-END
		server {
			listen 127.0.0.1:$FRONT;
			location ~ ^/firmware/[^/]+/([^/]+)\$ { alias $FILES/\$1; }
		}
	END
	drop 'a b.bin'
	add_file f 30 'a b.bin'
	becomes f ready
	url=$(member "$(pull d1 '{}')" url)
	assert_equal "$(status_of "$url")" 200
	cmp body "$FILES/a b.bin"
	curl -sf -r 5-9 "$url" | cmp - <(tail -c +6 "$FILES/a b.bin" | head -c 5)
}
