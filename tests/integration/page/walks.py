"""What people do on the page, each walk a function. walks.py NAME ADDRESS [ARGUMENT...]; PICTURES is where pictures are kept.
Whatever the browser complains of (the policy, a script's error) fails the walk."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import torn as relay
from browser import Browser
from pictures import SCREENS, pictures  # noqa: F401, main calls it by its name

IMAGE = "/usr/share/sigrok-firmware/fx2lafw-saleae-logic.fw"
OTHER_IMAGE = "/usr/share/sigrok-firmware/fx2lafw-cypress-fx2.fw"
ROLLOUT = "fx2lafw-saleae-logic 2.0"


def players(product, count, *options):
    """Devices that play until this program ends."""
    script = pathlib.Path(__file__).with_name("players.py")
    return subprocess.Popen([sys.executable, script, product, str(count), *options], stdin=subprocess.PIPE)


def one_after_another(b):
    """Each form says what has to be there before, and leads to it."""
    b.go("#/tasks/new")
    b.sees("No firmware is ready.")
    b.press("Add firmware", "main a")
    b.sees("There is no product that may have firmware.")
    assert b.run("return document.querySelector('[name=productId]').required"), "firmware of no product"
    b.press("Products", "main a")
    b.sees("Toaster")


def first_product(b):
    b.press("Products", "nav a")
    b.press("Add a product", "main button")
    b.fill("Product id", "street")
    b.fill("Name", "Street lamp")
    b.picture("product-form")
    b.press("Add a product", "dialog button")
    b.sees("Product street is added", "Street lamp")


def first_firmware(b):
    b.press("Firmware", "nav a")
    b.press("Add firmware")
    b.fill("Image file", IMAGE, clear=False)
    b.sees("The server's digest is that of your file")
    b.sees("Devices that ask get it as soon as it is ready")
    assert b.run("return document.querySelector('[name=productId]').selectedOptions[0].text") == "Street lamp (street)", "the only product"
    assert "Toaster" not in b.run("return document.querySelector('[name=productId]').innerText"), "a product that has no firmware"
    b.fill("Version", "2.0")
    b.press("More settings", "summary")
    for i, (key, value) in enumerate([("build", "1.10"), ("slot", '"7"')], 1):
        b.press("Add a setting", "button")
        b.fill(f"Key {i}", key)
        b.fill(f"Value {i}", value)
    b.picture("firmware-form")
    b.press("Add firmware", "button")
    b.find("td .state-ready")
    b.picture("firmware")


def change_firmware(b):
    """What was not touched stays as it is, texts that look like numbers too."""
    b.press("Edit", "td a")
    b.fill("Description", "what was built")
    b.press("Save", "button")
    b.sees("Saved.", "what was built")
    move_firmware(b)


def move_firmware(b):
    """Another file is verified for itself; what is moved to another server is not hosted here any more; and back."""
    b.press("Edit", "td a")
    b.fill("Image file", OTHER_IMAGE, clear=False)
    b.sees("The server's digest is that of your file")
    b.press("Save", "button")
    b.sees(os.path.basename(OTHER_IMAGE))
    b.find("td .state-ready")
    b.press("Edit", "td a")
    b.press("On another server", "label", whole=False)
    address = b.run("return arguments[0].value", b.field("Address (URL)"))
    assert address == "", f"the address of the file here is offered as that of another server: {address}"
    b.fill("Address (URL)", "https://cdn.example.com/lamp.bin")
    b.press("Save", "button")
    b.sees("https://cdn.example.com/lamp.bin")
    b.find("td .state-ready")
    b.press("Edit", "td a")
    b.press("Upload it here", "label", whole=False)
    b.choose("Or a file that is there already", os.path.basename(OTHER_IMAGE))
    b.press("Save", "button")
    b.sees(os.path.basename(OTHER_IMAGE))
    b.find("td .state-ready")


def over_a_bad_line(b):
    """A file of the page does not come: the page tries again, and comes."""
    address, torn = relay.serve(b.address, "/filters.js")
    b.do("POST", "/url", {"url": address})
    b.field("User name")
    assert torn.is_set()
    b.complaints()


def short(b, bad):
    """From the login to a rollout that stops, and to its end: the whole way of a newcomer."""
    over_a_bad_line(b)
    b.go()
    b.log_in()
    b.sees("Nothing needs your attention")
    one_after_another(b)
    first_product(b)
    pathlib.Path(bad).write_text("60")
    playing = players("street", 60, "--bad", bad, "--pace", "0.1")
    first_firmware(b)
    change_firmware(b)
    b.press("New task", "td a")
    b.sees("What it will touch", "60")
    choose_nothing(b)
    b.press("Quick: 10 %, half, all", "label", whole=False)
    b.run("""document.querySelectorAll('[aria-label="Holds for"]').forEach((e) => {
      e.value = '0'; e.dispatchEvent(new Event('input', {bubbles: true})) })""")
    promised = defaults(b)
    fill_more(b)
    b.picture("task-form")
    b.press("Start for 60 devices", "button")
    b.sees("Paused:", "Why devices failed")
    time.sleep(1)  # those that were under way end
    b.picture("task-paused")
    in_the_readers_words(b)
    # why: a reason filters
    b.click(b.find(".reasons button"))
    b.find(".chip")
    reason = b.run("return document.querySelector('.chip').firstChild.data")
    b.until(lambda: len(rows(b)) > 0 and all(reason in row for row in rows(b)), what=f"rows of the reason '{reason}'")
    assert not b.run("return document.querySelector('td script, td b b, .reasons script')"), "what a device says became markup"
    b.press("Remove", ".chip button")
    change_stop(b, promised)
    pathlib.Path(bad).write_text("0")
    # going on alone is of no use: a stage cannot succeed without those that failed
    b.press("Resume", "main button")
    b.sees("No later stage begins by itself")
    b.press("Cancel", "dialog button")
    b.press("Retry", "main button", whole=False)
    b.press("Retry", "dialog button", whole=False)
    b.sees("wait for another try")
    b.press("Resume", "main button")
    b.press("Resume", "dialog button")
    b.until(lambda: b.is_there(".task-header .state-done"), 40, "the end of the rollout")
    estimates(b)
    b.sees("60 devices, 60 started, 60 proved, 0 bad")
    b.picture("task-ended")
    goes_on(b)
    b.press("Log", "nav a")
    b.sees("createTask", "resumeTask", "uploadFile")
    b.picture("log")
    comes_at_once(b)
    b.find("td a", ROLLOUT, True)
    b.press("Tasks", ".tabs button")
    b.press(ROLLOUT, "td a")
    b.press("street-001", "td a")
    b.find("td a", ROLLOUT, True)
    told_to_people(b)
    playing.kill()


def choose_nothing(b):
    """Whoever is still to say which devices is not told of all of them, and starts nothing."""
    for whom, first in [("With a tag", "Name a tag first."), ("By version or presence", "Choose a version or a presence first."),
                        ("Some devices", "Choose devices first")]:
        b.press(whom, "label", whole=False)
        b.sees(first)
        assert "60 devices" not in b.run("return document.querySelector('main form').innerText"), whom
        assert b.run("return [...document.querySelectorAll('.actions.end button')].every((e) => e.disabled)"), whom
    b.fill("Paste ids", "nobody")
    assert b.run("return arguments[0].disabled", b.find("button", "Start for 0 devices")), "a task for nobody"
    b.fill("Paste ids", "street-007")
    b.find("button", "Start for 1 device")
    b.press("All devices", "label", whole=False)


def estimates(b):
    """What the page makes of a task that is a minute old: its own pace; no promise for who is offline, or what a stage holds."""
    assert b.run_async("""const done = arguments[arguments.length - 1]
      Promise.all([import('/task_card.js'), import('/i18n.js')]).then(([card]) => {
        const task = {state: 'running', createdAt: Date.now() - 120000, stages: [], total: 100, canceled: 0, waiting: 60, processing: 0,
          failed: 0, bad: 0, retrying: 0, offline: 0, started: 40, proved: 40, perMinute: 4, nextAt: null}
        const stages = [{stage: 1, budget: 50, needed: 45}, {stage: 2, budget: 100, needed: 90}]
        done([task, {...task, offline: 60}, {...task, stage: 1, stages}, {...task, stage: 1, stages, started: 50, failed: 10, bad: 10}]
          .map((t) => card.outlook(t)))
      })""") == [
        ["20 a minute, about 3 min left"],
        ["60 waiting devices are offline."],
        ["50 devices wait for stage 2: 40 of 45 are proved.", "20 a minute, about 30 s left of this stage"],
        ["50 devices wait for stage 2: 40 of 45 are proved.",
         "No later stage begins by itself: 10 devices failed. Retry them, or begin the next stage."],
    ]


def fill_more(b):
    """What most people leave as it is; a number that is refused is seen, though its field is folded."""
    b.fill("Counts anew after (results)", 500)
    b.fill("Starts a minute", 60000)
    b.fill("Twice as fast after (devices)", 1000)
    b.press("Timeouts, retries and more", "summary")
    b.fill("May be put off for (hours)", 1.5)
    b.fill("Broken attempts in a row", 101)
    b.press("Timeouts, retries and more", "summary")
    b.press("Start for 60 devices", "button")
    b.until(lambda: b.run("return document.activeElement.name") == "attemptLimit", what="the field that is wrong, unfolded")
    b.fill("Broken attempts in a row", 7)


def defaults(b):
    """What an empty field of the form says that it stands for."""
    said = b.run("return Object.fromEntries([...document.querySelectorAll('main [placeholder]')].map((e) => [e.name, e.placeholder]))")
    assert len(said) == 7 and all(text.endswith(" by default") for text in said.values()), said
    return {name: text.split()[0].replace(",", "") for name, text in said.items()}


def change_stop(b, promised):
    """What a task goes by is changed while it is paused; what has begun is not offered."""
    b.press("Edit", ".task-header a")
    b.sees("Its firmware, mode and devices stay as they are")
    assert b.run("return document.querySelectorAll('.stage-table tbody tr')[0].querySelectorAll('input:disabled').length") == 4
    assert not b.run("return document.querySelectorAll('.stage-table tbody tr')[1].querySelector('input:disabled')")
    b.fill("Per cent failed", "90")
    shown = b.run("return Object.fromEntries([...document.querySelectorAll('main [name]')].map((e) => [e.name, e.value]))")
    assert [shown[n] for n in ("stopWindow", "rateDoubles", "deferHours", "attemptLimit")] == ["500", "1000", "1.5", "7"], shown
    kept = {name: value for name, value in promised.items() if name not in ("stopWindow", "attemptLimit")}
    assert {name: shown[name] for name in kept} == kept, "what the task has is not what its form said"
    b.fill("May be put off for (hours)", "")
    b.fill("Retries by itself", 2)
    b.choose("Tries again", "any failure")
    b.choose("A device is proved when", "its upgrade is done")
    b.picture("task-edit")
    b.press("Save", "button")
    b.sees("Saved.", "90 % failed of at least 5", "twice as many after each 1,000", "any failure, but no refusal")


def comes_at_once(b):
    """What a screen asks for once it knows more does not wait for the turn of the next second. The quickest of some counts: the
    machine may be busy."""
    hop = """const done = arguments[arguments.length - 1]
      const task = [...document.querySelectorAll('td a')].find((e) => e.hash.startsWith('#/tasks/'))
      const begun = performance.now()
      task.click()
      const wait = () => {
        if (!document.querySelector('.task-header') || document.querySelector('.loading')) return setTimeout(wait, 10)
        const took = performance.now() - begun
        history.back()
        setTimeout(() => done(took), 100)
      }
      setTimeout(wait)"""
    took = []
    for _ in range(5):
        b.find("td a", ROLLOUT, True)
        took.append(b.run_async(hop))
    assert min(took) < 900, took


def in_the_readers_words(b):
    """Why a task has paused is written by the plugin, in English; the page says it in the reader's language."""
    choose = """const s = document.querySelector('header select')
      s.value = arguments[0]; s.dispatchEvent(new Event('change'))"""
    b.run(choose, "zh")
    why = "return document.querySelector('.task-header .note').innerText"
    b.until(lambda: "失败" in b.run(why) and "failed" not in b.run(why), what="the reason in Chinese")
    b.run(choose, "en")
    b.until(lambda: "failed" in b.run(why), what="the reason in English")


