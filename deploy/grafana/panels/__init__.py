"""What the dashboards show: a dashboard is rows of panels; a panel is a title, what it shows in one sentence, and
PromQL with legends. One module for each dashboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GOOD, WARN, BAD = "green", "orange", "red"
IN = 'instance=~"$instance"'


@dataclass(frozen=True)
class Panel:
    """`targets`: (PromQL, legend). `unit` is Grafana's. `limits`: (value, colour) beside the base colour."""

    title: str
    text: str
    targets: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    limits: tuple[tuple[float, str], ...] = ()
    base: str = GOOD
    stack: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def one(title: str, text: str, expr: str, unit: str = "short", **more: Any) -> Panel:
    """A number."""
    return Panel(title, text, ((expr, ""),), unit, "stat", 4, **more)
