#!/usr/bin/env bats
# What a bare shell may do with products, firmware and devices, and the words of each refusal.

load helper

setup() {
  catalog_setup
  small_fleet
}

@test "a product has its defaults" {
  rows '||1|latest|' "SELECT '', name, firmware_enabled, pull_policy, public_key FROM product WHERE product_id = 'p';"
}

@test "a product_id is 1 to 64 bytes of UTF-8 without / + # and control characters" {
  local words='product_id must be 1 to 64 bytes, without / + # and without control characters'
  local bad
  for bad in "''" "'a/b'" "'a+b'" "'a#b'" "'/'" "char(97, 1)" "char(31)" "char(97, 10, 98)" "char(97, 127)" "char(97, 0, 98)" \
    "char(97, 0)" "printf('%065d', 7)" "char(0x4e2d) || printf('%062d', 7)"; do
    refused "$words" "INSERT INTO product (product_id) VALUES ($bad);"
  done
  sql "INSERT INTO product (product_id) VALUES (printf('%064d', 7)), (char(0x4e2d) || printf('%061d', 7)), ('a b'), ('007'), ('a.b_c-d*[]?');"
  rows 'text|007' "SELECT typeof(product_id), product_id FROM product WHERE product_id = '007';"
}

@test "a product's other columns are checked" {
  refused 'firmware_enabled must be 0 or 1' "UPDATE product SET firmware_enabled = 2;"
  refused 'NOT NULL constraint failed: product.firmware_enabled' "UPDATE product SET firmware_enabled = NULL;"
  refused 'cannot store TEXT value in INTEGER column' "UPDATE product SET firmware_enabled = 'yes';"
  refused "pull_policy must be 'latest', 'stepwise' or 'task'" "UPDATE product SET pull_policy = 'newest';"
  refused 'name of a product must be at most 64 characters' "UPDATE product SET name = printf('%065d', 1);"
  refused 'public_key must be a PEM public key' "UPDATE product SET public_key = 'ssh-rsa AAAA';"
  refused 'public_key must be a PEM public key' "UPDATE product SET public_key = '-----BEGIN PRIVATE KEY-----';"
  sql "UPDATE product SET public_key = '-----BEGIN PUBLIC KEY-----x', pull_policy = 'stepwise', name = printf('%064d', 1);"
}

@test "a product's key does not change, and it goes only when it is empty" {
  refused 'product_id cannot change' "UPDATE product SET product_id = 'r' WHERE product_id = 'p';"
  refused 'product_id cannot change' "UPDATE OR REPLACE product SET product_id = 'q' WHERE product_id = 'p';"
  refused 'this product has firmware: delete its firmware first' "DELETE FROM product WHERE product_id = 'p';"
  refused 'this product has firmware' "DELETE FROM product;"
  sql "DELETE FROM firmware WHERE product_id = 'q';"
  refused 'this product has devices: delete its devices first' "DELETE FROM product WHERE product_id = 'q';"
  sql "DELETE FROM device WHERE product_id = 'q';"
  gives 'p' "DELETE FROM product WHERE product_id = 'q';" 'SELECT product_id FROM product;'
}

@test "UPSERT edits a product and a device" {
  gives 'New|0' "INSERT INTO product (product_id, name, firmware_enabled) VALUES ('p', 'New', 0)
    ON CONFLICT (product_id) DO UPDATE SET name = excluded.name, firmware_enabled = excluded.firmware_enabled;" \
    "SELECT name, firmware_enabled FROM product WHERE product_id = 'p';"
  gives 'Roof|1.0' "INSERT INTO device (product_id, device_id, name) VALUES ('p', 'd1', 'Roof')
    ON CONFLICT (product_id, device_id) DO UPDATE SET name = excluded.name;" \
    "SELECT name, version FROM device WHERE device_id = 'd1';"
  gives '4' "INSERT OR IGNORE INTO device (product_id, device_id) VALUES ('p', 'd1'), ('p', 'd2');" \
    "SELECT count(*) FROM device WHERE product_id = 'p';"
}

replace_product() {
  # with recursive_triggers the row that is replaced is deleted in triggers' eyes, and that is refused
  sql "INSERT OR REPLACE INTO product (product_id, name) VALUES ('p', 'again');" 2>/dev/null || [[ $RT == on ]] || return 1
  rows '2|4' "SELECT (SELECT count(*) FROM firmware WHERE product_id = 'p'), (SELECT count(*) FROM device WHERE product_id = 'p');" &&
    counts_exact
}