def told_to_people(b):
    """What the catalog refuses is told without the SQL that mends it."""
    b.press("Products", "nav a")
    b.sees("Street lamp")
    b.press("Delete", "td button")
    b.press("Delete", "dialog button")
    b.sees("this product has firmware: delete its firmware first, or disable it")
    b.press("Cancel", "dialog button")


def goes_on(b):
    """A task for devices that come later has not ended, though nothing is under way: it can be paused and stopped."""
    assert not b.is_there(".task-header button", "Stop", True)
    b.press("Edit", ".task-header a")
    b.tick("Also for devices that come later")
    b.press("Save", "button")
    b.find(".task-header .state-running")
    b.press("Stop", ".task-header button")
    b.press("Stop", "dialog button")
    b.sees("The task is stopped.")


def rows(b):
    return b.run("return [...document.querySelectorAll('#devices tbody tr')].map((r) => r.innerText)")


def login(b):
    """A wrong password is told in the API's words; a viewer sees no button that writes."""
    b.go()
    b.fill("User name", "ann")
    b.fill("Password", "wrong")
    b.press("Log in", "button")
    b.sees("user name or password is wrong")
    b.picture("login-wrong")
    b.log_in("vic", "look")
    b.sees("may look")
    for where, text in [("#/", "Overview"), ("#/tasks", "Nightly"), ("#/tasks/nightly", "lamp-1"), ("#/firmware", "2.0"),
                        ("#/products", "lamp"), ("#/devices", "lamp-1"), ("#/devices/lamp/lamp-1", "lamp-1")]:
        b.go(where)
        b.sees(text)
        time.sleep(0.3)
        writes = b.run("""return [...document.querySelectorAll('main button, main a.button')].map((e) => e.innerText.trim())
          .filter((n) => /^(Add|New|Edit|Delete|Withdraw|Pause|Stop|Resume|Retry|Next stage|Remove)/.test(n))""")
        assert writes == [], f"a viewer is offered {writes} on {where}"
    b.press("Log out", "button")
    b.sees("You are logged out")


