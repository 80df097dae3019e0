# shellcheck shell=bash
# Rollouts with real clients. Load it after task_helper.

# TASK COLUMNS VALUES "DEVICE...": a push task of lamp-2.0 with rules of its own.
rollout() {
	db "BEGIN;
		INSERT INTO task (task_id, firmware_id, name, mode, release_type, response_timeout_seconds$2)
		VALUES ('$1', 'lamp-2.0', 'Rollout $1', '${MODE:-push}', 'part', 30$3);
		${STAGES:-}
		INSERT INTO task_device (task_id, device_id, turn) SELECT '$1', value, key FROM json_each('[$(quoted_json "$4")]');
		COMMIT;"
}
stages() { STAGES="INSERT INTO task_stage (task_id, stage, until_count, until_percent, success_percent, hold_seconds, on_success) VALUES $1;"; }

waits_for() { rows "SELECT waits_for FROM task_detail WHERE task_id = '$1' AND device_id = '$2'" "$3"; }
task_is() { rows "SELECT state, stage, coalesce(paused_reason, '') FROM task WHERE task_id = '$1'" "$2"; }
counts_are() { rows "SELECT started, proved, bad FROM task_summary WHERE task_id = '$1'" "$2"; }

done_with() {
	fleet say "$1" upgrade/progress '{"progress":100,"complete":true,"success":true,"firmwareId":"lamp-2.0"}'
	fleet say "$1" report '{"version":"2.0"}'
}
failed_at() { fleet say "$1" upgrade/progress '{"progress":10,"complete":true,"success":false,"errorReason":"flash","firmwareId":"lamp-2.0"}'; }
gets_2_0() { [[ $(pull "$1" '{"currentVersion":"1.0"}') == *'"version":"2.0"'* ]]; }
