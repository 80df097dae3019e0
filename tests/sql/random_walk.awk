# Prints STEPS random statements of operators and of the plugin, each followed by a check that prints a line
# when the counts are off.  awk -v seed=1 -v steps=1000 -f random_walk.awk

function pick(list,   part, n) { n = split(list, part, " "); return part[1 + int(rand() * n)] }
function chance(percent) { return rand() * 100 < percent }
function task() { return "t" (1 + int(rand() * 6)) }
function device() { return "d" (1 + int(rand() * 12)) }
function state() { return pick("waiting waiting processing success failed canceled canceled") }
function row() { return chance(25) ? "task_id = '" task() "'" : "task_id = '" task() "' AND device_id = '" device() "'" }
function verb(word,   v) { v = word pick("- - - - _OR_REPLACE _OR_IGNORE _OR_FAIL"); gsub(/-/, "", v); gsub(/_/, " ", v); return v }

function rollout(t,   r) {
  r = rand() * 100
  if (r < 40) return "UPDATE task SET stage = stage + " pick("1 1 -1") " WHERE task_id = '" t "';"
  if (r < 65) return verb("INSERT") " INTO task_stage (task_id, stage, until_" pick("percent count") ") SELECT '" t "', 1 + count(*), 1 + coalesce(max(coalesce(until_percent, until_count)), 0) FROM task_stage WHERE task_id = '" t "';"
  if (r < 72) return "DELETE FROM task_stage WHERE task_id = '" t "' AND stage > " int(rand() * 3) ";"
  if (r < 80) return verb("UPDATE") " task_device SET turn = " pick("0 7 NULL") " WHERE " row() " AND attempts = 0;"
  return "UPDATE task SET " pick("continuous=1 continuous=0 supersede=1 supersede=0 paused_reason='x' rate_per_minute=7") " WHERE task_id = '" t "';"
}

function put_device(   end) {
  end = pick("; ; _ON_CONFLICT_DO_UPDATE_SET_presence='online';")
  gsub(/_/, " ", end)
  return "INSERT" (end == ";" ? " OR " pick("IGNORE REPLACE") : "") " INTO device (product_id, device_id, presence) VALUES ('p', '" device() "', " pick("NULL 'online'") ")" end
}

function operator(   r, t) {
  if (chance(12)) return rollout(task())
  r = rand() * 100; t = task()
  if (r < 12) return verb("INSERT") " INTO task (task_id, firmware_id, name, mode, release_type, state, supersede, continuous) VALUES ('" t "', '" pick("f1 f2") "', 'n', '" \
    pick("push push pull") "', '" pick("all part") "', '" pick("running running paused stopped") "', " pick("0 0 1") ", " pick("0 0 0 1") ");"
  if (r < 22) return verb("UPDATE") " task SET state = '" pick("running paused stopped") "' WHERE task_id = '" t "';"
  if (r < 26) return "DELETE FROM task WHERE task_id = '" t "';"
  if (r < 40) return verb("INSERT") " INTO task_device (task_id, device_id) VALUES ('" t "', '" device() "');"
  if (r < 42) return "INSERT INTO task_device (task_id, device_id) SELECT '" t "', device_id FROM device WHERE product_id = 'p' EXCEPT SELECT task_id, device_id FROM task_device;"
  if (r < 55) return verb("UPDATE") " task_device SET state = '" state() "' WHERE " row() ";"
  if (r < 65) return verb("UPDATE") " task_device SET state = 'waiting' WHERE " row() " AND state IN ('failed', 'canceled');"
  if (r < 72) return "UPDATE task_device SET state = 'canceled' WHERE " row() " AND state = 'waiting';"
  if (r < 79) return "DELETE FROM task_device WHERE " row() (chance(60) ? " AND state NOT IN ('waiting', 'processing');" : ";")
  if (r < 81) return verb("UPDATE") " task_device SET device_id = '" device() "' WHERE " row() ";"
  if (r < 84) return "UPDATE task_count SET waiting = waiting + 1 WHERE task_id = '" t "';"
  if (r < 87) return verb("UPDATE") " device SET presence = " pick("NULL 'online' 'online' 'offline'") (chance(30) ? ", version = '2.0'" : "") " WHERE device_id " pick("= <= >") " '" device() "';"
  if (r < 89) return "UPDATE device SET version = '" pick("1.0 2.0 3.0") "' WHERE device_id = '" device() "';"
  if (r < 92) return put_device()
  if (r < 94) return "DELETE FROM device WHERE device_id = '" device() "';"
  if (r < 96) return "UPDATE firmware SET state = '" pick("ready ready rejected") "' WHERE firmware_id = '" pick("f1 f2") "';"
  if (r < 97) return verb("UPDATE") " firmware SET version = '" pick("1.0 2.0 2.1") "' WHERE firmware_id = '" pick("f1 f2") "';"
  if (r < 98) return verb("UPDATE") " task SET task_id = '" task() "' WHERE task_id = '" t "';"
  return "UPDATE product SET firmware_enabled = " (chance(75) ? 1 : 0) ";"
}

