#!/usr/bin/env bats
# Texts that are matched letter by letter, or that devices are told: the good are taken, the bad refused with the reason, by a bare shell.

bats_require_minimum_version 1.5.0

load helper

setup() {
  catalog_setup
  sql "INSERT INTO product (product_id) VALUES ('p');
    INSERT INTO firmware (firmware_id, product_id, name, version, version_order, url, size, sign_method, sign, parameters)
    VALUES ('f', 'p', 'n', '1', 1, 'http://fixture', 10, 'md5', '0123456789abcdef0123456789abcdef', '{\"fixture\":1}');
    INSERT INTO device (product_id, device_id) VALUES ('p', 'e');"
  STRINGS=$BATS_TEST_DIRNAME/strings.tsv
  cd "$BATS_TEST_TMPDIR" || return 1
}

strings() {
  PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$BATS_TEST_DIRNAME/strings.py" "$STRINGS" "$@"
}

@test "each text of strings.tsv, inserted and updated" {
  strings | sqlite3 "$DB" >taken 2>reasons || true
  strings expected >wanted
  (($(wc -l <wanted) > 700))
  diff wanted taken
  # a sentence for each that begins with the column's name, in one line
  same "$(grep -c ' 0$' wanted)" "$(wc -l <reasons)" 'a reason each'
  run ! grep -aEv '(error near line [0-9]+: |CHECK constraint failed: )(product_id|device_id|version|version of a device|file|url|parameters|firmware_id|task_id) (must|has|is) ' reasons
}

@test "each of them while the shell distrusts the schema" {
  # SQLite before 3.41 takes no statement with a JSON function then
  strings expected >wanted
  { echo 'PRAGMA trusted_schema = off;'; strings; } | sqlite3 "$DB" >distrusted 2>/dev/null || true
  diff <(grep -Ev 'UPDATE firmware|INSERT firmware' wanted) <(grep -Ev 'UPDATE firmware|INSERT firmware' distrusted)
  same '' "$(grep ' 1$' distrusted | grep -vxFf wanted)" 'refused then too'
}

# COLUMN TEXT-IN-SQL WORDS
reason() {
  refused "$3" "UPDATE firmware SET $1 = $2 WHERE firmware_id = 'f';"
}

@test "the reasons are the right ones" {
  reason version "'2.0 '" 'version must not begin or end with a blank'
  reason version "' 2.0'" 'version must not begin or end with a blank'
  reason version "'2.0' || char(160)" 'version has a character that nobody sees'
  reason version "'2.' || char(8203) || '0'" 'version has a character that nobody sees'
  reason version "char(65279) || '2.0'" 'version has a character that nobody sees'
  reason version "CAST(x'32ff' AS TEXT)" 'version is not UTF-8'
  reason version "CAST(x'32a0' AS TEXT)" 'version is not UTF-8'
  reason version "'2' || char(133)" 'version must be without control characters'
  reason parameters "'{\"a\":\"\\ud800\"}'" 'without half of a surrogate pair'
  reason parameters "'{\"a\":1e999}'" 'parameters has a number that is too large'
  reason parameters "CAST(x'7b2261223a22ff227d' AS TEXT)" 'parameters is not UTF-8'
  reason parameters "'{\"a\":\"' || printf('%032768d', 1) || '\"}'" 'parameters must be a JSON object of at most 32768 bytes'
}

@test "REPLACE, IGNORE and UPSERT are no way around it, and what stands there already does not keep a row from being changed" {
  local verb
  for verb in INSERT 'INSERT OR REPLACE' 'INSERT OR IGNORE' 'INSERT OR FAIL'; do
    refused 'product_id must not begin or end with a blank' "$verb INTO product (product_id) VALUES ('q ');"
    refused 'device_id must not begin or end with a blank' "$verb INTO device (product_id, device_id) VALUES ('p', 'q ');"
  done
  plugin_sql "INSERT INTO device (product_id, device_id, version) VALUES ('p', 'd ', '1 ');"
  gives 'Hall' "UPDATE device SET name = 'Hall' WHERE device_id = 'd ';" "SELECT name FROM device WHERE device_id = 'd ';"
  plugin_sql "UPDATE firmware SET version = '1 ' WHERE firmware_id = 'f';"
  gives 'x|2' "UPDATE firmware SET name = 'x', version = version WHERE firmware_id = 'f'; UPDATE firmware SET version = '2' WHERE firmware_id = 'f';" \
    "SELECT name, version FROM firmware WHERE firmware_id = 'f';"
  rows '0' 'SELECT count(*) FROM check_text;'
}

@test "32 KiB of parameters in other letters than ASCII are looked at in no time" {
  local began=$SECONDS
  gives '32768' "UPDATE firmware SET parameters = '{\"a\":\"' || replace(printf('%016380d', 0), '0', char(228)) || '\"}' WHERE firmware_id = 'f';" \
    "SELECT length(CAST(parameters AS BLOB)) FROM firmware;"
  gives '32768' "UPDATE firmware SET parameters = '{\"a\":\"' || replace(printf('%05460d', 0), '0', '\\u00e4') || '\"}' WHERE firmware_id = 'f';" \
    "SELECT length(CAST(parameters AS BLOB)) FROM firmware;"
  ((SECONDS - began < 20))
}