@test "INSERT OR REPLACE of a product harms nothing that hangs on it" {
  each_way replace_product
}

@test "the hidden rowid of a table is no way around its key" {
  refused 'no column named rowid' "INSERT OR REPLACE INTO product (rowid, product_id) VALUES (1, 'x');"
  refused 'no column named rowid' "INSERT OR REPLACE INTO firmware (rowid, product_id) VALUES (1, 'x');"
  refused 'no column named rowid' "INSERT OR REPLACE INTO task (rowid, task_id) VALUES (1, 'x');"
}

@test "hosted firmware is ready at once, with made-up id, times and defaults" {
  sql "INSERT INTO firmware (product_id, name, version, version_order, url, size, sign_method, sign) VALUES ('p', 'n', '3', 3, $HOSTED);"
  rows '16|ready|{}|||1|1' "SELECT length(firmware_id), state, parameters, description, state_reason,
    abs(created_at - unixepoch() * 1000) < 60000, abs(updated_at - created_at) < 60000 FROM firmware WHERE version = '3';"
  gives 'ready|' "INSERT INTO firmware (product_id, name, version, version_order, url, size, sign_method, sign, state, state_reason)
    VALUES ('p', 'n', '4', 4, $HOSTED, 'rejected', 'no');" "SELECT state, state_reason FROM firmware WHERE version = '4';"
}

@test "hosted firmware needs url, size, sign_method and sign" {
  local words='firmware without a file is hosted elsewhere: url, size, sign_method and sign must be given' values
  for values in "NULL, 10, 'md5', '0123456789abcdef0123456789abcdef'" "'http://h/x', NULL, 'md5', '0123456789abcdef0123456789abcdef'" \
    "'http://h/x', 10, 'md5', NULL"; do
    refused "$words" "INSERT INTO firmware (product_id, name, version, version_order, url, size, sign_method, sign) VALUES ('p', 'n', '3', 3, $values);"
  done
  refused "$words" "INSERT INTO firmware (product_id, name, version, version_order) VALUES ('p', 'n', '3', 3);"
  refused "$words" "UPDATE firmware SET url = NULL WHERE firmware_id = 'f1';"
}

@test "firmware with a file is pending whatever was given" {
  local given
  for given in ready rejected pending; do
    gives 'pending|' "INSERT INTO firmware (product_id, name, version, version_order, file, state, state_reason)
      VALUES ('p', 'n', '3', 3, 'x.bin', '$given', 'because');" "SELECT state, state_reason FROM firmware WHERE version = '3';"
  done
}

@test "a file is a plain name" {
  local words='file must be a plain name in files_dir' bad
  for bad in "''" "'.'" "'..'" "'.hidden'" "'a/b'" "'/etc/passwd'" "char(97, 0)" "char(97, 10)" "printf('%0256d', 1)"; do
    refused "$words" "INSERT INTO firmware (product_id, name, version, version_order, file) VALUES ('p', 'n', '3', 3, $bad);"
  done
  gives '1' "INSERT INTO firmware (product_id, name, version, version_order, file) VALUES ('p', 'n', '3', 3, 'a b..bin');" \
    "SELECT count(*) FROM firmware WHERE file = 'a b..bin';"
}

