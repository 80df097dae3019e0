-- New push task in stages: a few devices first, and more when those before have proved it.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.10' AS version,
--     'Spring rollout' AS name, until_percent, success_percent, hold_seconds
--     FROM (SELECT 1 AS until_percent, 90 AS success_percent, 86400 AS hold_seconds
--     UNION ALL SELECT 10, 95, 86400 UNION ALL SELECT 100, 0, 0)" firmware.db < new_staged_task.sql
--
-- arg has a row for each stage: how many per cent of the devices have started at its end, how many
-- per cent of these must run the new version, and for how long, before the next stage begins. The
-- task is a draft: nothing starts before resume_task.sql. It pauses by itself when 10 % of at least
-- 5 devices failed.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'),
  name CONSTRAINT "name must be text in quotes" CHECK (typeof(name) = 'text'));
INSERT INTO quoted SELECT arg.product_id, arg.version, arg.name FROM arg;
CREATE TEMP TABLE made AS SELECT lower(hex(randomblob(8))) AS task_id;
BEGIN IMMEDIATE;
INSERT INTO task (task_id, firmware_id, name, mode, state, stop_failed_percent)
SELECT
  made.task_id,
  (
    SELECT f.firmware_id FROM firmware AS f
    WHERE f.product_id = arg.product_id AND f.version = arg.version),
  arg.name, 'push', 'paused', 10
FROM made CROSS JOIN (SELECT arg.product_id, arg.version, arg.name FROM arg LIMIT 1) AS arg;
INSERT INTO task_stage (task_id, stage, until_percent, success_percent, hold_seconds)
SELECT
  made.task_id, row_number() OVER (ORDER BY arg.until_percent), arg.until_percent,
  arg.success_percent, arg.hold_seconds
FROM made CROSS JOIN arg
ORDER BY arg.until_percent;
COMMIT;

.mode box
SELECT task_id, name, product_id, version, mode, state, total, waiting, success
FROM task_summary WHERE task_id IN (SELECT made.task_id FROM made);
SELECT stage, until_percent, budget AS devices, needed AS must_be_proved, hold_seconds
FROM task_stage_budget WHERE task_id IN (SELECT made.task_id FROM made)
ORDER BY stage;