def gone(b, pid):
    """The broker is gone: the page says so, and how old it is; it goes on by itself when it is back."""
    b.go("#/tasks/nightly")
    b.log_in()
    b.sees("lamp-1")
    os.kill(int(pid), signal.SIGKILL)
    b.sees("The server does not answer.", "What you see is from", "lamp-1")
    b.picture("gone")
    print("gone", flush=True)
    sys.stdin.readline()
    b.sees("Your session has ended", seconds=20)
    b.log_in()
    b.sees("lamp-1")
    b.sees_not("does not answer")


def many(b):
    """100,000 rows: pages by key, filters, and the page stays quick."""
    b.go("#/tasks/nightly")
    b.log_in()
    b.sees("100,0", "lamp-000001")
    begun = time.monotonic()
    b.press("Next page", "button")
    b.sees("lamp-000051")
    b.press("Back", "button")
    b.sees("lamp-000001")
    b.fill("Id or name contains", "lamp-0999")
    b.sees("lamp-099900")
    b.choose("State", "failed")
    b.until(lambda: rows(b) and all("failed" in r for r in rows(b)), what="failed rows alone")
    print(f"four looks at 100,000 rows: {time.monotonic() - begun:.1f} s")
    b.go("#/")
    b.sees("devices online")
    b.picture("many")