function epoch() { return pick("NULL NULL 0 (SELECT_epoch_FROM_task_count_AS_c_WHERE_c.task_id=task_device.task_id)") }

function move(   to, set) {
  to = pick("processing processing success failed waiting canceled")
  set = "proved_epoch = " epoch() ", bad_epoch = " epoch()
  gsub(/SELECT_epoch_FROM_task_count_AS_c_WHERE_c/, "SELECT epoch FROM task_count AS c WHERE c", set)
  return "UPDATE task_device SET state = '" to "', progress = " int(rand() * 101) ", completed_at = " \
    (to ~ /processing|waiting/ ? "NULL" : "7") ", failed_by = " (to == "failed" ? "'broker'" : "NULL") \
    ", due_at = " (to == "processing" ? "9" : "NULL") ", wake_clock = " (to == "canceled" ? "NULL" : pick("NULL 5")) \
    ", attempts = attempts + " (to == "processing") ", retry_at = " (to == "failed" ? pick("NULL 8") : "NULL") ", " set " WHERE " row() ";"
}

function connect() { return "UPDATE device SET presence = '" pick("online offline") "', version = " pick("version '1.0' '2.0'") " WHERE device_id = '" device() "';" }

# of a task: a stop_window is full, a stage is done, the stop, the end
function move_task(   t) {
  t = " WHERE task_id = '" task() "'"
  if (chance(40)) return "UPDATE task_count SET epoch = epoch + 1, epoch_good = 0, epoch_bad = 0" t ";"
  if (chance(40)) return "UPDATE task_count SET hold_since = -1" t " AND running = 1; UPDATE task SET state = 'paused', paused_reason = 'stage is done'" t " AND state = 'running';"
  return "UPDATE task SET state = '" pick("paused stopped") "'" t " AND state = 'running';"
}

function plugin(   text, n) {
  text = "BEGIN IMMEDIATE; UPDATE catalog_state SET plugin_writing = 1;"
  for (n = 1 + int(rand() * 4); n > 0; n--) text = text "\n" (chance(12) ? move_task() : chance(15) ? connect() : move())
  return text "\nDELETE FROM task_change;\nUPDATE catalog_state SET plugin_writing = 0; " (chance(90) ? "COMMIT;" : "ROLLBACK;")
}

BEGIN {
  srand(seed)
  for (step = 1; step <= steps; step++) {
    if (chance(35)) print plugin()
    else if (chance(10)) print "BEGIN; " operator() "\n" operator() "\n" pick("COMMIT; ROLLBACK;")
    else print operator()
    print "SELECT 'seed " seed " step " step ": counts off', c.* FROM task_count AS c WHERE (waiting, processing, success, failed, canceled, settling," \
      " started, proved, bad, bad_final, spared, retrying, epoch_good, epoch_bad, offline) IS NOT (" \
      "SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'processing'), count(*) FILTER (WHERE state = 'success'), " \
      "count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'canceled'), 0, " \
      "count(*) FILTER (WHERE began), count(*) FILTER (WHERE began AND proved_epoch IS NOT NULL), count(*) FILTER (WHERE began AND bad_epoch IS NOT NULL), " \
      "count(*) FILTER (WHERE began AND bad_epoch IS NOT NULL AND state = 'failed' AND retry_at IS NULL), " \
      "count(*) FILTER (WHERE state = 'success' AND attempts = 0), count(*) FILTER (WHERE state = 'failed' AND retry_at IS NOT NULL), " \
      "count(*) FILTER (WHERE proved_epoch = c.epoch), count(*) FILTER (WHERE bad_epoch = c.epoch), " \
      "count(*) FILTER (WHERE state = 'waiting' AND (SELECT presence IS NOT 'online' FROM device AS d WHERE d.product_id = c.product_id AND d.device_id = r.device_id)) " \
      "FROM (SELECT *, attempts >= 1 AND state <> 'canceled' AS began FROM task_device AS r WHERE r.task_id = c.task_id) AS r);"
    print "SELECT 'seed " seed " step " step ": devices off', * FROM (SELECT * FROM device_count EXCEPT SELECT product_id, coalesce(version, ''), count(*), count(*) FILTER (WHERE presence = 'online') FROM device GROUP BY 1, 2" \
      " UNION ALL SELECT * FROM (SELECT product_id, coalesce(version, ''), count(*), count(*) FILTER (WHERE presence = 'online') FROM device GROUP BY 1, 2 EXCEPT SELECT * FROM device_count));"
  }
}
