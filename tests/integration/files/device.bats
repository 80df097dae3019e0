#!/usr/bin/env bats
# The whole loop with the simulated device: file dropped, verified, pushed, downloaded, verified by the device, success.

load ../files_helper

setup() {
	start_with_files
	drop a.bin 200000
	add_file f 30 a.bin
	becomes f ready
	mkdir got
}

device() { "$FW_SOURCE/tests/device" --pace 0 --once --download got "$@" lamp d1 -- "${CONNECT[@]}"; }

push() {
	db "INSERT OR IGNORE INTO device (product_id, device_id) VALUES ('lamp', 'd1');
		INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f', 'T', 'push')"
}

@test "pushed, by HTTP" {
	device >out 2>&1 3>&- &
	retry 10 grep -q 'waits for an upgrade' out
	rows "SELECT count(*) FROM device WHERE device_id = 'd1'" 1
	push
	wait $!
	cmp got/30.0 "$FILES/a.bin"
	rows "SELECT state, progress FROM task_device" 'success|100'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 30.0
}

@test "pulled, over MQTT, from where an earlier download ended" {
	head -c 70000 "$FILES/a.bin" >got/f.part
	device --pull --chunks
	cmp got/30.0 "$FILES/a.bin"
	rows "SELECT device_id, bytes, reached FROM download" 'd1|130000|200000'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 30.0
}

@test "an image that does not verify is not installed, and begun anew" {
	head -c 70000 /dev/urandom >got/f.part
	device --pull
	[[ ! -e got/30.0 && ! -e got/f.part ]]
	rows "SELECT success, error_reason FROM progress_log WHERE complete" '0|the image does not verify (sha256)'
	device --pull
	cmp got/30.0 "$FILES/a.bin"
}

# METHOD FILE: its signature by the key in file METHOD, as plugin/doc/operate.md makes it.
sign() {
	case $1 in
	ed25519) openssl pkeyutl -sign -rawin -inkey "$1" -in "$2" ;;
	*) openssl dgst -sha256 -sign "$1" "$2" ;;
	esac | openssl base64 -A
}

@test "a signature of each method is verified with the device's own key, by HTTP and over MQTT" {
	local method order=31 way
	local -A kind=([ed25519]='-algorithm ed25519' [ecdsa-sha256]='-algorithm EC -pkeyopt ec_paramgen_curve:P-256' [rsa-sha256]='-algorithm RSA')
	for method in ed25519 ecdsa-sha256 rsa-sha256; do
		# shellcheck disable=SC2086 # several words
		{
			openssl genpkey ${kind[$method]} -out "$method" 2>/dev/null
			openssl genpkey ${kind[$method]} 2>/dev/null | openssl pkey -pubout >foreign
		}
		openssl pkey -in "$method" -pubout -out public
		db "UPDATE product SET public_key = CAST(readfile('public') AS TEXT) WHERE product_id = 'lamp'"
		add_file "$method" $order a.bin "sign_method='$method'" "sign='$(sign "$method" "$FILES/a.bin")'"
		becomes "$method" ready
		device --pull --key foreign
		rows "SELECT error_reason FROM progress_log WHERE complete ORDER BY log_id DESC LIMIT 1" "the image does not verify ($method)"
		for way in '' --chunks; do
			# how the image came is nothing to the signature
			[[ -n ${FW_LONG:-} || -z $way || $method == ed25519 ]] || continue
			# shellcheck disable=SC2086 # an option or none
			device --pull --key public $way
			cmp "got/$order.0" "$FILES/a.bin"
			rm "got/$order.0"
		done
		((++order))
	done
}

@test "a server that is not there is a reason" {
	db "UPDATE firmware SET url = 'http://127.0.0.1:1/x' WHERE firmware_id = 'f'"
	becomes f ready
	device --pull
	rows "SELECT success, error_reason LIKE 'download: %' FROM progress_log WHERE complete" '0|1'
}
