"""An operator's tasks on a node whose line is failing, done in the console, by the API alone, and by commands alone.

    python -m tests.bench.operator_tasks            a Markdown table: steps and seconds of each way

Find the worst line; preview and apply weights; drain; explain one slow request; silence an alert. The ways must come to
the same, and each change must be in the audit log under the key of the way it was made. The console is real Chromium,
keyboard where hands would use it; a step is a page opened, a click, a key or a field filled in. Commands are processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from playwright.sync_api import Page, expect, sync_playwright

from tests.support.stage import CHAT, Stage, stage

WAYS = ("console", "api", "cli")
TASKS = ("worst line", "weights", "drain", "slow request", "silence")
WANTED = {"cn2": 40.0, "cmi": 120.0}
SLOW_MODEL, SLOW_MS = "o4-mini", 1500
NOTE = "carrier ticket 4711"
ADMIN = "fla-boss"
_PATIENCE = 20_000  # milliseconds, as the browser's driver counts
EXTRA = '[routing]\npolicy = "weighted"\n[[alert.rule]]\nid = "line-down"\nfor_seconds = 1\n'
CHANGES = {"weights": ("set line", "set line"), "drain": ("drain line",), "silence": ("silence",)}

Outcome = dict[str, Any]


def keys() -> str:
    """A key for each way, so that the audit log tells who did what; and one that reads it."""
    roles = {**{f"fla-{way}": (way, "operator") for way in WAYS}, ADMIN: ("boss", "admin")}
    return "".join(
        f'[[admin_key]]\nid = "{id}"\nrole = "{role}"\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\n'
        for key, (id, role) in roles.items()
    )


class Way(Protocol):
    """Each task gives what it found or what it was told, in the same form; `steps` counts."""

    steps: int

    def worst(self) -> Outcome: ...
    def weights(self) -> Outcome: ...
    def drain(self) -> Outcome: ...
    def slow(self) -> Outcome: ...
    def silence(self) -> Outcome: ...


class Console:
    """A person with a keyboard and a mouse, already signed in."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url
        self.steps = 0
        page.goto(url)
        page.get_by_label("Admin key").fill("fla-console")
        page.keyboard.press("Enter")
        expect(page.locator("#verdict p").first).to_be_visible(timeout=_PATIENCE)

    def worst(self) -> Outcome:
        self._open("Lines")
        first = self._page.locator("#verdict p").first
        expect(first).to_contain_text(" is ")
        line, _, rest = first.inner_text().partition(" is ")
        return {"line": line, "is_out": rest.startswith(("EJECTED", "on probation", "silent"))}

    def weights(self) -> Outcome:
        self._open("Lines")
        for line, weight in WANTED.items():
            self._fill(self._page.get_by_role("spinbutton", name=f"Weight of {line}"), f"{weight:g}")
            self._press("Tab")
        bar = self._page.get_by_role("region", name="Shares with other weights").first
        expect(bar.locator("tbody tr")).to_have_count(3, timeout=_PATIENCE)
        self._page.wait_for_timeout(400)  # the preview of both
        rows = [row.inner_text().split("\t") for row in bar.locator("tbody tr").all()]
        then = {cells[0]: _ratio(cells[2]) for cells in rows}
        self._by_key(self._page.get_by_role("button", name="Apply weights"))
        expect(self._page.locator(".toast")).to_contain_text("Done")
        expect(bar).to_be_hidden()
        return then

    def drain(self) -> Outcome:
        self._open("Lines")
        self._by_key(self._page.get_by_role("region", name="Line cmi").get_by_role("button", name="Drain"))
        dialog = self._page.get_by_role("dialog", name="Drain cmi?")
        expect(dialog.get_by_role("button", name="Drain")).to_be_visible(timeout=_PATIENCE)
        self._by_key(dialog.get_by_role("button", name="Drain"))
        expect(self._page.locator("#verdict")).to_contain_text("cmi is draining", timeout=_PATIENCE)
        return {"state": "draining"}

    def slow(self) -> Outcome:
        self._open("Requests")
        self._fill(self._page.get_by_label("Model"), SLOW_MODEL)
        self._fill(self._page.get_by_label("Slower than, ms"), "1000")
        self._press("Tab")
        rows = self._page.locator("table.requests tbody tr")
        expect(rows).to_have_count(1, timeout=_PATIENCE)
        self._by_key(rows.first.locator("button"))
        one = self._page.get_by_role("region", name="One request")
        expect(one.locator(".waterfall .part").first).to_be_attached(timeout=_PATIENCE)
        steps = list(zip(*[iter(one.locator(".waterfall > span").all_inner_texts())] * 3, strict=True))
        name, _, took = max(steps, key=lambda step: _number(step[2]))
        facts = one.locator("dl.figures div", has_text="Id").first.locator("dd").inner_text()
        is_why = "was chosen by policy" in one.inner_text()
        return {"request": facts, "is_waiting": "first byte" in name.lower(), "ms": _number(took), "why": is_why}

    def silence(self) -> Outcome:
        self._open("Node")
        self._by_key(self._page.get_by_role("button", name="Silence line-down of cu2"))
        dialog = self._page.get_by_role("dialog", name="Silence line-down (cu2)?")
        self._fill(dialog.get_by_label("Note"), NOTE)
        self._press("Enter")
        row = self._page.get_by_role("region", name="Silenced").locator("tbody tr")
        expect(row).to_contain_text(NOTE, timeout=_PATIENCE)
        return {"silenced": row.locator("th").inner_text(), "subject": row.locator("td").first.inner_text()}

    def _open(self, name: str) -> None:
        self._step(self._page.get_by_role("link", name=name, exact=True).click)

    def _press(self, key: str) -> None:
        self._step(lambda: self._page.keyboard.press(key))

    def _fill(self, field: Any, text: str) -> None:
        self._step(lambda: field.fill(text))

    def _by_key(self, button: Any) -> None:
        """Goes to it, and presses Enter."""
        expect(button).to_be_visible(timeout=_PATIENCE)
        self._step(button.focus)
        self._press("Enter")

    def _step(self, does: Callable[[], object]) -> None:
        self.steps += 1
        does()


