"""What goes through a real relay, in the figures of its lines: API, command line, metrics, history, logs, console."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.test_relays import THROUGH, World, stream
from tests.support.nodes import Edge, Provider, fetch_json
from tests.support.relays import Relay, edge_config, node_keys, relayed
from tests.support.servers import free_ports
from tests.support.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
FEW_SECONDS = 20_000  # milliseconds, as the browser's driver counts


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with relayed() as made:
        yield made
        assert "Traceback" not in made[2].err.read_text() + made[1].err.read_text()


def told(edge: Edge, path: str) -> Any:
    return fetch_json(f"{edge.admin_url}/api/v1/{path}")


def typed(edge: Edge, *words: str) -> str:
    """What `farline WORDS` prints."""
    asked = [sys.executable, "-m", "edge.cli", *words, "--admin", edge.admin_url]
    return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30).stdout


async def carried(edge: Edge) -> dict[str, Any]:
    """Twelve requests through the relay and one that isn't; the lines when they have counted all."""
    assert {path for path, _ in await asyncio.gather(*(stream(edge) for _ in range(12)))} == {THROUGH}
    await stream(edge, **{"x-farline-line": "cu2"})
    await until(
        lambda: sum(each["session"]["down"]["first"] for each in told(edge, "lines")["lines"]) > 500, 20, every=0.3
    )
    await until(
        lambda: told(edge, "history/relays?span=10m")["sums"].get("sjc", {}).get("requests") == 12, 20, every=0.3
    )
    return {each["id"]: each for each in told(edge, "lines")["lines"]}


async def test_requests_and_bytes_count_for_lines(world: World) -> None:
    _, _, edge, _ = world
    lines = await carried(edge)
    assert sum(line["requests_60s"] for line in lines.values()) == 13
    assert sum(line["share_60s"] for line in lines.values()) == pytest.approx(1.0, abs=0.001)
    assert all(sum(line["session"]["up"].values()) > 1000 for line in lines.values())
    assert sum(line["up_bps"] for line in lines.values()) > 0

    asked = await asyncio.to_thread(typed, edge, "lines", "--json")
    listed = {each["id"]: each for each in json.loads(asked)["lines"]}
    assert sum(line["requests_60s"] for line in listed.values()) == 13
    assert "relays' sessions" in await asyncio.to_thread(typed, edge, "lines")
    assert "13 requests in the last minute" in await asyncio.to_thread(typed, edge, "top", "--once")

    previewed = await asyncio.to_thread(typed, edge, "lines", "set", "cn2", "weight=50", "--preview")
    assert "Through relays: sjc 100.0%, then 100.0%" in previewed

    for line in lines:
        assert edge.metric("farline_line_bytes_total", line=line, direction="down", via="session") > 1000
        assert edge.metric("farline_line_session_bytes_total", line=line, direction="up", cause="heartbeat") > 0
    async with httpx2.AsyncClient(base_url=edge.admin_url) as admin:
        shares = (await admin.post("/api/v1/preview", json={"lines": {"cn2": {"switch": "draining"}}})).json()
    assert sum(shares["now"].values()) == pytest.approx(1.0)
    assert (shares["then"], shares["relays"]["then"]) == ({"cn2": 0.0, "cu2": 1.0}, {"sjc": 1.0})


async def test_relays_have_a_history(world: World) -> None:
    _, _, edge, _ = world
    sums = told(edge, "history/relays?span=10m")["sums"]["sjc"]
    assert (sums["requests"], sums["failures"], sums["unavailable_ratio"] < 1.0) == (12, 0, True)
    assert sums["redundancy"] > 1.0 and sums["rtt_p50_ms"] > 0 and sums["late_p99_ms"] is not None
    lines = told(edge, "history/lines?span=10m")["sums"]
    assert lines.keys() == {"cn2", "cu2"}
    assert sum(line["requests"] for line in lines.values()) == 13
    assert sum(line["up_bytes"] for line in lines.values()) >= sums["up_bytes"] > 0
    await asyncio.to_thread(typed, edge, "report", "--out", str(edge.file.parent))
    report = (edge.file.parent / "report.md").read_text()
    assert re.search(r"## Relays\n.*\| sjc \|", report, re.DOTALL)


async def test_one_id_in_both_logs_and_in_the_api(world: World) -> None:
    _, relay, edge, _ = world
    await stream(edge)
    request = edge.requests()[-1]
    execution = request["attempts"][0]["execution"]
    assert re.fullmatch("[0-9a-f]{32}", execution)
    await until(lambda: f'"execution":"{execution}"' in relay.out.read_text(), 10)
    assert told(edge, f"requests/{request['request']}")["attempts"][0]["execution"] == execution
    await stream(edge, **{"x-farline-line": "cu2"})
    assert "execution" not in edge.requests()[-1]["attempts"][0]


def test_the_console_shows_relays_with_charts(world: World) -> None:
    _, _, edge, _ = world
    path = os.environ.get("FARLINE_CHROMIUM") or shutil.which("chromium")
    assert path, "no Chromium: run tests/support/install-browser.sh"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(locale="en-GB")
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{edge.admin_url}/#paths")
        card = page.locator("[data-relay='sjc']")
        expect(card).to_contain_text("Redundancy", timeout=FEW_SECONDS)
        expect(card.locator(".uplot")).to_have_attribute("aria-label", re.compile("sjc: median"), timeout=FEW_SECONDS)
        page.goto(f"{edge.admin_url}/#lines")
        expect(page.locator(".card").first).to_contain_text("relays' sessions", timeout=FEW_SECONDS)
        browser.close()
    assert said == []


async def test_what_if_asks_all_workers() -> None:
    with node_keys() as made, Provider() as provider, Relay(made, provider.url) as relay:
        data, admin = free_ports(2)
        text = edge_config(made, provider.url, relay.port).replace('"127.0.0.1:0"', f'"127.0.0.1:{data}"', 1)
        with Edge(text.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{admin}"\nworkers = 2')) as edge:
            await until(lambda: edge.err.read_text().count("not ready → ready") == 2, 20)
            await asyncio.gather(*(stream(edge) for _ in range(30)))
            await until(lambda: len(told(edge, "requests?limit=100")["requests"]) == 30, 20, every=0.3)
            assert {each["worker"] for each in told(edge, "requests?limit=100")["requests"]} == {0, 1}
            async with httpx2.AsyncClient(base_url=edge.admin_url) as client:
                question = {"lines": {"cn2": {"switch": "draining"}, "cu2": {"weight": 10}}}
                replayed = (await client.post("/api/v1/what-if", json=question)).json()
            assert (replayed["actual"]["requests"], replayed["workers"]) == (30, [0, 1])
            assert replayed["actual"]["shares"] == {"relay:sjc": 1.0}
            lines = told(edge, "lines")["lines"]
            assert sum(line["requests_60s"] for line in lines) == 30
