#!/usr/bin/env bats
# Stages and turns of a rollout from a bare shell: what may be set, and when.

load helper
load rollout_helper

@test "a stage is raised, and never lowered" {
  draft
  refused 'this task has no such stage' "UPDATE task SET stage = 4;"
  plugin_sql "UPDATE task_count SET hold_since = 5, epoch_good = 0;"
  gives '2|2|' "UPDATE task SET stage = stage + 1;" 'SELECT stage, epoch, hold_since FROM task JOIN task_count USING (task_id);'
  gives 'created:paused:operator stage:stage 2:operator' "UPDATE task SET stage = 2;" "$LOG"
  queue 't:-' "UPDATE task SET stage = 2;"
  moves_generation "UPDATE task SET stage = 2;"
  refused 'stage of a task cannot be lowered' "UPDATE task SET stage = 1;"
  plugin_sql "UPDATE task SET stage = 3;"
  rows 'stage:stage 3:plugin' "SELECT what || ':' || detail || ':' || who FROM task_log ORDER BY log_id DESC LIMIT 1;"
  refused 'this task has no such stage' "UPDATE task SET stage = stage + 1;"
}

@test "a stage that is done and paused the task grows when it is resumed" {
  draft
  sql "UPDATE task SET state = 'running';"
  plugin_sql "UPDATE task_count SET hold_since = -1; UPDATE task SET state = 'paused', paused_reason = 'stage 1 is done';"
  rows 'paused|1|stage 1 is done|1' "$TASK"
  gives 'running|2||' "UPDATE task SET state = 'running';" "$TASK"
  gives 'running|2||' "UPDATE task SET stage = 2; UPDATE task SET state = 'running';" "$TASK"
  gives 'running|2||' "UPDATE task SET stage = 2, state = 'running';" "$TASK"
  gives 'running|3||' "UPDATE task SET stage = 3; UPDATE task SET state = 'running';" "$TASK"
  gives 'running|1||' "DELETE FROM task_stage WHERE stage > 1; UPDATE task SET state = 'running';" "$TASK"
  gives 'paused:stage 1 is done:plugin resumed::operator stage:stage 2:operator' "UPDATE task SET state = 'running';" \
    "SELECT what || ':' || coalesce(detail, '') || ':' || who FROM task_log WHERE log_id > 2 ORDER BY log_id;"
}

@test "stages rise without gaps" {
  draft
  refused 'unknown task_id: make the task first' "INSERT INTO task_stage (task_id, stage, until_count) VALUES ('u', 1, 1);"
  refused 'a stage needs either until_percent or until_count' "INSERT INTO task_stage (task_id, stage) VALUES ('t', 4);"
  refused 'a stage needs either until_percent or until_count' "INSERT INTO task_stage (task_id, stage, until_percent, until_count) VALUES ('t', 4, 1, 1);"
  refused 'stages of a task are 1, 2, 3 without gaps' "INSERT INTO task_stage (task_id, stage, until_count) VALUES ('t', 5, 9);"
  refused 'the task has this stage already' "INSERT OR REPLACE INTO task_stage (task_id, stage, until_count) VALUES ('t', 2, 9);"
  refused 'stages of a task rise' "INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('t', 4, 100);"
  refused 'stages of a task rise' "INSERT INTO task_stage (task_id, stage, until_count) VALUES ('t', 4, 2);"
  refused 'stages of a task rise' "UPDATE task_stage SET until_percent = 10 WHERE stage = 2;"
  refused 'stages of a task rise' "UPDATE task_stage SET until_percent = 100 WHERE stage = 2;"
  refused 'stages of a task rise' "UPDATE task_stage SET until_percent = NULL, until_count = 1 WHERE stage = 2;"
  refused 'task_id and stage of a row in task_stage cannot change' "UPDATE task_stage SET stage = 4 WHERE stage = 3;"
  refused 'until_percent must be over 0' "UPDATE task_stage SET until_percent = 0 WHERE stage = 1;"
  refused "on_success must be 'next' or 'pause'" "UPDATE task_stage SET on_success = 'stop' WHERE stage = 1;"
  gives '1 2' "UPDATE task_stage SET until_percent = NULL, until_count = 2 WHERE stage = 2; DELETE FROM task_stage WHERE stage = 3;" 'SELECT stage FROM task_stage;'
  gives '1' "DELETE FROM task_stage WHERE stage = 2;" 'SELECT stage FROM task_stage;'
  gives '' "DELETE FROM task_stage;" 'SELECT stage FROM task_stage;'
  # both reach all
  gives '3' "UPDATE task_stage SET until_percent = NULL, until_count = 100 WHERE stage = 2;" 'SELECT max(stage) FROM task_stage;'
  # nothing to compare with yet
  gives '2' "INSERT INTO task (task_id, firmware_id, name, mode, release_type, state) VALUES ('u', 'f2', 'n', 'push', 'part', 'paused');
    INSERT INTO task_stage (task_id, stage, until_count) VALUES ('u', 1, 5); INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('u', 2, 100);" \
    "SELECT count(*) FROM task_stage WHERE task_id = 'u';"
  queue 't:-' "UPDATE task_stage SET hold_seconds = 0 WHERE stage = 2;"
  queue 't:-' "INSERT INTO task_stage (task_id, stage, until_count) SELECT 't', 4, 4 WHERE 0; DELETE FROM task_stage WHERE stage = 3;"
  moves_generation "UPDATE task_stage SET hold_seconds = 0 WHERE stage = 3;"
}

