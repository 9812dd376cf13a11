"""The console in a real Chromium, with a real node whose line is failing: every page, both languages and themes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from edge.control.reasons import parts
from tests.support.browsers import FEW_SECONDS, SHOTS, chromium, serious, shoot
from tests.support.stage import Stage, stage

PAGES = ("lines", "paths", "requests", "events", "node", "whatif")


@pytest.fixture(scope="module")
def failing() -> Iterator[Stage]:
    """A node with traffic; its line cu2 has just died."""
    with stage() as running:
        running.until(lambda lines: all(line["rtt"] for line in lines.values()))
        running.break_line("cu2")
        running.until(lambda lines: lines["cu2"]["standing"] == "ejected")
        yield running
        assert running.edge.err.read_text().partition("Traceback")[2][-3000:] == ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def page(browser: Browser, failing: Stage) -> Iterator[Page]:
    with_window = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB", reduced_motion="reduce")
    page = with_window.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    yield page
    with_window.close()
    assert [text for text in said if "404 (Not Found)" not in text] == []


def opened(page: Page, failing: Stage, name: str = "lines") -> Page:
    url = f"{failing.edge.admin_url}/#{name}"
    if page.url.partition("#")[0] == url.partition("#")[0]:
        page.goto("about:blank")  # another fragment alone would load nothing
    page.goto(url)
    expect(page.locator("#verdict p").first).to_be_visible(timeout=FEW_SECONDS)
    return page


SETTLED = {
    "lines": ".card .uplot canvas",
    "paths": "table.matrix td b",
    "requests": "table.requests tbody tr",
    "events": "ol.events li time",
    "node": "section.panel table",
    "whatif": "form table",
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_what_is_wrong_and_hinders_nobody(page: Page, failing: Stage, name: str) -> None:
    """Light and in English, then, by the buttons in the corner, dark and in Chinese."""
    page.add_init_script("if (location.port) localStorage['farline.theme'] = 'light'")
    opened(page, failing, name)
    look_at(page, name, "en-light")
    page.get_by_role("button", name="中文").click()
    page.get_by_role("button", name="深色").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    look_at(page, name, "zh-dark")
    assert page.evaluate(ENGLISH) == []


def look_at(page: Page, name: str, look: str) -> None:
    expect(page.locator("#verdict")).to_contain_text("cu2")
    expect(page.locator(SETTLED[name]).first).to_be_visible(timeout=FEW_SECONDS)
    if name == "requests":
        page.locator("table.requests button").first.click()
        expect(page.locator(".waterfall .part").first).to_be_attached()
    if name == "whatif":
        page.locator("button.main").click()
        expect(page.locator("table").nth(1)).to_be_visible()
    shoot(page, f"{name}-{look}")
    assert serious(page) == []
    assert not re.search(r"\b(verdict|figure|page|state|term|reason|why|limits)\.\w+", page.inner_text("body")), (
        "no word"
    )


ENGLISH = r"""() => {
  const sentence = /(?:[A-Za-z][A-Za-z'’]*[ ,]+){3,}[A-Za-z][A-Za-z'’]*/;
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) texts.push([walker.currentNode.parentElement, walker.currentNode.textContent]);
  for (const each of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    for (const name of ["aria-label", "title", "placeholder"]) texts.push([each, each.getAttribute(name) ?? ""]);
  }
  return texts.filter(([where, text]) => !where.closest("[lang=en]") && sentence.test(text.replaceAll(/\s+/g, " ")))
    .map(([, text]) => text.slice(0, 200));
}"""
"""Four English words in a row, in a text that isn't marked as a quotation of one."""

REASONS = (
    "silent: no answer to 19 questions in 3427 ms",
    "3 of 5 replies 5xx",
    "6 probes lost while the line works",
    "fails over all lines, and they work elsewhere",
    "round trip 812 ms",
    "silent on the way to relay sjc",
)


def test_reasons_that_are_rare_are_said_in_the_reader_s_language(page: Page, failing: Stage) -> None:
    """The same document with other reasons, as the node would send it."""

    def told(route: Route) -> None:
        reply = route.fetch()
        document = reply.json()
        for number, each in enumerate(next(iter(value for value in document.values() if isinstance(value, list)))):
            each["reason"] = REASONS[number % len(REASONS)]
            each["reason_parts"] = parts(each["reason"])
            each["standing"] = "ejected"
        route.fulfill(response=reply, json=document)

    for name in ("lines", "paths", "endpoints"):
        page.route(re.compile(rf"/api/v1/{name}$"), told)
    page.add_init_script("if (location.port) localStorage['farline.language'] = 'zh'")
    for name in ("lines", "paths"):
        opened(page, failing, name)
        expect(page.locator("main")).to_contain_text("次询问无应答", timeout=FEW_SECONDS)
        shoot(page, f"{name}-zh-reasons")
        assert page.evaluate(ENGLISH) == []


