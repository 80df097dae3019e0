# shellcheck shell=bash
# What the tests of the control plane share: the ten things of control.md, and the rows that they
# leave.

load ../helper

# KIND: the blocks of the ten things in control.md, one after the other.
ten_things() {
	sed -n '/^## Ten things/,/^## Commands/p' "$FW_SOURCE/plugin/doc/control.md" |
		sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" | grep -v '^```'
}
# What both ways leave, without times, and without what the broker has sent meanwhile.
left_rows() {
	db "SELECT * FROM product; SELECT * FROM device_tag; SELECT product_id, device_id, name FROM device;
		SELECT firmware_id, name, version, version_order, sign, size, url, state, state_reason FROM firmware;
		SELECT task_id, firmware_id, name, mode, release_type, state, max_in_flight, paused_reason, stage FROM task;
		SELECT task_id, device_id FROM task_device; SELECT task_id, what, detail, who FROM task_log"
}

# Does each thing as SQL, and leaves the rows in the file by.sql; then begins anew.
do_as_sql() {
	ten_things sql | db >/dev/null
	left_rows >by.sql
	(($(wc -l <by.sql) > 10))
	stop_broker
	rm "$DB"*
	start_broker
	catalog
}