@test "a stage that has begun stays" {
  draft
  gives '7' "UPDATE task_stage SET hold_seconds = 7 WHERE stage = 1;" 'SELECT hold_seconds FROM task_stage WHERE stage = 1;'
  sql "UPDATE task SET stage = 2, state = 'running';"
  refused 'this stage has begun and stays as it is' "UPDATE task_stage SET hold_seconds = 7 WHERE stage = 1;"
  refused 'this stage has begun and stays' "DELETE FROM task_stage WHERE stage = 1;"
  refused 'this stage has begun and stays' "DELETE FROM task_stage WHERE stage = 2;"
  plugin_sql "UPDATE task_device SET state = 'processing', attempts = 1 WHERE device_id = 'd1';"
  refused 'this stage has begun and stays as it is' "UPDATE task_stage SET hold_seconds = 7 WHERE stage = 2;"
  gives '7' "UPDATE task_stage SET hold_seconds = 7 WHERE stage = 3;" 'SELECT hold_seconds FROM task_stage WHERE stage = 3;'
  gives '1 2' "DELETE FROM task_stage WHERE stage = 3;" 'SELECT stage FROM task_stage;'
  plugin_sql "UPDATE task_device SET state = 'success', completed_at = 1 WHERE state IN ('waiting', 'processing');"
  gives '0' "UPDATE task SET state = 'stopped'; DELETE FROM task;" 'SELECT count(*) FROM task_stage;'
}

@test "a task that started without stages gets none" {
  mixed_task
  refused 'devices of this task have started without stages' "INSERT INTO task_stage (task_id, stage, until_count) VALUES ('t', 1, 1);"
}

@test "budgets are whole numbers of rows" {
  local n percent budget
  sql "INSERT INTO task (task_id, firmware_id, name, mode, state) VALUES ('t', 'f1', 'n', 'push', 'paused');"
  sql "INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('t', 1, 50);"
  while read -r n percent budget; do
    sql "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE task_count SET waiting = $n - processing - success - failed + spared;
      UPDATE catalog_state SET plugin_writing = 0; COMMIT; UPDATE task_stage SET until_percent = $percent;"
    rows "$budget" 'SELECT budget FROM task_stage_budget;'
  done <<'END'
3 10 1
10 33.3333 4
1000000 0.1 1000
100 10 10
1000 1.1 11
10000 0.29 29
7 100 7
1000 0.0001 1
END
  sql "UPDATE task_stage SET until_percent = NULL, until_count = 2000, success_percent = 95;"
  rows '1000|950' 'SELECT budget, needed FROM task_stage_budget;'
}

@test "a turn is set by hand until the row has started" {
  push_task
  gives '0' "UPDATE task_device SET turn = 0 WHERE device_id = 'd1';" "SELECT turn FROM task_device WHERE device_id = 'd1';"
  gives '1' "UPDATE task_device SET turn = NULL;" "SELECT min(turn) >= 1 FROM task_device;"
  refused 'turn must be 0 to 1000000' "UPDATE task_device SET turn = 1000001;"
  refused 'turn must be 0 to 1000000' "UPDATE task_device SET turn = -1;"
  plugin_sql "UPDATE task_device SET state = 'processing', attempts = 1 WHERE device_id = 'd1';"
  refused 'this upgrade has started, so that its turn is over' "UPDATE task_device SET turn = 5 WHERE device_id = 'd1';"
  gives '5' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5'); INSERT INTO task_device (task_id, device_id, turn) VALUES ('t', 'd5', 5);" \
    "SELECT turn FROM task_device WHERE device_id = 'd5';"
  gives '1' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5'); INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd5');" \
    "SELECT turn BETWEEN 1 AND 1000000 FROM task_device WHERE device_id = 'd5';"
}