def test_credentials_show_what_is_left(page: Page, failing: Stage) -> None:
    limit = {"kind": "requests", "remaining": 12.0, "limit": 500.0, "full_in_seconds": 58.5}
    credential = {
        "credential": "env:OPENAI_API_KEY",
        "provider": "openai",
        "endpoint": "openai",
        "model": "gpt-4.1",
        "seen": "2026-11-22T08:00:00Z",
        "limits": [limit, {**limit, "kind": "tokens", "remaining": 30000.0, "limit": None, "full_in_seconds": None}],
        "paused_for_seconds": 3.2,
    }
    bare = {**credential, "endpoint": "azure", "model": None, "seen": None, "limits": [], "paused_for_seconds": None}
    page.route(
        re.compile("/api/v1/credentials$"), lambda route: route.fulfill(json={"credentials": [credential, bare]})
    )
    opened(page, failing, "paths")
    table = page.get_by_role("region", name="Credentials: what providers leave")
    expect(table.get_by_role("row")).to_have_count(4, timeout=FEW_SECONDS)
    expect(table).to_contain_text("2.4 %")
    expect(table).to_contain_text("58 s")
    expect(table).to_contain_text("never")
    assert serious(page) == []
    shoot(page, "paths-credentials")


def test_a_week_and_a_day_have_charts(page: Page, failing: Stage) -> None:
    opened(page, failing)
    for span in ("3h", "1d", "7d"):
        with page.expect_response(lambda reply, span=span: f"span={span}&series" in reply.url) as told:
            page.locator(f"[data-span='{span}']").click()
        series = told.value.json()["series"]
        assert {"cn2", "cu2", "cmi"} <= series.keys()
        assert any(loss and loss > 0.2 for loss in series["cu2"]["loss"])
        label = page.locator(".card .uplot").first
        expect(label).to_have_attribute("aria-label", re.compile("median"), timeout=FEW_SECONDS)
        page.wait_for_timeout(300)
        shoot(page, f"lines-{span}")


def test_a_weight_is_previewed_then_applied(page: Page, failing: Stage) -> None:
    failing.api("controls", "DELETE")
    opened(page, failing)
    weight = page.get_by_role("spinbutton", name="Weight of cmi")
    weight.fill("90")
    weight.press("Tab")
    bar = page.get_by_role("region", name="Shares with other weights").first
    expect(bar).to_be_visible()
    expect(bar).to_contain_text("Nothing has changed yet")
    shoot(page, "lines-preview")
    assert failing.lines()["cmi"]["weight"]["effective"] == 60
    page.get_by_role("button", name="Apply weights").click()
    expect(page.locator(".toast")).to_contain_text("Done")
    assert failing.lines()["cmi"]["weight"]["effective"] == 90
    failing.api("controls", "DELETE")


def test_a_line_is_drained_and_used_again_by_keyboard_alone(page: Page, failing: Stage) -> None:
    opened(page, failing)
    card = page.get_by_role("region", name="Line cmi")
    card.get_by_role("button", name="Drain").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Drain cmi?")).to_be_visible()
    assert serious(page) == []
    shoot(page, "lines-drain")
    page.keyboard.press("Escape")
    assert failing.lines()["cmi"]["switch"] == "on"
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Drain cmi?")
    dialog.get_by_role("button", name="Drain").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_contain_text("cmi is draining by hand", timeout=FEW_SECONDS)
    card.get_by_role("button", name="Use again").click()
    expect(page.locator("#verdict")).not_to_contain_text("cmi is draining", timeout=FEW_SECONDS)
    assert failing.lines()["cmi"]["switch"] == "on"


def test_a_pin_and_a_maintenance_window(page: Page, failing: Stage) -> None:
    opened(page, failing)
    card = page.get_by_role("region", name="Line cn2")
    card.get_by_role("button", name="Pin", exact=True).click()
    page.get_by_role("dialog").get_by_label("Which requests").fill("model:o4")
    page.get_by_role("dialog").get_by_role("button", name="Pin").click()
    expect(card).to_contain_text("model:o4 is pinned to it")
    card.get_by_role("button", name="Unpin").click()
    expect(card).not_to_contain_text("model:o4")
    card.get_by_role("button", name="Maintenance").click()
    page.get_by_role("dialog").get_by_label("Begins").fill("2031-01-01T02:00")
    page.get_by_role("dialog").get_by_label("Note").fill("carrier ticket 4711")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    expect(card).to_contain_text("carrier ticket 4711")
    failing.api("controls", "DELETE")


def test_events_come_by_themselves(page: Page, failing: Stage) -> None:
    opened(page, failing, "events")
    expect(page.locator("ol.events li").first).to_be_visible()
    failing.api("lines/cmi", "PATCH", {"weight": 33})
    expect(page.locator("ol.events")).to_contain_text("weight as configured → 33", timeout=5000)
    failing.api("controls", "DELETE")


def test_how_soon_a_page_is_ready(page: Page, failing: Stage) -> None:
    """Reported, not judged: the machine may be busy."""
    told = {}
    for name in PAGES:
        page.goto("about:blank")
        began = time.perf_counter()
        opened(page, failing, name)
        told[name] = round(time.perf_counter() - began, 2)
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / "ready-seconds.json").write_text(json.dumps(told))
