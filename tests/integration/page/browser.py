"""A headless Chromium, driven by WebDriver (W3C) with nothing but the standard library, in the words of a person:
press a button by its name, fill a field by its label, wait until a text is there."""

import base64
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PATIENCE = 60  # seconds: a browser that starts beside other tests on two cores took 14 to show the login
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"
).split()

# What a person sees of it: visible elements of a selector whose name (label, text) is or begins with this.
FIND = """
const [selector, name, whole] = arguments
const visible = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden'
const text = (e) => (e.getAttribute('aria-label') || e.innerText || e.value || '').replace(/\\s+/g, ' ').trim()
const open = document.querySelector('dialog[open]')
return [...(open && !open.matches(selector) ? open : document).querySelectorAll(selector)].filter((e) => visible(e) && (name === null ||
  (whole ? text(e) === name : text(e).includes(name))))[0] || null
"""
FIELD = """
const [label] = arguments
const open = document.querySelector('dialog[open]') || document
const clean = (s) => s.replace(/\\s+/g, ' ').replace(/ \\((required|必填)\\)$/, '').replace(/（必填）$/, '').trim()
for (const e of open.querySelectorAll('label')) {
  const own = clean([...e.childNodes].filter((n) => n.nodeType === 3 || n.localName === 'strong' ||
    n.className === 'needed' || n.localName === 'span').map((n) => n.innerText ?? n.data).join(' '))
  if (own === label || own.startsWith(label + ' ') || own.split('\\n')[0].trim() === label) {
    return e.control || e.querySelector('input, select, textarea')
  }
}
return [...open.querySelectorAll(`[aria-label="${CSS.escape(label)}"]`)][0] || null
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Browser:
    def __init__(self, address, width=1280, height=900, dark=False, language="en-US"):
        self.address = address
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={self.port}", "--log-level=SEVERE"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.session = None
        arguments = [*ARGUMENTS, f"--user-data-dir={self.folder.name}", f"--window-size={width},{height}", f"--lang={language}"]
        if dark:
            arguments.append("--force-dark-mode")
        options = {"args": arguments, "prefs": {"intl.accept_languages": language}}
        self.until(lambda: self.call("GET", "/status")["ready"], 20, "chromedriver")
        made = self.call(
            "POST",
            "/session",
            {
                "capabilities": {
                    "alwaysMatch": {
                        "browserName": "chrome",
                        "goog:chromeOptions": options,
                        "goog:loggingPrefs": {"browser": "ALL"},
                    }
                }
            },
        )
        self.session = made["sessionId"]

    def close(self):
        try:
            self.call("DELETE", f"/session/{self.session}")
        except Exception:  # it may be gone already
            pass
        self.driver.terminate()
        self.driver.wait()

    # --- the protocol ---

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:600]) from None

    def do(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def run(self, script, *arguments):
        return self.do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        return self.do("POST", "/execute/async", {"script": script, "args": list(arguments)})

    # --- what a person does ---

    def until(self, condition, seconds=PATIENCE, what="a condition"):
        deadline, trouble = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            try:
                found = condition()
                if found:
                    return found
            except (RuntimeError, OSError) as error:  # drawn anew meanwhile, or not there yet
                trouble = error
            time.sleep(0.1)
        shown = self.text()[:3000] if self.session else ""
        told = [e["message"] for e in self.do("POST", "/se/log", {"type": "browser"})] if self.session else []
        raise AssertionError(f"gave up on {what} ({trouble})\n--- the page:\n{shown}\n--- its console:\n" + "\n".join(told))

    def text(self):
        return self.run("return document.body ? document.body.innerText : ''")

    def go(self, where="#/"):
        self.do("POST", "/url", {"url": f"{self.address}/{where}"})

    def sees(self, *texts, seconds=PATIENCE):
        for text in texts:
            self.until(lambda text=text: text in self.text(), seconds, f"the text '{text}'")

    def sees_not(self, text, seconds=PATIENCE):
        self.until(lambda: text not in self.text(), seconds, f"no text '{text}'")

    def find(self, selector, name=None, whole=False, seconds=PATIENCE):
        return self.until(lambda: self.run(FIND, selector, name, whole), seconds, f"{selector} '{name}'")

    def is_there(self, selector, name=None, whole=False):
        return self.run(FIND, selector, name, whole) is not None

    def click(self, element):
        if element is None:
            raise RuntimeError("it is not there")
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        self.do("POST", f"/element/{element[ELEMENT]}/click", {})

    def press(self, name, selector="button, a, summary", whole=True, seconds=PATIENCE):
        """A button or link of this name."""
        self.until(lambda: self.click(self.run(FIND, selector, name, whole)) is None, seconds, f"to press '{name}'")

    def field(self, label, seconds=PATIENCE):
        return self.until(lambda: self.run(FIELD, label), seconds, f"the field '{label}'")

    def fill(self, label, value, clear=True):
        self.until(lambda: self.type(self.field(label), value, clear) is None, what=f"to fill '{label}'")

    def type(self, element, value, clear):
        if clear:
            self.do("POST", f"/element/{element[ELEMENT]}/clear", {})
        self.do("POST", f"/element/{element[ELEMENT]}/value", {"text": str(value)})

    def tick(self, label):
        self.until(lambda: self.click(self.field(label)) is None, what=f"to tick '{label}'")

    def choose(self, label, option):
        """An option that contains this text."""
        script = """const [select, text] = arguments
          const option = [...select.options].find((o) => o.text.includes(text))
          if (!option) return false
          select.value = option.value
          select.dispatchEvent(new Event('change', {bubbles: true}))
          return true"""
        self.until(lambda: self.run(script, self.field(label), option), PATIENCE, f"the option '{option}' of '{label}'")

    def keys(self, *keys):
        actions = []
        for key in keys:
            for one in [key] if key in KEYS else key:
                code = KEYS.get(one, one)
                actions += [{"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]
        self.do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def size(self, width, height):
        self.do("POST", "/window/rect", {"width": width, "height": height})

    def picture(self, name):
        """Keeps what is on the screen in $PICTURES, the whole page."""
        folder = os.environ.get("PICTURES")
        if not folder:
            return
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        height = self.run("return Math.ceil(Math.max(600, document.documentElement.scrollHeight))")
        width = self.run("return innerWidth")
        self.size(width, min(height, 4000) + 140)
        time.sleep(0.25)
        shot = self.do("GET", "/screenshot")
        self.size(width, 900)
        (pathlib.Path(folder) / f"{name}.png").write_bytes(base64.b64decode(shot))

    def shot(self, name, height):
        """Keeps what is seen in a window of this height, once it is drawn."""
        width = self.run("return outerWidth")
        self.size(width, height + self.run("return outerHeight - innerHeight"))
        time.sleep(1)
        folder = pathlib.Path(os.environ["PICTURES"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(base64.b64decode(self.do("GET", "/screenshot")))

    def complaints(self):
        """What the browser itself complains of: the policy, errors of scripts."""
        entries = self.do("POST", "/se/log", {"type": "browser"})
        return [e["message"] for e in entries if e["level"] == "SEVERE" and "Failed to load resource" not in e["message"]]

    # --- what all walks begin with ---

    def log_in(self, user="ann", password="se:cret"):
        self.fill("User name", user)
        self.fill("Password", password)
        self.press("Log in", "button")
        self.find("nav")


KEYS = {"TAB": "\ue004", "ENTER": "\ue007", "ESCAPE": "\ue00c", "SPACE": " ", "DOWN": "\ue015", "UP": "\ue013"}