@test "firmware's columns are checked, in words" {
  local set
  while IFS='~' read -r set words; do
    refused "$words" "UPDATE firmware SET $set WHERE firmware_id = 'f1';"
  done <<'END'
name = ''~name of firmware must be 1 to 64 characters
name = printf('%065d', 1)~name of firmware must be 1 to 64 characters
version = ''~version must be 1 to 64 characters
version = char(49, 0, 50)~version must be 1 to 64 characters
version = char(49, 10)~version must be without control characters
version = char(49, 133)~version must be without control characters
version_order = 0~version_order must be 1 or more
version_order = 'x'~cannot store TEXT value in INTEGER column
size = 0~size must be 1 byte or more
size = -1~size must be 1 byte or more
size = 'big'~cannot store TEXT value in INTEGER column
url = ''~url must be 1 to 2048 bytes
url = 'http://a b'~url must be 1 to 2048 bytes
url = 'http://a' || char(10)~url must be 1 to 2048 bytes
url = printf('%02049d', 1)~url must be 1 to 2048 bytes
sign_method = 'crc32'~sign_method must be
sign_method = NULL~must be given
sign = '0123456789ABCDEF0123456789ABCDEF'~sign must be lower-case hex
sign = '0123456789abcdef0123456789abcde'~sign must be lower-case hex
sign = '0123456789abcdef0123456789abcdef0'~sign must be lower-case hex
sign_method = 'sha256'~sign must be lower-case hex: 32 digits for md5, 64 for sha256
sign_method = 'sha512'~sign must be lower-case hex
sign_method = 'ed25519', sign = 'AA=A'~sign must be base64 on one line
sign_method = 'ed25519', sign = 'AAA'~sign must be base64 on one line
sign_method = 'rsa-sha256', sign = 'AAAA' || char(10) || 'AAA'~sign must be base64 on one line
sign_method = 'rsa-sha256', sign = 'A==='~sign must be base64 on one line
sign_method = 'ecdsa-sha256', sign = ''~sign must be base64 on one line
parameters = '[]'~parameters must be a JSON object
parameters = '{"a":1}x'~parameters must be a JSON object
parameters = '{'~parameters must be a JSON object
parameters = 'null'~parameters must be a JSON object
parameters = ''~parameters must be a JSON object
parameters = '{}' || char(0) || 'x'~parameters must be a JSON object
parameters = '{"a":"' || printf('%032768d', 1) || '"}'~parameters must be a JSON object of at most 32768 bytes
parameters = NULL~NOT NULL constraint failed: firmware.parameters
description = printf('%0201d', 1)~description of firmware must be at most 200 characters
state = 'done'~state of firmware must be
END
  sql "UPDATE firmware SET sign_method = 'ed25519', sign = 'QUJDRA==', description = printf('%0200d', 1), parameters = '{\"a\":[1]}' WHERE firmware_id = 'f1';"
  refused 'sign needs its sign_method' "INSERT INTO firmware (product_id, name, version, version_order, file, sign) VALUES ('p', 'n', '3', 3, 'x', 'ab');"
  local id
  for id in "''" "'a b'" "'a/b'" "'ü'" "'.'" "'..'" "printf('%065d', 1)" "char(97, 0)"; do
    refused 'firmware_id must be 1 to 64 of' "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ($id, 'p', 'n', '3', 3, 'x');"
  done
  refused 'parameters must be a JSON object' "INSERT INTO firmware (product_id, name, version, version_order, file, parameters) VALUES ('p', 'n', '3', 3, 'x', '[1]');"
}

@test "text that looks like a number stays text" {
  sql "INSERT INTO firmware (product_id, name, version, version_order, file) VALUES ('p', '007', '1.10', 3, '010');
    INSERT INTO device (product_id, device_id, name, version) VALUES ('p', '007', '1e3', '1.50');"
  rows '007|1.10|010' "SELECT name, version, file FROM firmware WHERE version_order = 3;"
  rows '007|1e3|1.50' "SELECT device_id, name, version FROM device WHERE device_id = '007';"
}

@test "a second firmware of the same id, version or order is refused, REPLACE or not" {
  local verb
  for verb in INSERT 'INSERT OR REPLACE' 'INSERT OR IGNORE' REPLACE 'INSERT OR FAIL'; do
    refused 'this firmware_id exists already' "$verb INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('f1', 'p', 'n', '9', 9, 'x');"
    refused 'the product has firmware of this version already' "$verb INTO firmware (product_id, name, version, version_order, file) VALUES ('p', 'n', '1.0', 9, 'x');"
    refused 'the product has firmware with this version_order already' "$verb INTO firmware (product_id, name, version, version_order, file) VALUES ('p', 'n', '9', 1, 'x');"
    refused 'unknown product_id: add the product first' "$verb INTO firmware (product_id, name, version, version_order, file) VALUES ('nope', 'n', '9', 9, 'x');"
  done
  refused 'this firmware_id exists already' "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file)
    VALUES ('f1', 'p', 'n', '9', 9, 'x') ON CONFLICT DO UPDATE SET product_id = 'q';"
  for verb in UPDATE 'UPDATE OR REPLACE' 'UPDATE OR IGNORE'; do
    refused 'firmware_id cannot change' "$verb firmware SET firmware_id = 'f2' WHERE firmware_id = 'f1';"
    refused 'firmware_id cannot change' "$verb firmware SET firmware_id = 'new' WHERE firmware_id = 'f1';"
    refused 'the product has other firmware of this version already' "$verb firmware SET version = '2.0' WHERE firmware_id = 'f1';"
    refused 'the product has other firmware with this version_order already' "$verb firmware SET version_order = 2 WHERE firmware_id = 'f1';"
    refused 'the product has other firmware of this version already' "$verb firmware SET product_id = 'q' WHERE firmware_id = 'f1';"
    refused 'unknown product_id' "$verb firmware SET product_id = 'nope' WHERE firmware_id = 'f1';"
  done
  refused 'the product has other firmware with this version_order already' "UPDATE firmware SET product_id = 'p', version = '0.1' WHERE firmware_id = 'g1';"
  gives 'p' "UPDATE firmware SET product_id = 'p', version = '0.1', version_order = 9 WHERE firmware_id = 'g1';" \
    "SELECT product_id FROM firmware WHERE firmware_id = 'g1';"
}

