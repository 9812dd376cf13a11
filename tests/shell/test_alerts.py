"""Alerts from measure to sink: a real webhook, the notification library, the node's routes, Prometheus' own checker."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from time import time
from typing import Any

import pytest
import yaml
from aiohttp import web

from edge.alerts.aio.sender import Sender
from edge.alerts.aio.watch import AlertWatch
from edge.alerts.figures import Figures, LineFigures
from edge.config.fault import ConfigError
from edge.config.model import Alert, Secret
from edge.config.watch import load
from edge.observe.health import HealthMetrics
from edge.observe.metrics import Metrics
from edge.routing.controls import Silence
from health.alert_rules import DEFAULTS
from health.alerts import Measure, Rule, Severity
from health.view import HealthView
from transport.aio.tasks import TaskOwner
from transport.path import Line

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus" / "farline-alerts.yml"


class Hook:
    """A webhook that fails as often as told."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.failures = 0
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        if self.failures:
            self.failures -= 1
            return web.Response(status=500)
        self.messages.append(await request.json())
        return web.Response()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/hook", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.url = f"json://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield hook
    await runner.cleanup()


async def test_what_fires_reaches_the_webhook_once(hook: Hook) -> None:
    figures = Figures({"cn2": LineFigures(rtt=3.0)})
    rule = Rule("line-rtt", Measure.LINE_RTT, 2.0, 1.5, for_seconds=0.0, clear_seconds=0.0)
    settings = Alert((Secret("env:SINK", hook.url),), wait_seconds=0.0, interval_seconds=0.0, rules=(rule,))
    tasks = TaskOwner("alerts")

    async def gather() -> list[Figures]:
        return [figures]

    watch = AlertWatch("bj-1", settings, gather, tasks)
    await watch.judge()
    await watch.judge()
    figures.lines["cn2"].rtt = 0.2
    await watch.judge()
    async with asyncio.timeout(10):
        while len(hook.messages) < 2:
            await asyncio.sleep(0.01)
    await tasks.close()
    titles = sorted(message["title"] for message in hook.messages)
    assert titles == ["farline bj-1: 1 firing", "farline bj-1: 1 resolved"]
    assert any("WARNING line-rtt cn2: round trip 3000 ms" in message["message"] for message in hook.messages)


async def test_a_sink_that_fails_is_tried_again_and_then_given_up(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.alerts.aio.sender.PAUSE_SECONDS", 0.01)
    hook.failures = 1
    sender = Sender([Secret("env:SINK", hook.url)])
    await sender.send("title", "body", Severity.CRITICAL)
    assert (sender.sent, sender.failed, len(hook.messages)) == (1, 0, 1)
    hook.failures = 10
    await sender.send("title", "body", Severity.INFO)
    assert (sender.sent, sender.failed) == (1, 1)
    assert "env:SINK" in caplog.text
    assert hook.url not in caplog.text


def test_a_sink_that_is_no_sink_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK", "nothing://secret-token")
    path = tmp_path / "edge.toml"
    path.write_text('[alert]\nsinks = ["env:SINK"]\n')
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert "names no notification service" in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_prometheus_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(PROMETHEUS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_for_prometheus_are_those_of_the_node() -> None:
    told = {rule["alert"]: rule for rule in yaml.safe_load(PROMETHEUS.read_text())["groups"][0]["rules"]}
    assert len(told) == len(DEFAULTS)
    for rule in DEFAULTS:
        other = told["Farline" + "".join(part.capitalize() for part in rule.id.split("-"))]
        limit = re.findall(r"[<>] ([0-9.]+)\s*$", other["expr"].strip())[-1]
        assert float(limit) == rule.threshold, rule.id
        assert other["labels"]["severity"] == rule.severity.value
        assert float(other.get("for", "0s").removesuffix("s")) == rule.for_seconds
        assert (ROOT / other["annotations"]["runbook"]).read_text().startswith("# ")


def test_every_metric_of_the_rules_exists() -> None:
    groups = yaml.safe_load(PROMETHEUS.read_text())["groups"]
    named = {name for rule in groups[0]["rules"] for name in re.findall(r"farline_[a-z_]+", rule["expr"])}
    metrics = Metrics()
    metrics.registry.register(HealthMetrics(HealthView, lambda: (Line("cn2", capacity_mbps=1.0),)))
    families = {family.name for family in metrics.registry.collect()}
    assert {name for name in named if re.sub(r"_(total|bucket)$", "", name) not in families} == set()


def test_every_rule_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "alerts.md").read_text()
    for rule in DEFAULTS:
        assert f"| `{rule.id}` |" in guide


async def test_a_silenced_alert_is_judged_and_not_told(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gather() -> list[Figures]:
        return [Figures(in_flight=10_000)]

    rule = Rule("sessions", Measure.SESSIONS, 1.0, 0.5, for_seconds=0.0)
    settings = Alert((Secret("env:SINK", hook.url),), rules=(rule,), wait_seconds=0.0, interval_seconds=0.0)
    tasks = TaskOwner("test")
    watch = AlertWatch("n", settings, gather, tasks)
    watch.silence([Silence("sessions", "*", time() + 60)])
    await watch.judge()
    assert [alert.rule.id for alert in watch.book.firing()] == ["sessions"]
    assert watch.book.silences != []
    await tasks.close()
    assert hook.messages == []
