#!/usr/bin/env bats
# Thousands of random statements of operators and of the plugin: the counts never drift, and every refusal is a sentence.

load helper

if [[ -n ${FW_LONG:-} ]]; then STEPS=1500; else STEPS=750; fi

setup() {
  catalog_setup
  small_fleet
}

# walk SEED STEPS, with the pragmas as they are
walk() {
  {
    echo "PRAGMA foreign_keys = $FK; PRAGMA recursive_triggers = $RT;"
    awk -v seed="$1" -v steps="$2" -f "$BATS_TEST_DIRNAME/random_walk.awk"
  } | sqlite3 "$DB" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/errors" || true
  same '' "$(head -5 "$BATS_TEST_TMPDIR/out")" "what the walk printed" || return 1
  counts_exact || return 1
  rows 'ok' 'PRAGMA integrity_check;' || return 1
  rows '' 'PRAGMA foreign_key_check;' || return 1
  same '' "$(grep -E '^(Runtime|Parse) error' "$BATS_TEST_TMPDIR/errors" | grep -E 'Parse|constraint failed' | head -5)" 'errors that are no sentence'
}

walk_each() {
  local refused
  walk "$seed" "$STEPS" || { fail "seed $seed" || return 1; }
  refused=$(grep -c '^Runtime error' "$BATS_TEST_TMPDIR/errors") || true
  ((refused * 15 > STEPS * 2 && refused * 15 < STEPS * 11)) || fail "$refused of $STEPS steps refused: this is no walk"
  sql 'SELECT DISTINCT state FROM task_device;' >>"$BATS_TEST_TMPDIR/states"
  sql "SELECT DISTINCT what || ' ' || who FROM task_log;" >>"$BATS_TEST_TMPDIR/log"
  seed=$((seed + 1))
}

@test "counts do not drift in thousands of random operations" {
  seed=${WALK_SEED:-1}
  each_way walk_each
  same 5 "$(sort -u "$BATS_TEST_TMPDIR/states" | wc -l)" 'states seen at the ends'
  # in this walk the plugin makes, resumes and continues no task, and begins no stage
  same 10 "$(sort -u "$BATS_TEST_TMPDIR/log" | wc -l)" "$(sort -u "$BATS_TEST_TMPDIR/log")"
}

@test "the walk notices a count that is off" {
  sqlite3 "$DB" 'DROP TRIGGER task_device_update_count;'
  FK=off RT=off
  run walk 1 300
  [[ $status -ne 0 && "$output" == *'counts off'* ]]
}