class Api:
    """HTTP and nothing else."""

    def __init__(self, running: Stage) -> None:
        self._running = running
        self.steps = 0

    def _ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        self.steps += 1
        return self._running.api(path, method, body, token="fla-api")

    def worst(self) -> Outcome:
        lines = self._ask("lines")["lines"]
        worst = min(lines, key=lambda line: ("ejected", "probation", "admitted").index(line["standing"]))
        return {"line": worst["id"], "is_out": worst["standing"] != "admitted" or worst["suspected"]}

    def weights(self) -> Outcome:
        changes = {line: {"weight": weight} for line, weight in WANTED.items()}
        then: Outcome = self._ask("preview", "POST", {"lines": changes})["then"]
        for line, change in changes.items():
            self._ask(f"lines/{line}", "PATCH", change)
        return then

    def drain(self) -> Outcome:
        return {"state": self._ask("lines/cmi/drain", "POST", {})["line"]["in_effect"]}

    def slow(self) -> Outcome:
        found = self._ask(f"requests?model={SLOW_MODEL}&slower_than_ms=1000")["requests"]
        told = self._ask(f"requests/{found[0]['request']}")
        times = told["times_ms"]
        stages = {
            "edge": times["routed"],
            "sending": times["sent"] - times["routed"],
            "waiting": times["first_byte"] - times["sent"],
            "reply": times["ended"] - times["first_byte"],
        }
        name = max(stages, key=lambda each: stages[each])
        why = "was chosen by policy" in told["why"]
        return {"request": told["request"], "is_waiting": name == "waiting", "ms": stages[name], "why": why}

    def silence(self) -> Outcome:
        alert = next(each for each in self._ask("alerts")["alerts"] if each["rule"] == "line-down")
        wanted = {"rule": alert["rule"], "subject": alert["subject"], "minutes": 120, "note": NOTE}
        self._ask("silences", "POST", wanted)
        told = self._ask("alerts")["silences"][0]
        return {"silenced": told["rule"], "subject": told["subject"]}


class Cli:
    """`farline`, as text for people wherever that says enough."""

    def __init__(self, url: str) -> None:
        self._environment = {**os.environ, "FARLINE_ADMIN": url, "FARLINE_TOKEN": "fla-cli"}
        self.steps = 0

    def _type(self, *words: str) -> str:
        self.steps += 1
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"farline {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def worst(self) -> Outcome:
        said = self._type("top", "--once", "--width", "160").splitlines()[1]
        line, _, rest = said.partition(" is ")
        return {"line": line, "is_out": rest.startswith(("EJECTED", "on probation", "silent"))}

    def weights(self) -> Outcome:
        words = [f"{line}={weight:g}" for line, weight in WANTED.items()]
        rows = [row.split() for row in self._type("lines", "weights", *words, "--preview").splitlines()[1:]]
        self._type("lines", "weights", *words)
        return {line: _ratio(then) for line, _, then in rows}

    def drain(self) -> Outcome:
        return {"state": self._type("lines", "drain", "cmi").partition(": ")[2].partition(",")[0]}

    def slow(self) -> Outcome:
        words = ("--model", SLOW_MODEL, "--slower-than", "1s", "--slowest")
        id = self._type("requests", *words).splitlines()[1].split()[1]
        said = self._type("requests", "show", id)
        longest = next(line for line in said.splitlines() if line.startswith("Longest: "))
        why = "was chosen by policy" in said
        took = _number(longest.rpartition(", ")[2].partition(" of ")[0])
        return {"request": id, "is_waiting": "waiting for the first byte" in longest, "ms": took, "why": why}

    def silence(self) -> Outcome:
        row = next(line for line in self._type("alerts").splitlines() if line.startswith("line-down")).split()
        self._type("alerts", "silence", row[0], "--subject", row[1], "--for", "2h", "--note", NOTE)
        said = self._type("alerts").splitlines()
        rule, subject = said[next(at for at, line in enumerate(said) if line.startswith("silenced")) + 1].split()[:2]
        return {"silenced": rule, "subject": subject}


