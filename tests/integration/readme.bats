#!/usr/bin/env bats
# The examples in README.md work as they stand there.

load helper

setup() { start_broker; }

# The shell commands of the README that begin with this word, one a line.
commands() { sed -n 's/^    //p' "$FW_SOURCE/README.md" | sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' | grep "^$1 " || true; }

# LINE: runs it, with the clients led to the test's broker.
type_in() {
	mosquitto_pub() { pub "$@"; }
	mosquitto_rr() { rr "$@"; }
	eval "$1"
}

@test "the README's SQL, and then its device and application" {
	# shellcheck disable=SC2016 # the README's fences
	sed -n '/^```sql$/,/^```$/p' "$FW_SOURCE/README.md" | sed '/^```/d' >"$BROKER_DIR/readme.sql"
	[[ -s $BROKER_DIR/readme.sql ]]
	sqlite3 -bail "$DB" <"$BROKER_DIR/readme.sql"

	mapfile -t asks < <(commands mosquitto_rr)
	mapfile -t tells < <(commands mosquitto_pub)
	assert_equal "${#asks[@]} ${#tells[@]}" '2 3'
	assert_json "$(type_in "${asks[0]}")" '.version == "2.0" and .messageId == "1"'
	for line in "${tells[@]}"; do type_in "$line"; done
	rows "SELECT progress, coalesce(complete, 0), success FROM progress_log ORDER BY log_id" $'50|0|\n100|1|1'
	assert_json "$(type_in "${asks[1]}")" '.version == "2.0" and .messageId == "7"'
	assert_json "$(type_in "${asks[0]}")" '.version == "2.0"' # it told its old version
	rows "SELECT version FROM device" 1.0
}

@test "the README's example of a script" {
	line=$(commands 'sqlite3 -cmd')
	(cd "$BROKER_DIR" && ln -s "$FW_SOURCE/schema" . && eval "$line")
	rows "SELECT name FROM product" Lamp
}

@test "the README lists every option" {
	while read -r option; do
		grep -q "^| .*\`$option\`" "$FW_SOURCE/README.md"
	done < <(sed -nE 's/^#?plugin_opt_([a-z_]+) .*/\1/p' "$FW_SOURCE/mosquitto.conf.example")
}

# The first column of the README's tables of log lines, cut at what stands for names and numbers.
# shellcheck disable=SC2016 # the README's backquotes
quoted_fragments() {
	sed -n '/^## When something is wrong/,/^## /p' "$FW_SOURCE/README.md" | sed -n 's/^| `\(.*\)` | .*/\1/p' |
		sed 's/\.\.\./\n/g' | sed -e "s/^[ :;,'()]*//" -e "s/[ :;,'()]*$//" | awk 'length > 3'
}

@test "every log line that the README quotes is one of the plugin's" {
	quoted_fragments >"$BROKER_DIR/fragments"
	(($(wc -l <"$BROKER_DIR/fragments") > 20))
	# C text: adjoining literals are one
	cat "$FW_SOURCE"/plugin/*.c | tr '\n\t' '  ' | sed -E 's/" +"//g' >"$BROKER_DIR/source"
	while read -r fragment; do
		grep -qF -- "$fragment" "$BROKER_DIR/source" && continue
		echo "not in plugin/*.c: $fragment"
		return 1
	done <"$BROKER_DIR/fragments"
}
