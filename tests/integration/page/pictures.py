"""A walk past each screen, in both themes and on a phone: what it looks like, and whether WCAG finds anything."""

import pathlib
import time

SCREENS = [("overview", "#/"), ("tasks", "#/tasks"), ("task", "#/tasks/nightly"), ("task-new", "#/tasks/new"), ("task-change", "#/tasks/nightly/edit"),
           ("firmware", "#/firmware"),
           ("firmware-new", "#/firmware/new"), ("products", "#/products"), ("devices", "#/devices"),
           ("device", "#/devices/lamp/lamp-2"), ("log", "#/log"), ("log-tasks", "#/log?kind=tasks")]

AXE = """const done = arguments[arguments.length - 1]
  axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations.map((v) =>
    `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`)))"""


def follows_the_system(b):
    """Whoever chose no theme has that of the system, also when it changes."""
    b.run("localStorage.removeItem('theme')")
    b.do("POST", "/refresh", {})
    b.find("nav")
    for theme in ("dark", "light"):
        b.do("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia",
                                           "params": {"features": [{"name": "prefers-color-scheme", "value": theme}]}})
        b.until(lambda t=theme: b.run("return getComputedStyle(document.documentElement).colorScheme") == t, what=f"the system's theme, {theme}")


def pictures(b, axe=None):
    """Each screen in both themes, and on a phone; with a path of axe.js each is held to WCAG."""
    b.go()
    b.picture("login")
    findings = check(b, axe, "login")
    b.log_in()
    for theme in ("light", "dark"):
        b.run("localStorage.setItem('theme', arguments[0])", theme)
        b.do("POST", "/refresh", {})
        b.find("nav")
        for name, where in SCREENS:
            b.go(where)
            b.find("main h1")
            b.until(lambda: not b.is_there(".loading"), what=f"all of {name}")
            b.picture(f"{name}-{theme}")
            findings += check(b, axe, f"{name} {theme}")
        b.go("#/products")
        b.press("Add a product", "main button")
        b.find("dialog")
        b.picture(f"dialog-{theme}")
        findings += check(b, axe, f"dialog {theme}")
        b.press("Cancel", "dialog button")
    follows_the_system(b)
    b.size(390, 844)
    for name, where in SCREENS:
        b.go(where)
        time.sleep(1)
        wide = b.run("return document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px wider than a phone"
        hidden = b.run("const n = document.querySelector('nav'); return n.scrollWidth - n.clientWidth")
        assert hidden <= 0, f"{name}: {hidden} px of the screens' names do not fit on a phone"
        b.picture(f"{name}-phone")
        findings += check(b, axe, f"{name} phone")
    assert not findings, "\n".join(findings)


def check(b, axe, name):
    if not axe:
        return []
    b.run(pathlib.Path(axe).read_text())
    return [f"{name}: {finding}" for finding in b.run_async(AXE)]