def keyboard(b):
    """From the login to a new product and a paused task, without a mouse."""
    b.go()
    b.field("User name")
    tab_to(b, "username")
    b.keys("ann", "TAB", "se:cret", "ENTER")
    b.find("nav")
    tab_to(b, "Products")
    b.keys("ENTER")
    b.sees("Product id")
    tab_to(b, "Add a product")
    b.keys("ENTER")
    b.find("dialog")
    tab_to(b, "productId")
    b.keys("key", "ENTER")
    b.sees("Product key is added")
    tab_to(b, "Tasks")
    b.keys("ENTER")
    tab_to(b, "Nightly")
    b.keys("ENTER")
    b.sees("Stages")
    tab_to(b, "Pause")
    b.keys("ENTER")
    b.find("dialog")
    b.keys("ESCAPE")
    b.until(lambda: not b.is_there("dialog"), what="a dialog that Escape closes")
    tab_to(b, "Pause")
    b.keys("ENTER")
    b.find("dialog")
    tab_to(b, "reason")
    b.keys("lunch", "ENTER")
    b.sees("Paused:", "lunch")


def tab_to(b, name):
    """Presses Tab until the focus is on what has this name; it must be seen that it is there."""
    script = """const e = document.activeElement
      return [(e.innerText || '').trim(), e.name, e.getAttribute('aria-label'), getComputedStyle(e).outlineStyle]"""
    for _ in range(150):
        *names, outline = b.run(script)
        if name in names and outline != "none":
            return
        b.keys("TAB")
    raise AssertionError(f"the keyboard does not get to '{name}'")


