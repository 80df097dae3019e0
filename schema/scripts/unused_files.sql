-- Files in files_dir that no firmware names, and that nobody wrote to for some days: one a line.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '/var/lib/mosquitto/firmware' AS folder,
--     7 AS days" firmware.db < unused_files.sql
--
-- To remove them, look at the list first, and then put behind the command:  | xargs -d '\n' rm --
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  folder CONSTRAINT "folder must be text in quotes" CHECK (typeof(folder) = 'text'));
INSERT INTO quoted SELECT arg.folder FROM arg;
.mode list
SELECT e.name
FROM arg CROSS JOIN fsdir(arg.folder) AS e
WHERE e.mode & 0xF000 = 0x8000
  AND instr(substr(e.name, length(arg.folder) + 2), '/') = 0
  AND e.mtime < unixepoch('now') - arg.days * 86400
  AND substr(e.name, length(arg.folder) + 2) NOT IN (
    SELECT f.file FROM firmware AS f WHERE f.file IS NOT NULL)
ORDER BY e.name;
