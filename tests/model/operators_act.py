"""Random acts of operators: SQL for the catalog, and the same told to the model."""

import sqlite3

from state import DAY, MINUTE, RESPONSE, UPGRADE, Stage

INSERT_ROW = "INSERT INTO task_device (task_id, device_id, turn) VALUES (?, ?, ?)"
OF_ROW = "WHERE task_id = ? AND device_id = ?"
OF_TASK = "WHERE task_id = ?"
TASKS = 8
HOUR = 60 * MINUTE


class OperatorsAct:
    def execute(self, sql, *values):
        """True when the catalog takes it."""
        try:
            self.db.execute(sql, values)
            return True
        except sqlite3.IntegrityError as refusal:
            self.refusal = refusal
            return False

    def agree(self, allowed, taken, what):
        self.note(what, "taken" if taken else f"refused: {self.refusal}")
        verb = "takes" if taken else "refuses"
        assert allowed == taken, f"{what}: the catalog {verb} it, the contract does not"

    def told(self):
        """What follows from the operator's act is in the catalog."""
        self.pass_marker()
        sql = "SELECT EXISTS (SELECT 1 FROM task_change)"
        idle = lambda: not self.db.execute(sql).fetchone()[0]
        self.fleet.until(idle, what="the operator's change")

    # --- plans ---

    def some_stages(self):
        """Rising, cumulative."""
        if self.random.random() < 0.5:
            return []
        stages, at = [], 0
        for _ in range(self.random.randint(1, 3)):
            at += self.random.choice([8, 17.5, 25, 33.3333])
            count = self.random.random() < 0.2 and not stages
            percent = None if count else round(min(at, 99), 4)
            stages.append(Stage(
                percent, self.random.randint(1, 3) if count else None,
                self.random.choice([0, 50, 66, 90, 100]), self.random.choice([0, 60, 900]),
                self.random.choice(["next", "next", "pause"]),
            ))  # fmt: skip
            if count:
                break
        return stages + [Stage(100, None, self.random.choice([0, 90]), 0, "next")]

    def some_window(self):
        minute = (self.broker.wall // MINUTE + 180) % 1440
        return {
            "window_start": (minute + self.random.randint(-90, 30)) % 1440,
            "window_minutes": self.random.choice([10, 60, 180, 1440]),
            "window_days": self.random.choice([127, 127, 127, 31, 1, 96]),
            "window_clock": self.random.choice(["utc", "broker", "device"]),
        }

    def some_value(self, column):
        pick, wall = self.random.choice, self.broker.wall
        ahead = lambda: wall + self.random.randint(1, 3000) * 1000
        return {
            "gate": lambda: "complete",
            "attempt_limit": lambda: self.random.randint(1, 3),
            "stop_failed_percent": lambda: pick([10, 25, 50]),
            "stop_failed_min": lambda: pick([1, 2, 5]),
            "stop_failed_count": lambda: pick([1, 2, 3]),
            "stop_window": lambda: 10,
            "rate_per_minute": lambda: pick([1, 1, 2, 30, 200]),
            "rate_doubles_after": lambda: pick([1, 2]),
            "max_in_flight": lambda: pick([1, 2, 3]),
            "min_online_seconds": lambda: pick([20, 600]),
            "start_at": lambda: ahead(),
            "end_at": lambda: ahead() + 3_000_000,
            "end_action": lambda: "stop",
            "retry_limit": lambda: pick([0, 1, 2, 3]),
            "retry_seconds": lambda: pick([1, 60, 600, 5000, 40_000]),
            "retry_on": lambda: "any",
            "defer_seconds": lambda: pick([0, 600, 4000]),
            "trial_seconds": lambda: pick([600, 4000]),
            "lost_seconds": lambda: pick([60, 600, 4000]),
            "allow_downgrade": lambda: 1,
            "supersede": lambda: 1,
            "continuous": lambda: 1,
        }[column]()

    def some_plan(self):
        often = ["attempt_limit", "allow_downgrade", "retry_limit", "retry_seconds"]
        seldom = [
            "gate", "stop_failed_percent", "stop_failed_min", "stop_failed_count", "stop_window",
            "rate_per_minute", "rate_doubles_after", "max_in_flight", "min_online_seconds",
            "start_at", "end_at", "end_action", "retry_on", "defer_seconds", "trial_seconds",
            "lost_seconds", "supersede",
        ]  # fmt: skip
        plain = self.random.random() < 0.25
        columns = [c for c in often if self.random.random() < 0.6]
        columns += [c for c in seldom if not plain and self.random.random() < 0.22]
        plan = {column: self.some_value(column) for column in columns}
        if not plain and self.random.random() < 0.2:
            plan |= self.some_window()
        if "rate_doubles_after" in plan and "rate_per_minute" not in plan:
            del plan["rate_doubles_after"]
        return plan

    # --- tasks ---

    def new_task(self):
        self.task_number += 1
        # names that do not sort as the tasks' age
        name = f"{self.random.choice('abcxyz')}{self.task_number}"
        version = self.random.choice(self.versions)
        mode = self.random.choice(["push", "push", "pull"])
        known = [device.name for device in self.model.devices.values() if device.known]
        whole = self.random.random() < 0.6
        names = known if whole else sorted(self.random.sample(known, 4))
        turns = {device: self.random.randint(1, 1_000_000) for device in names}
        plan, stages = self.some_plan(), self.some_stages()
        state = "paused" if self.random.random() < 0.2 else "running"
        if whole and self.random.random() < 0.2:
            plan["continuous"] = 1
        taken = self.insert_task(name, version, mode, whole, turns, plan, stages, state)
        rules = " ".join(f"{key}={value}" for key, value in plan.items())
        what = f"new {mode} task {name} to {version}, {state}, {rules}, turns {turns}"
        what += "".join(f", {tuple(stage)}" for stage in stages)
        others = [
            t for t in self.model.tasks.values() if t.plan.continuous and t.state != "stopped"
        ]
        allowed = self.model.enabled and not (plan.get("continuous") and others)
        self.agree(allowed, taken, what)
        if taken:
            self.told()
            self.model.new_task(name, version, mode, turns, plan, stages, state)

    def insert_task(self, name, version, mode, whole, turns, plan, stages, state):
        values = {
            "task_id": name, "firmware_id": f"f{version}", "name": "n", "mode": mode,
            "release_type": "all" if whole else "part", "state": state,
            "response_timeout_seconds": RESPONSE // 1000, "timeout_seconds": UPGRADE // 1000,
        } | plan  # fmt: skip
        marks = ", ".join("?" * len(values))
        self.db.execute("BEGIN IMMEDIATE")
        sql = f"INSERT INTO task ({', '.join(values)}) VALUES ({marks})"
        taken = self.execute(sql, *values.values())
        for number, stage in enumerate(stages if taken else [], 1):
            self.db.execute("INSERT INTO task_stage VALUES (?, ?, ?, ?, ?, ?, ?)",
                            (name, number, *stage))  # fmt: skip
        for device, turn in (turns if taken else {}).items():
            if whole:
                self.db.execute(f"UPDATE task_device SET turn = ? {OF_ROW}", (turn, name, device))
            else:
                self.db.execute(INSERT_ROW, (name, device, turn))
        self.db.execute("COMMIT")
        return taken

    def some_task(self):
        return self.random.choice(list(self.model.tasks.values())) if self.model.tasks else None

    def some_row(self):
        rows = self.model.all_rows()
        return self.random.choice(rows) if rows else None

    def switch_task(self):
        task = self.some_task()
        if not task:
            return
        others = {"running": ["stopped", "paused", "paused"], "stopped": ["running", "paused"]}
        state = self.random.choice(others.get(task.state, ["running"] * 4 + ["stopped"]))
        reason = self.random.choice([None, "holidays"]) if state == "paused" else None
        values = (state, reason) if reason else (state,)
        set_reason = ", paused_reason = ?" if reason else ""
        taken = self.execute(f"UPDATE task SET state = ?{set_reason} {OF_TASK}", *values, task.name)
        self.agree(self.may_switch(task, state), taken, f"task {task.name} {state} {reason or ''}")
        if taken:
            self.told()
            self.model.set_state(task, state, reason)

    def may_switch(self, task, state):
        """Not beyond its end, and one continuous task a product."""
        over = state == "running" and task.plan.end_at and task.plan.end_at < self.broker.wall
        others = [
            t for t in self.model.tasks.values()
            if t is not task and t.plan.continuous and t.state != "stopped"
        ]  # fmt: skip
        return not over and not (task.plan.continuous and state != "stopped" and others)

    def raise_stage(self):
        task = self.some_task()
        if task and task.state != "stopped":
            taken = self.execute(f"UPDATE task SET stage = stage + 1 {OF_TASK}", task.name)
            if taken:
                self.told()
            self.agree(self.model.raise_stage(task), taken, f"next stage of {task.name}")

    def change_plan(self):
        task = self.some_task()
        columns = ["stop_failed_percent", "stop_failed_count", "rate_per_minute", "max_in_flight"]
        columns += ["retry_limit", "min_online_seconds", "start_at", "window"]
        column = self.random.choice(columns)
        if not task or task.state == "stopped":
            return
        none = {"window_start": None, "window_minutes": None}
        if column == "window":
            values = self.random.choice([self.some_window(), none])
        else:
            values = {column: self.random.choice([None, self.some_value(column)])}
        if column in ("retry_limit", "min_online_seconds"):
            values[column] = values[column] or 0
        if column == "start_at" and task.plan.end_at:
            return
        self.note("of", task.name, values)
        for key, value in values.items():
            setattr(task.plan, key, value)
        sets = ", ".join(f"{key} = ?" for key in values)
        self.db.execute(f"UPDATE task SET {sets} {OF_TASK}", (*values.values(), task.name))
        self.told()
        self.model.settle()

    # --- rows ---

    def retry_all(self):
        task = self.some_task()
        if task:
            failed = "WHERE task_id = ? AND state = 'failed'"
            taken = self.execute(f"UPDATE task_device SET state = 'waiting' {failed}", task.name)
            self.told()
            self.agree(self.model.retry_all(task), taken, f"retry all of {task.name}")

    def set_row(self):
        row = self.some_row()
        if row:
            state = self.random.choice(["waiting", "canceled"])
            task, device = row.task.name, row.device.name
            taken = self.execute(f"UPDATE task_device SET state = ? {OF_ROW}", state, task, device)
            self.told()
            self.agree(self.model.set_row(row, state), taken, f"{task} {device} to {state}")

    def set_turn(self):
        row = self.some_row()
        if row:
            turn = self.random.choice([0, self.random.randint(1, 1_000_000)])
            task, device = row.task.name, row.device.name
            taken = self.execute(f"UPDATE task_device SET turn = ? {OF_ROW}", turn, task, device)
            self.agree(self.model.set_turn(row, turn), taken, f"{task} {device} turn {turn}")

    def add_row(self):
        task = self.some_task()
        known = [device.name for device in self.model.devices.values() if device.known]
        missing = [name for name in known if name not in task.rows] if task else []
        if missing:
            name, turn = self.random.choice(missing), self.random.randint(1, 1_000_000)
            self.note("add", name, "to", task.name, "turn", turn)
            self.execute(INSERT_ROW, task.name, name, turn)
            self.told()
            self.model.add_row(task, name, turn)

    def delete_task(self):
        task = self.some_task()
        if task:
            taken = self.execute(f"DELETE FROM task {OF_TASK}", task.name)
            self.told()
            self.agree(self.model.delete_task(task), taken, f"delete {task.name}")

    def delete_row(self):
        row = self.some_row()
        if row:
            task, device = row.task.name, row.device.name
            taken = self.execute(f"DELETE FROM task_device {OF_ROW}", task, device)
            self.told()
            self.agree(self.model.delete_row(row), taken, f"delete {task} {device}")
            if taken:
                self.events.pop((task, device), None)

    # --- the product, and the clock ---

    def set_policy(self):
        self.model.policy = self.random.choice(["latest", "stepwise", "task"])
        self.note("policy", self.model.policy)
        self.execute("UPDATE product SET pull_policy = ?", self.model.policy)

    def set_enabled(self):
        enabled = not self.model.enabled or self.random.random() < 0.8
        self.note("enabled", enabled)
        self.execute("UPDATE product SET firmware_enabled = ?", int(enabled))
        self.told()
        self.model.enable(enabled)

    def set_needs(self):
        version, order = self.random.choice(["2.0", "3.0"]), self.random.choice([None, 1, 2, 3])
        self.note(version, "needs", order)
        set_order = "UPDATE firmware SET min_version_order = ? WHERE version = ?"
        self.db.execute(set_order, (order, version))
        self.told()
        self.model.set_needs(version, order)

    def jump(self):
        """The wall clock is put right, or wrong."""
        model = self.model
        back = model.seen - model.wall
        if back <= 0:
            back = self.random.choice([-HOUR, -5 * HOUR, 2 * HOUR, HOUR * 9 // 2])
        self.step_wall(back if model.is_behind() else -back)

    def step_wall(self, milliseconds):
        self.note("the wall clock steps by", milliseconds / 1000)
        self.set_time(10, milliseconds)
        self.pass_marker()
        self.agree_rows()

    # --- a round ---

    def operator_acts(self):
        acts = [self.add_row, self.delete_task, self.delete_row, self.set_turn]
        acts += [self.switch_task, self.retry_all, self.set_row, self.raise_stage] * 2
        acts += [self.change_plan] * 2 + [self.advance] * 6
        acts += [self.new_task] * 6 if len(self.model.tasks) < TASKS else []
        if self.random.random() < 0.1:
            acts = [self.set_policy, self.set_enabled, self.set_needs, self.jump]
            acts += [self.restart] * 2
        self.random.choice(acts)()
        self.steps += 1