def languages(b):
    """Chinese by the switch, kept; English again."""
    b.go()
    b.log_in()
    b.run("""const s = document.querySelector('select[aria-label="Language"]')
      s.value = 'zh'; s.dispatchEvent(new Event('change'))""")
    b.sees("概览", "升级任务", "进行中")
    b.sees("1 台等待升级的设备离线")
    b.go("#/tasks/nightly")
    b.sees("升级失败", "等待升级", "批量重试", "停止", "lamp-1")
    for name, where in SCREENS:
        b.go(where)
        b.find("main h1")
        b.until(lambda: not b.is_there(".loading"), what=f"all of {name}")
        b.picture(f"{name}-zh")
    b.go("#/firmware/new")
    b.sees("新增固件", "固件文件")
    b.do("POST", "/refresh", {})
    b.sees("新增固件")
    assert b.run("return document.documentElement.lang") == "zh-CN"
    b.run("localStorage.setItem('language', 'en')")
    b.do("POST", "/refresh", {})
    b.sees("Add firmware")


def album(b, bad):
    """The pictures of the documents: a staged rollout over 200 devices is made, and stops. plugin/doc/images has them, made small."""
    b.size(1180, 900)
    b.go()
    b.log_in()
    first_product(b)
    pathlib.Path(bad).write_text("20")
    playing = players("street", 200, "--bad", bad, "--pace", "1")
    first_firmware(b)
    b.press("New task", "td a")
    b.fill("Name", "Spring rollout")
    b.press("Quick: 10 %, half, all", "label", whole=False)
    b.sees("10 % · 20 devices")
    b.run("""document.querySelectorAll('[aria-label="Holds for"]').forEach((e) => {
      e.value = '0.1'; e.dispatchEvent(new Event('input', {bubbles: true})) })""")
    b.fill("Per cent failed", "12")
    b.fill("Starts a minute", "240")
    b.run("document.querySelector('fieldset.choices:has([name=plan])').scrollIntoView()")
    b.sees_not("Firmware 2.0 is added")
    b.shot("new-task", 896)
    b.press("Start for 200 devices", "button")
    b.sees("Paused:", "Why devices failed")
    time.sleep(10)  # those that were under way end
    b.shot("task", 756)
    playing.kill()


def main():
    name, address, *arguments = sys.argv[1:]
    b = Browser(address)
    try:
        globals()[name](b, *arguments)
        complaints = b.complaints()
        assert not complaints, "\n".join(complaints)
    except AssertionError:
        b.picture(f"failed-{name}")
        raise
    finally:
        b.close()


if __name__ == "__main__":
    main()