@test "by hand a hosted row is withdrawn and put back" {
  gives 'rejected|bad batch' "UPDATE firmware SET state = 'rejected', state_reason = 'bad batch' WHERE firmware_id = 'f1';" \
    "SELECT state, state_reason FROM firmware WHERE firmware_id = 'f1';"
  local back
  for back in pending ready; do
    gives 'ready|' "UPDATE firmware SET state = 'rejected', state_reason = 'bad batch' WHERE firmware_id = 'f1';
      UPDATE firmware SET state = '$back' WHERE firmware_id = 'f1';" \
      "SELECT state, state_reason FROM firmware WHERE firmware_id = 'f1';"
  done
  gives 'ready|http://h/y' "UPDATE firmware SET url = 'http://h/y' WHERE firmware_id = 'f1';" "SELECT state, url FROM firmware WHERE firmware_id = 'f1';"
}

@test "by hand a row with a file is withdrawn or verified again, never made ready" {
  sql "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('h', 'p', 'n', '3', 3, 'x.bin');"
  refused 'becomes ready when the plugin has verified the file' "UPDATE firmware SET state = 'ready' WHERE firmware_id = 'h';"
  plugin_sql "UPDATE firmware SET state = 'ready', size = 5, sign_method = 'md5', sign = '0123456789abcdef0123456789abcdef', url = 'http://h/x' WHERE firmware_id = 'h';"
  rows 'ready|5' "SELECT state, size FROM firmware WHERE firmware_id = 'h';"
  local query="SELECT state, state_reason FROM firmware WHERE firmware_id = 'h';"
  gives 'rejected|old' "UPDATE firmware SET state = 'rejected', state_reason = 'old' WHERE firmware_id = 'h';" "$query"
  gives 'pending|' "UPDATE firmware SET state = 'pending' WHERE firmware_id = 'h';" "$query"
  gives 'ready|' "UPDATE firmware SET state = 'ready', name = 'same' WHERE firmware_id = 'h';" "$query"
  gives 'ready|' "UPDATE firmware SET description = 'd', parameters = '{\"a\":1}', version = '3.1' WHERE firmware_id = 'h';" "$query"
  local set
  for set in "file = 'y.bin'" "size = 6" "size = NULL" "sign = NULL" "sign_method = NULL, sign = NULL" "url = 'http://h/z'"; do
    gives 'pending|' "UPDATE firmware SET $set WHERE firmware_id = 'h';" "$query"
  done
  gives 'rejected|gone' "UPDATE firmware SET file = 'y.bin', state = 'rejected', state_reason = 'gone' WHERE firmware_id = 'h';" "$query"
  gives 'ready|' "UPDATE firmware SET file = NULL WHERE firmware_id = 'h';" "$query"
  gives 'pending|' "UPDATE firmware SET file = 'y.bin' WHERE firmware_id = 'f1';" "SELECT state, state_reason FROM firmware WHERE firmware_id = 'f1';"
  plugin_sql "UPDATE firmware SET state = 'rejected', state_reason = 'size differs' WHERE firmware_id = 'h';"
  gives 'pending|' "UPDATE firmware SET size = 7 WHERE firmware_id = 'h';" "$query"
  gives 'pending|' "UPDATE firmware SET state = 'pending' WHERE firmware_id = 'h';" "$query"
  gives 'rejected|size differs' "UPDATE firmware SET name = 'other' WHERE firmware_id = 'h';" "$query"
  refused 'becomes ready when the plugin' "UPDATE firmware SET state = 'ready' WHERE firmware_id = 'h';"
}

@test "an operator's change moves updated_at, the plugin's does not" {
  plugin_sql "UPDATE firmware SET created_at = 5, updated_at = 5;"
  plugin_sql "UPDATE firmware SET name = 'by the plugin' WHERE firmware_id = 'f1';"
  rows '5' "SELECT updated_at FROM firmware WHERE firmware_id = 'f1';"
  gives '1|5' "UPDATE firmware SET description = 'x' WHERE firmware_id = 'f1';" \
    "SELECT abs(updated_at - unixepoch() * 1000) < 60000, created_at FROM firmware WHERE firmware_id = 'f1';"
}

