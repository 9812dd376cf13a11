"""All turns of a plan, and the facts of the machine they ran on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netem.bench.aio.kernel import allowed
from netem.bench.aio.stage import play
from netem.bench.plan import Condition, Plan
from netem.bench.record import Turn
from netem.bench.systems import adapter
from netem.bench.systems.setup import Adapter

Watcher = Callable[[int, Turn], None]
"""Hears of each turn when it is over: its number from 1."""


def run(plan: Plan, watcher: Watcher = lambda number, turn: None) -> list[Turn]:
    """Every turn, one after the other. Raises LabError, ValueError (an unknown system)."""
    turns: list[Turn] = []
    with allowed({adapter(name).congestion for name in plan.systems}):
        for chosen, condition, round in schedule(plan):
            turns.append(play(chosen, condition, plan, round))
            watcher(len(turns), turns[-1])
    return turns


def schedule(plan: Plan) -> Iterator[tuple[Adapter, Condition, int]]:
    """Condition by condition, round by round, the systems in turn. Raises ValueError."""
    for condition in plan.conditions:
        for round in range(plan.rounds):
            for name in plan.order(round):
                chosen = adapter(name)
                if condition.traffic == "sse" or chosen.has_websocket:
                    yield chosen, condition, round


def machine_facts() -> dict[str, Any]:
    """What a reader needs to know about the machine."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "congestion_controls": _read("/proc/sys/net/ipv4/tcp_available_congestion_control"),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    rows = (row.partition(":") for row in _read("/proc/cpuinfo").splitlines())
    return next((value.strip() for name, _, value in rows if name.strip() == "model name"), "")


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
