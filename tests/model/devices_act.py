"""Random acts of devices: the broker hears them, and the model is told."""

import json

from state import Device

REASON = "the device gave no reason"
NEWCOMERS = 4


class DevicesAct:
    @staticmethod
    def habit(device):
        """What its timestamps are worth."""
        return ("right", "right", "none", "1970")[(int(device.name[1:]) - 1) % 4]

    def stamp_message(self, device, message):
        habit = self.habit(device)
        if habit == "right":
            self.stamp = max(self.stamp + 1, self.broker.wall)
            message["timestamp"] = self.stamp
        elif habit == "1970":
            self.count += 1
            message["timestamp"] = self.count

    def send(self, device, tail, message, qos=1):
        self.note(device.name, tail, json.dumps(message), "" if qos else "QoS 0")
        client = self.clients[device.name]
        client.say(tail, json.dumps(message), qos=qos)
        if not qos:
            client.ping()

    def say(self, device, tail, message, act):
        """`act` tells the model, and takes whether the message is known to be a redelivery."""
        self.stamp_message(device, message)
        qos = 0 if self.habit(device) == "right" and self.random.random() < 0.1 else 1
        self.send(device, tail, message, qos)
        if qos:
            self.said[device.name].append((tail, message, act, device.link))
        self.tell(device, lambda: act(False))

    def tell(self, device, act):
        """The model is told when the catalog has it: of rows that may start in any order it asks
        which ones did."""
        self.fleet.settle(self.clients[device.name])
        self.pass_marker()
        act()

    # --- connections ---

    def show(self, device):
        """By a new connection, also while the broker holds the one before it."""
        self.note(device.name, "shows itself")
        if device.link:
            self.model.gone(device)
        clean = self.random.random() < 0.7
        client = self.fleet.connect(device.name, clean=clean, on_message=self.hear_answer)
        self.clients[device.name] = client
        client.publish("telemetry", "x")
        self.tell(device, lambda: self.model.arrive(device))
        self.links[device.name].append(device.link)
        if device.name in self.dead_links:
            self.dead_links.pop(device.name).lost()

    def newcome(self):
        """A device that nobody has heard of reports."""
        count = sum(int(name[1:]) > 12 for name in self.model.devices)
        if count >= NEWCOMERS:
            return
        name = f"d{13 + count}"
        device = self.model.devices[name] = Device(name, known=False)
        self.meet(name)
        self.show(device)
        version = self.random.choice([*self.versions, "0.9"])
        self.stamp_message(device, message := {"version": version})
        self.send(device, "report", message)

        def act():
            self.model.hear_first(device)
            self.model.report(device, version, None, False)

        self.tell(device, act)

    def hear_answer(self, client, topic, payload, _qos, _retained):
        if topic.endswith("pull/reply"):
            message = json.loads(payload)
            answer = message.get("code") or message["version"]
            self.answers[client.name] = answer, "retryAfter" in message

    def leave(self, device):
        how = self.random.choice(["drop", "leave", "die"])
        self.note(device.name, {"die": "is dead, but not its link"}.get(how, "goes"))
        client = self.clients.pop(device.name)
        self.fleet.settle(client)
        if how == "die":
            self.fleet.selector.unregister(client.socket)
            self.dead_links[device.name] = client
            return
        getattr(client, how)()
        self.gone(device)

    def gone(self, device):
        """The broker notices, and the model is told."""
        sql = "SELECT presence FROM device WHERE product_id = 'lamp' AND device_id = ?"
        offline = lambda: self.db.execute(sql, (device.name,)).fetchone() == ("offline",)
        self.fleet.until(offline, what=f"the end of {device.name}'s connection")
        self.pass_marker()
        self.model.gone(device)

    def cut(self, device):
        """The broker finds the link dead."""
        self.note(device.name, "was dead")
        self.dead_links.pop(device.name).lost()
        self.gone(device)

    # --- words ---

    def likely_version(self, device):
        """Mostly one that some row of it is about."""
        rows = [row.task.version for row in self.model.rows_of(device) if row.open()]
        return self.random.choice(rows * 4 + self.versions)

    def report(self, device):
        known = device.version or "1.0"
        version = self.random.choice([known] * 6 + [self.likely_version(device)] * 4 + ["0.9"])
        link = device.link  # by which it does not deliver again
        offset = self.random.choice([None, None, None, -480, 330])
        message = {"version": version} | ({} if offset is None else {"utcOffset": offset})
        act = lambda repeated: self.model.report(
            device, version, offset, repeated and link != device.link
        )
        self.say(device, "report", message, act)

    def reply(self, device):
        success = self.random.random() < 0.6
        version = self.random.choice([None, None, self.likely_version(device)])
        later = not success and self.random.random() < 0.5
        after = self.random.randint(1, 3000) if later else 0
        # each time in other words, so that none is taken for another's redelivery
        reason = f"in {after} s, {len(self.history)}" if later else "not now"
        words = (version, success, None if success else reason)
        if self.habit(device) == "1970" and self.is_refused_again(device, words):
            return
        message = {"success": success} | ({} if success else {"message": reason})
        message |= {"firmwareId": f"f{version}"} if version else {}
        message |= {"retryAfter": after} if later else {}
        act = lambda repeated: self.replied(device, words, after * 1000, repeated)
        self.say(device, "upgrade/reply", message, act)

    def is_refused_again(self, device, words):
        return not words[1] and self.model.refusal_repeated(device, words)

    def replied(self, device, words, after, repeated):
        version, success, reason = words
        if self.habit(device) != "right":
            repeated = self.is_refused_again(device, words)
            device.refusals += [] if success else [(words, device.link)]
        self.model.reply(device, version, success, reason, after, repeated)

    def name(self, version):
        named = [{"version": version}, {"firmwareId": f"f{version}"}]
        return self.random.choice(named) if version else {}

    def progress(self, device):
        version = self.random.choice([None] + [self.likely_version(device)] * 4)
        percent = self.random.choice([0, 10, 50, 90, 100])
        complete = self.random.random() < 0.3
        success = complete and self.random.random() < 0.5
        reason = "flash" if complete and not success and self.random.random() < 0.7 else None
        retry = bool(reason) and self.random.random() < 0.5
        words = (percent, complete, success, reason)
        habit = self.habit(device)
        if habit == "1970" and self.model.progress_repeated(device, version, words):
            return
        message = {"progress": percent} | self.name(version)
        message |= {"complete": True, "success": success} if complete else {}
        message |= {"errorReason": reason} if reason else {}
        message |= {"retry": True} if retry else {}
        first = self.model.wall
        act = lambda repeated: self.progressed(
            device, version, (*words, retry),
            repeated and self.model.in_attempt(device, version, first),
        )  # fmt: skip
        self.say(device, "upgrade/progress", message, act)

    def progressed(self, device, version, words, repeated):
        percent, complete, success, reason, retry = words
        if self.habit(device) != "right":
            repeated = self.model.progress_repeated(device, version, words[:4])
            said = ((version, words[:4]), device.link, self.model.wall)
            device.progress_said += [] if repeated else [said]
        reason = reason or REASON
        self.model.progress(device, version, percent, complete, success, reason, retry, repeated)

    def again(self, device):
        """The acknowledgement was lost, so it says again what it said: nothing changes twice."""
        links = self.links[device.name][-2:]

        def may(tail, link):
            # MQTT delivers again after a reconnect; an answer said twice may be two answers
            return link in links[:-1] if tail == "upgrade/reply" else link in links

        said = [(t, m, act) for t, m, act, link in self.said[device.name] if may(t, link)]
        if said and self.habit(device) != "1970":
            tail, message, act = self.random.choice(said[-3:])
            self.send(device, tail, message)
            self.tell(device, lambda: act(self.habit(device) == "right"))

    def pull(self, device):
        versions = [None, None, device.version, device.before, self.random.choice(self.versions)]
        current = self.random.choice(versions)
        requested = self.random.choice([None] * 8 + ["9.9", self.random.choice(self.versions)])
        members = (("currentVersion", current), ("requestVersion", requested))
        self.answers.pop(device.name, None)
        self.send(device, "pull", {key: value for key, value in members if value})
        self.fleet.until(lambda: device.name in self.answers, what="a pull's answer")
        told = []
        self.tell(device, lambda: told.append(self.model.pull(device, current, requested)))
        (answer, again), (expected, known) = self.answers[device.name], told[0]
        assert answer == expected, f"{device.name} pulled: {answer}, expected {expected}"
        assert again or not known, f"{device.name} is not told when to pull again"

    # --- a round ---

    def device_acts(self, device):
        shy = int(device.name[1:]) % 3 == 1  # hardly ever a word of its upgrade
        there = [self.report, self.leave, self.again]
        there += [self.reply, self.progress, self.progress, self.pull] * (1 if shy else 3)
        there += [self.show] * (2 if shy else 1) + [lambda device: None] * (4 if shy else 0)
        if device.name in self.clients:
            self.random.choice(there)(device)
        elif self.random.random() < 0.6:
            self.show(device)
        elif device.name in self.dead_links:
            self.cut(device)

    def devices_act(self):
        """One after the other: what one does may set another's upgrade free."""
        devices = list(self.model.devices.values())
        acting = self.random.sample(devices, self.random.randint(1, 6))
        self.tick()
        for device in acting:
            self.device_acts(device)
            self.agree_rows()
            self.steps += 1
        if self.random.random() < 0.03:
            self.newcome()
        self.agree_all()