@test "what devices are told cannot change while a task has open rows" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
  local set
  for set in "version = '9'" "version_order = 9" "product_id = 'q'" "file = 'x'" "url = 'http://h/z'" "size = 11" \
    "sign = 'fedcba9876543210fedcba9876543210'" "sign_method = 'ed25519', sign = 'AAAA'"; do
    refused 'a task of this firmware has open rows' "UPDATE firmware SET $set WHERE firmware_id = 'f2';"
    refused 'a task of this firmware has open rows' "UPDATE OR REPLACE firmware SET $set WHERE firmware_id = 'f2';"
  done
  gives 'x|y|{"a":1}|2.0' "UPDATE firmware SET name = 'x', description = 'y', parameters = '{\"a\":1}', version = version, size = size WHERE firmware_id = 'f2';" \
    "SELECT name, description, parameters, version FROM firmware WHERE firmware_id = 'f2';"
  gives 'rejected' "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'f2';" "SELECT state FROM firmware WHERE firmware_id = 'f2';"
  sql "UPDATE task SET state = 'stopped';"
  gives 'ready|http://h/z|2.1' "UPDATE firmware SET url = 'http://h/z', version = '2.1' WHERE firmware_id = 'f2';" \
    "SELECT state, url, version FROM firmware WHERE firmware_id = 'f2';"
  refused 'this firmware has a task, whose devices are of its product' "UPDATE firmware SET product_id = 'q' WHERE firmware_id = 'f2';"
}

@test "the plugin may fill in what a row left open, tasks or not" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
  plugin_sql "UPDATE firmware SET size = 12 WHERE firmware_id = 'f2';"
  rows '12|ready' "SELECT size, state FROM firmware WHERE firmware_id = 'f2';"
}

@test "firmware goes only without a task" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('t', 'f2', 'n', 'push', 'part');"
  refused 'this firmware has a task: delete the task first' "DELETE FROM firmware WHERE firmware_id = 'f2';"
  refused 'this firmware has a task: delete the task first' "DELETE FROM firmware;"
  sql "DELETE FROM task;"
  gives '1' "DELETE FROM firmware WHERE firmware_id = 'f2';" "SELECT count(*) FROM firmware WHERE product_id = 'p';"
}

@test "a device's columns are checked" {
  local words='device_id must be 1 to 64 bytes, without / + # and without control characters' bad
  for bad in "''" "'a/b'" "'a+b'" "'a#'" "char(7)" "char(97, 127)" "char(97, 0)" "printf('%065d', 7)"; do
    refused "$words" "INSERT INTO device (product_id, device_id) VALUES ('p', $bad);"
  done
  refused 'unknown product_id: add the product first' "INSERT INTO device (product_id, device_id) VALUES ('nope', 'd');"
  refused 'unknown product_id: add the product first' "INSERT OR REPLACE INTO device (product_id, device_id) VALUES ('nope', 'd');"
  refused 'version of a device must be 1 to 64 characters or NULL' "UPDATE device SET version = '' WHERE device_id = 'd1';"
  refused 'version of a device must be 1 to 64 characters or NULL' "UPDATE device SET version = printf('%065d', 1) WHERE device_id = 'd1';"
  refused "presence must be 'online', 'offline' or NULL" "UPDATE device SET presence = 'away';"
  refused 'name of a device must be at most 64 characters' "UPDATE device SET name = printf('%065d', 1);"
  refused 'UNIQUE constraint failed' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd1');"
}

@test "a device's key does not change, and it goes only when no task has it" {
  refused 'product_id and device_id of a device cannot change' "UPDATE device SET device_id = 'x' WHERE device_id = 'd1';"
  refused 'product_id and device_id of a device cannot change' "UPDATE OR REPLACE device SET device_id = 'd2' WHERE device_id = 'd1';"
  refused 'product_id and device_id of a device cannot change' "UPDATE device SET product_id = 'q' WHERE device_id = 'd1';"
  sql "INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('t', 'f2', 'n', 'push', 'part');
    INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd4');
    INSERT INTO device (product_id, device_id) VALUES ('q', 'd4');"
  refused 'this device is in a task: delete its rows first' "DELETE FROM device WHERE product_id = 'p' AND device_id = 'd4';"
  refused 'this device is in a task' "DELETE FROM device;"
  gives '3' "DELETE FROM device WHERE product_id = 'p' AND device_id <> 'd4'; DELETE FROM device WHERE product_id = 'q' AND device_id = 'd4';" \
    "SELECT 2 + count(*) FROM device WHERE product_id = 'p';"
  gives '3' "DELETE FROM task_device; DELETE FROM device WHERE product_id = 'p' AND device_id = 'd4';" \
    "SELECT count(*) FROM device WHERE product_id = 'p';"
}