@dataclass
class Done:
    """One task, one way. `after`: what the node says of itself then; `audit`: what the log has of it, oldest first."""

    task: str
    way: str
    steps: int
    seconds: float
    outcome: Outcome
    after: Outcome = field(default_factory=dict)
    audit: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def troubled() -> Iterator[Stage]:
    """A node with traffic and keys; its line cu2 is dead, an alert says so, and one request was slow."""
    with stage(EXTRA + keys()) as running:
        running.token = ADMIN
        running.until(lambda lines: all(line["rtt"] for line in lines.values()))
        ask_slowly(running)
        running.break_line("cu2")
        running.until(lambda lines: lines["cu2"]["standing"] == "ejected")
        end = time.monotonic() + 60
        while not any(each["rule"] == "line-down" for each in running.api("alerts")["alerts"]):
            assert time.monotonic() < end, running.api("alerts")
            time.sleep(0.5)
        yield running


def ask_slowly(running: Stage) -> None:
    """A request whose provider thinks for long."""
    headers = {"content-type": "application/json", "x-sim": f"think_ms={SLOW_MS}"}
    body = json.dumps({**CHAT, "model": SLOW_MODEL, "max_tokens": 8}).encode()
    asked = urllib.request.Request(f"{running.edge.url}/openai/v1/chat/completions", body, headers)
    with urllib.request.urlopen(asked, timeout=30) as reply:
        reply.read()


def perform(running: Stage) -> list[Done]:
    """Every task in every way; in between everything is as configured again."""
    path = os.environ.get("FARLINE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
        url = running.edge.admin_url
        ways: dict[str, Way] = {"console": Console(page, url), "api": Api(running), "cli": Cli(url)}
        done = [_one(running, task, name, way) for task in TASKS for name, way in ways.items()]
        browser.close()
    return done


def _one(running: Stage, task: str, name: str, way: Way) -> Done:
    does = (way.worst, way.weights, way.drain, way.slow, way.silence)[TASKS.index(task)]
    before, steps = running.api("audit?limit=1")["entries"], way.steps
    began = time.perf_counter()
    outcome = does()
    done = Done(task, name, way.steps - steps, time.perf_counter() - began, outcome)
    last = before[0]["at"] if before else ""
    newer = [each for each in running.api("audit")["entries"] if each["at"] > last and each["who"] == name]
    done.audit = [(each["action"], each["target"]) for each in reversed(newer)]
    lines, alerts = running.lines(), running.api("alerts")
    done.after = {
        "weights": {id: line["weight"]["effective"] for id, line in lines.items()},
        "switches": {id: line["in_effect"] for id, line in lines.items()},
        "silences": [(each["rule"], each["subject"], each["note"]) for each in alerts["silences"]],
    }
    running.api("controls", "DELETE")
    return done


def disagreements(done: list[Done]) -> list[str]:
    """Where ways differ in what they found or did, or the audit log lacks a change; shares within 5 points: time goes
    on between the ways."""
    found = []
    for task in TASKS:
        first, *others = [each for each in done if each.task == task]
        for other in others:
            for what, one, two in (("found", first.outcome, other.outcome), ("left", first.after, other.after)):
                if not _alike(one, two):
                    found.append(f"{task}: {first.way} {what} {one}, {other.way} {two}")
        for each in (first, *others):
            actions = tuple(action for action, _ in each.audit)
            if actions != CHANGES.get(task, ()):
                found.append(f"{task} by {each.way}: the audit log has {each.audit}")
    return found


def _alike(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_alike(one[name], two[name]) for name in one)
    if isinstance(one, float) and isinstance(two, float):
        return abs(one - two) <= max(0.05, 0.1 * max(abs(one), abs(two)))
    return bool(one == two)


def _ratio(text: str) -> float:
    return _number(text.rstrip("%\u202f ")) / 100


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("ms", "").strip())


def table(done: list[Done]) -> str:
    rows = ["| task | console: steps, seconds | API: requests, seconds | CLI: commands, seconds |", "|---|---|---|---|"]
    for task in TASKS:
        cells = [f"{each.steps}, {each.seconds:.1f}" for each in done if each.task == task]
        rows.append(f"| {task} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> int:
    with troubled() as running:
        done = perform(running)
    print(table(done))
    for each in disagreements(done):
        print(f"NOT THE SAME: {each}")
    return 1 if disagreements(done) else 0


if __name__ == "__main__":
    sys.exit(main())
