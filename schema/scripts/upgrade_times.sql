-- How long the upgrades of a task took that succeeded, from the push or the pull's answer to the
-- end: half of them were as quick as the median, 19 of 20 as p95.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < upgrade_times.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
.mode box
SELECT
  task_id, count(*) AS devices,
  -- the nearest rank: the shortest time that so many did not exceed
  min(seconds) FILTER (WHERE 100 * place >= 50 * total) AS median_seconds,
  min(seconds) FILTER (WHERE 100 * place >= 95 * total) AS p95_seconds,
  max(seconds) AS longest_seconds
FROM (
  SELECT
    task_id, (completed_at - pushed_at) / 1000.0 AS seconds,
    row_number() OVER (PARTITION BY task_id ORDER BY completed_at - pushed_at) AS place,
    count(*) OVER (PARTITION BY task_id) AS total
  FROM task_device
  WHERE task_id IN (SELECT arg.task_id FROM arg) AND state = 'success' AND attempts > 0
    AND completed_at >= pushed_at)
GROUP BY task_id;