@test "the logs are the plugin's" {
  plugin_sql "INSERT INTO progress_log (received_at, product_id, device_id, progress) VALUES (1, 'p', 'd1', 50);
    INSERT INTO version_log (received_at, product_id, device_id, version) VALUES (1, 'p', 'd1', '1.0');"
  local log
  for log in progress_log version_log; do
    refused "$log cannot be changed" "UPDATE $log SET received_at = 2;"
    refused "$log cannot be changed" "UPDATE OR REPLACE $log SET log_id = 2;"
    refused "set the option log_retention_days" "DELETE FROM $log;"
  done
  refused 'progress_log is written by the plugin alone' "INSERT INTO progress_log (received_at, product_id, device_id) VALUES (1, 'p', 'd1');"
  refused 'progress_log is written by the plugin alone' "INSERT OR REPLACE INTO progress_log (log_id, received_at, product_id, device_id) VALUES (1, 1, 'p', 'd1');"
  refused 'version_log is written by the plugin alone' "INSERT OR REPLACE INTO version_log (log_id, received_at, product_id, device_id, version) VALUES (1, 1, 'p', 'd1', '9');"
  plugin_sql "DELETE FROM progress_log; DELETE FROM version_log;"
  rows '0' "SELECT (SELECT count(*) FROM progress_log) + (SELECT count(*) FROM version_log);"
}

@test "catalog_state keeps its one row" {
  refused 'catalog_state must keep its row' "DELETE FROM catalog_state;"
  refused 'catalog_state has its one row already' "INSERT OR REPLACE INTO catalog_state (id, generation) VALUES (1, 0);"
  refused 'catalog_state has its one row already' "INSERT INTO catalog_state (id) VALUES (2);"
  refused 'catalog_state has one row' "UPDATE catalog_state SET id = 2;"
}

# bumps YES|NO STATEMENTS
bumps() {
  local before after
  before=$(generation)
  sql "$2"
  after=$(generation)
  if [[ $1 == yes ]]; then
    ((after > before)) || fail "generation stays: $2"
  else
    ((after == before)) || fail "generation grows: $2"
  fi
}

@test "the generation grows with what a cached answer depends on, and only with that" {
  bumps yes "INSERT INTO product (product_id) VALUES ('r');"
  bumps yes "UPDATE product SET firmware_enabled = 0 WHERE product_id = 'r';"
  bumps yes "UPDATE product SET pull_policy = 'task' WHERE product_id = 'r';"
  bumps no "UPDATE product SET name = 'x', pull_policy = pull_policy;"
  bumps yes "INSERT OR REPLACE INTO product (product_id) VALUES ('r');"
  bumps yes "DELETE FROM product WHERE product_id = 'r';"
  bumps yes "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('h', 'p', 'n', '3', 3, 'x.bin');"
  bumps yes "UPDATE firmware SET parameters = '{\"a\":1}' WHERE firmware_id = 'h';"
  bumps yes "UPDATE firmware SET version_order = 4 WHERE firmware_id = 'h';"
  bumps yes "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'h';"
  bumps no "UPDATE firmware SET name = 'm', description = 'd' WHERE firmware_id = 'h';"
  bumps yes "DELETE FROM firmware WHERE firmware_id = 'h';"
  bumps no "INSERT INTO device (product_id, device_id) VALUES ('p', 'd9');"
  bumps no "UPDATE device SET name = 'x', presence = 'online' WHERE device_id = 'd9';"
  bumps yes "UPDATE device SET version = '7' WHERE device_id = 'd9';"
  bumps no "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE device SET version = '8' WHERE device_id = 'd9';
    UPDATE catalog_state SET plugin_writing = 0; COMMIT;"
  bumps yes "INSERT OR REPLACE INTO device (product_id, device_id) VALUES ('p', 'd9');"
  bumps yes "DELETE FROM device WHERE device_id = 'd9';"
  bumps yes "INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('t', 'f2', 'n', 'push', 'part');"
  bumps yes "INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd1');"
  bumps no "INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd2');"
  bumps no "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd2';"
  bumps yes "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1';"
  bumps yes "UPDATE task SET state = 'stopped';"
  bumps no "UPDATE task SET name = 'm', timeout_seconds = 7, state = 'stopped';"
  bumps yes "UPDATE task SET state = 'running';"
  bumps yes "BEGIN; UPDATE catalog_state SET plugin_writing = 1;
    UPDATE task_device SET state = 'success', progress = 100, completed_at = 1; UPDATE catalog_state SET plugin_writing = 0; COMMIT;"
  bumps yes "DELETE FROM task;"
}

