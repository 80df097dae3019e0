#!/usr/bin/env bats
# What operators read.

load helper

setup() {
  catalog_setup
  small_fleet
}

@test "task_summary counts, and is zero per cent when empty" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode, release_type, created_at) VALUES ('e', 'f1', 'empty', 'pull', 'part', 5);"
  rows 'e|empty|p|f1|1.0|pull|part|running|5|0|0|0|0|0|0|0|1|1|0|0|0|||0.0|0' 'SELECT * FROM task_summary;'
  sql "DELETE FROM task; INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
  rows '4|3|0|1|0|0|25' 'SELECT total, waiting, processing, success, failed, canceled, percent FROM task_summary;'
  plugin_sql "UPDATE task_device SET state = 'failed', completed_at = 1 WHERE device_id = 'd1'; UPDATE task_device SET state = 'processing' WHERE device_id = 'd2';"
  sql "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5'), ('p', 'd6'); INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd5'), ('t', 'd6');"
  rows '6|3|1|1|1|0|33' 'SELECT total, waiting, processing, success, failed, canceled, percent FROM task_summary;'
  rows 'task_id,name,product_id,firmware_id,version,mode,release_type,state,created_at,total,waiting,processing,success,failed,canceled,percent,stage,stages,started,proved,bad,paused_reason,next_at,per_minute,offline' \
    "SELECT group_concat(name) FROM pragma_table_info('task_summary');"
}

@test "task_detail has a row a device" {
  sql "UPDATE device SET name = 'Roof' WHERE device_id = 'd1'; INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
  plugin_sql "UPDATE device SET presence = 'online', last_seen_at = 1700000000999 WHERE device_id = 'd1';
    UPDATE task_device SET state = 'failed', progress = 7, error_reason = 'flash', attempts = 2, pushed_at = 1700000000000, responded_at = 1700000001000,
      completed_at = 1700000002000 WHERE device_id = 'd1';"
  rows 'n|push|running|p|f2|two|2.0|d1|Roof|1.0|online|failed|7|flash|1.0|2|2023-11-14T22:13:20Z|2023-11-14T22:13:21Z|2023-11-14T22:13:22Z|2023-11-14T22:13:20Z' \
    "SELECT task_name, mode, task_state, product_id, firmware_id, firmware_name, version, device_id, device_name, current_version, presence, state, progress,
      error_reason, from_version, attempts, pushed_time, responded_time, completed_time, last_seen_time FROM task_detail WHERE device_id = 'd1';"
  rows '4' "SELECT count(*) FROM task_detail WHERE task_id = 't';"
}

@test "device_history joins versions, progress and tasks of one device" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode, created_at) VALUES ('t', 'f2', 'n', 'push', 1);
    INSERT INTO product (product_id) VALUES ('r'); INSERT INTO device (product_id, device_id) VALUES ('r', 'd1');"
  plugin_sql "
    INSERT INTO version_log (received_at, product_id, device_id, version) VALUES (1000, 'p', 'd1', '1.0'), (1000, 'p', 'd2', '1.0'), (1000, 'r', 'd1', '1.0');
    INSERT INTO progress_log (received_at, product_id, device_id, task_id, firmware_id, version, progress)
    VALUES (3000, 'p', 'd1', 't', 'f2', '2.0', 50);
    INSERT INTO progress_log (received_at, product_id, device_id, progress, complete, success, error_reason) VALUES (4000, 'p', 'd1', 90, 1, 0, 'flash');
    UPDATE task_device SET state = 'failed', progress = 90, error_reason = 'flash', created_at = 2000, pushed_at = 2000, completed_at = 5000 WHERE device_id = 'd1';
    INSERT INTO version_log (received_at, product_id, device_id, version, previous_version) VALUES (6000, 'p', 'd1', '1.1', '1.0');"
  rows '1000|1970-01-01T00:00:01Z|version|||1.0|||first report 3000|1970-01-01T00:00:03Z|progress|t|f2|2.0|50|| 4000|1970-01-01T00:00:04Z|progress||||90|failed|flash 5000|1970-01-01T00:00:05Z|task|t|f2|2.0|90|failed|flash 6000|1970-01-01T00:00:06Z|version|||1.1|||before: 1.0' \
    "SELECT at, time, what, task_id, firmware_id, version, progress, state, detail FROM device_history
     WHERE product_id = 'p' AND device_id = 'd1' ORDER BY at;"
}
