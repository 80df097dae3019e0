# shellcheck shell=bash
# Rollouts from a bare shell. Load it after helper.

# shellcheck disable=SC2034 # for the tests
setup() {
  catalog_setup
  small_fleet
  TASK='SELECT state, stage, paused_reason, paused_at > 0 FROM task;'
  LOG="SELECT what || ':' || coalesce(detail, '') || ':' || who FROM task_log ORDER BY log_id;"
  STATES="SELECT device_id || ':' || state FROM task_device ORDER BY task_id, device_id;"
  COUNTS='SELECT started, proved, bad, bad_final, spared, retrying, epoch, epoch_good, epoch_bad FROM task_count;'
}

push_task() {
  sql "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
}

# a draft over d1 to d4 in three stages
draft() {
  sql "INSERT INTO task (task_id, firmware_id, name, mode, state) VALUES ('t', 'f2', 'n', 'push', 'paused');
    INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('t', 1, 10), ('t', 2, 50), ('t', 3, 100);"
}

# of a running task: d1 is proved, d2 is bad and retried, d3 is bad for good, d4 was success from the start
mixed_task() {
  push_task
  plugin_sql "UPDATE task_device SET state = 'processing', attempts = 1, due_at = 9 WHERE state = 'waiting';
    UPDATE task_device SET state = 'success', due_at = NULL, completed_at = 1, verified_at = 1, proved_epoch = 1, trial_clock = 50, wake_clock = 50 WHERE device_id = 'd1';
    UPDATE task_device SET state = 'failed', due_at = NULL, completed_at = 1, failure = 'timeout', bad_epoch = 1, retries = 1, retry_at = 60, wake_clock = 60 WHERE device_id = 'd2';
    UPDATE task_device SET state = 'failed', due_at = NULL, completed_at = 1, failure = 'device', failed_by = 'device', bad_epoch = 1, retries = 3, lost_clock = 7 WHERE device_id = 'd3';"
}

# queue WANTED STATEMENTS: what the plugin finds to do, and to tell
queue() {
  each_way queue_once "$@"
}

queue_once() {
  gives_once "$1" "DELETE FROM task_change; $2" "SELECT told FROM (SELECT change_id, task_id || ':' || coalesce(device_id, '-') || coalesce(':' || state, '') AS told
    FROM task_change) ORDER BY change_id;"
}

moves_generation() {
  local before
  before=$(generation)
  sql "$1"
  [[ $(generation) -gt $before ]] || fail "the generation stands: $1"
}