@test "a crash of the plugin leaves no mark" {
  sqlite3 "$DB" "BEGIN IMMEDIATE; UPDATE catalog_state SET plugin_writing = 1; DELETE FROM firmware WHERE firmware_id = 'f1';"
  rows '0|2' "SELECT plugin_writing, (SELECT count(*) FROM firmware WHERE product_id = 'p') FROM catalog_state;"
}

@test "untrusted schema and a dump that is read back" {
  sql "PRAGMA trusted_schema = off;
    INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');
    UPDATE task SET state = 'stopped'; UPDATE firmware SET description = 'x';"
  sqlite3 "$DB" .dump | sqlite3 -bail "$BATS_TEST_TMPDIR/again.db"
  same "$(dump)" "$(sqlite3 "$BATS_TEST_TMPDIR/again.db" .dump)" 'dump'
  rows 'ok' 'PRAGMA integrity_check;'
  rows '' 'PRAGMA foreign_key_check;'
}

@test "views and triggers can be dropped and applied again" {
  local before drops
  before=$(dump)
  # by a shell that is gone before the next one begins
  drops=$(sqlite3 "$DB" "SELECT 'DROP ' || type || ' ' || name || ';' FROM sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY type;")
  {
    echo "BEGIN IMMEDIATE; $drops"
    cat "$BATS_LIB_SCHEMA/views.sql" "$BATS_LIB_SCHEMA"/triggers/*.sql
    echo 'COMMIT;'
  } | sqlite3 -bail "$DB"
  same "$before" "$(dump)" 'dump'
}

@test "a trigger's name begins with its table and its event" {
  rows '' "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND NOT EXISTS (
      SELECT 1 FROM (SELECT column1 AS event FROM (VALUES ('INSERT'), ('UPDATE'), ('DELETE')))
      WHERE name GLOB tbl_name || '_' || lower(event) || '*' AND replace(sql, char(10), ' ') GLOB '* ' || event || ' *ON ' || tbl_name || ' *');"
}

@test "a trigger that only refuses is named a guard" {
  # those of tables that are always empty judge for others, and those of _text and _parameters ask them
  rows '' "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%RAISE(ABORT%' AND name NOT LIKE 'check%' AND name NOT LIKE '%\_guard' ESCAPE '\\'
    AND sql NOT GLOB '*' || char(10) || '  INSERT *' AND sql NOT GLOB '*' || char(10) || '  UPDATE *' AND sql NOT GLOB '*' || char(10) || '  DELETE *';"
  rows '' "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND sql NOT LIKE '%RAISE(ABORT%' AND sql NOT LIKE '%INSERT INTO check%' AND name LIKE '%\_guard' ESCAPE '\\';"
}

@test "firmware_file is the plugin's own" {
  local verified="INSERT INTO firmware_file VALUES ('own', 'a.bin', 1, 2, 3, 4, 'aa', 1, 5);"
  local change
  sql "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('own', 'p', 'F', '100', 100, 'a.bin');"
  refused 'firmware_file is written by the plugin alone' "$verified"
  refused 'firmware_file is written by the plugin alone' "${verified/INSERT/INSERT OR REPLACE}"
  plugin_sql "$verified
    UPDATE firmware SET state = 'ready', url = 'http://h/u', size = 1, sign_method = 'sha256', sign = printf('%064d', 1) WHERE firmware_id = 'own';"
  for change in "firmware_id = 'x'" "file = 'b.bin'" 'size = 9' 'mtime_ns = 9' 'ctime_ns = 9' 'inode = 9' "sha256 = 'bb'" 'sha256 = NULL' 'verified_at = 9'; do
    refused 'firmware_file cannot be changed' "UPDATE firmware_file SET $change WHERE firmware_id = 'own';"
  done
  refused 'firmware_file cannot be deleted by hand' "DELETE FROM firmware_file WHERE firmware_id = 'own';"
  # what an operator does to the firmware still takes effect
  each_way gives_once 0 "UPDATE firmware SET url = 'http://mine' WHERE firmware_id = 'own';" "SELECT url_made FROM firmware_file WHERE firmware_id = 'own';"
  each_way gives_once 0 "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'own';" "SELECT count(*) FROM firmware_file WHERE firmware_id = 'own';"
  each_way gives_once 0 "DELETE FROM firmware WHERE firmware_id = 'own';" "SELECT count(*) FROM firmware_file WHERE firmware_id = 'own';"
  # a url that was made goes with the knowledge that it was; with open rows too, and the reason stays
  local made="SELECT state, state_reason, url FROM firmware WHERE firmware_id = 'own';"
  gives 'rejected|old|' "UPDATE firmware SET state = 'rejected', state_reason = 'old' WHERE firmware_id = 'own';" "$made"
  gives 'rejected|old|' "UPDATE firmware SET state = 'rejected', state_reason = 'old', file = 'b.bin' WHERE firmware_id = 'own';" "$made"
  gives 'rejected|old|' "INSERT INTO task (firmware_id, name, mode) VALUES ('own', 'T', 'push');
    UPDATE firmware SET state = 'rejected', state_reason = 'old' WHERE firmware_id = 'own';" "$made"
  gives 'rejected|old|http://mine' "UPDATE firmware SET state = 'rejected', state_reason = 'old', url = 'http://mine' WHERE firmware_id = 'own';" "$made"
  gives 'ready||http://h/u' "UPDATE firmware SET file = NULL WHERE firmware_id = 'own';" "$made"
  sql "UPDATE firmware SET url = 'http://mine' WHERE firmware_id = 'own';"
  refused 'firmware_file cannot be changed' "UPDATE firmware_file SET url_made = 1 WHERE firmware_id = 'own';"
}

@test "devices are counted by version and presence, and of a task those that are away, whatever the statement" {
  local counts="SELECT group_concat(iif(version = '', '-', version) || ':' || devices || ':' || online, ' ') FROM device_count
    WHERE product_id = 'p'; SELECT waiting || '/' || offline FROM task_count;"
  sql "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'T', 'push');"
  rows '-:1:0 1.0:2:0 2.0:1:0 3/3' "$counts"
  gives '-:1:0 1.0:2:2 2.0:1:1 3/1' "UPDATE device SET presence = 'online' WHERE product_id = 'p' AND device_id <> 'd3';" "$counts"
  gives '-:1:1 1.0:2:0 2.0:1:0 3/2' "UPDATE device SET presence = 'offline' WHERE product_id = 'p';
    UPDATE device SET presence = 'online' WHERE device_id = 'd3';" "$counts"
  gives '1.0:2:0 2.0:1:0 3.0:1:1 3/2' "UPDATE device SET presence = 'online', version = '3.0' WHERE device_id = 'd3';" "$counts"
  gives '-:1:0 1.0:2:0 2.0:1:0 3/3' "INSERT OR IGNORE INTO device (product_id, device_id, presence) VALUES ('p', 'd1', 'online');" "$counts"
  gives '-:1:0 1.0:2:1 2.0:1:0 3/2' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd1')
    ON CONFLICT DO UPDATE SET presence = 'online';" "$counts"
  gives '-:2:0 1.0:2:0 2.0:1:0 3/3' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd9');" "$counts"
  # without recursive_triggers, which would refuse to delete a device of a task
  sql "INSERT OR REPLACE INTO device (product_id, device_id, version, presence) VALUES ('p', 'd1', '7.0', 'online');"
  rows '-:1:0 1.0:1:0 2.0:1:0 7.0:1:1 3/2' "$counts"
  sql "UPDATE device SET presence = 'online' WHERE device_id = 'd2';
    INSERT OR IGNORE INTO device (product_id, device_id) VALUES ('p', 'd2'), ('p', 'd1');
    INSERT OR REPLACE INTO device (product_id, device_id, version) VALUES ('p', 'd2', '1.0'), ('p', 'd1', '7.0');"
  rows '-:1:0 1.0:1:0 2.0:1:0 7.0:1:0 3/3' "$counts"
  sql "UPDATE task SET state = 'stopped';"
  rows '-:1:0 1.0:1:0 2.0:1:0 7.0:1:0 0/0' "$counts"
  gives '-:1:0 1.0:1:1 2.0:1:0 7.0:1:0 3/2' "UPDATE device SET presence = 'online' WHERE device_id = 'd2';
    UPDATE task SET state = 'running', allow_downgrade = 1;" "$counts"
  gives '1.0:1:0 2.0:1:0 7.0:1:0 0/0' "DELETE FROM task_device WHERE device_id = 'd3'; DELETE FROM device WHERE device_id = 'd3';" "$counts"
}
