"""Requests as tables: many, and one with its time as bars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.cli import lines_show
from edge.cli.lines_show import number

Document = dict[str, Any]
Step = tuple[str, float, float]  # what, from and to in milliseconds since the request's head

_WIDE = 40  # cells of a bar


def waited_ms(request: Document) -> float:
    """Until the first byte, or the end if there was none."""
    first = request["ttfb_ms"]
    return float(request["duration_ms"] if first is None else first)


def requests(told: Document) -> RenderableType:
    if not told["requests"]:
        return Text("No such request has ended lately.")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("came in", "request", "model", "path"):
        table.add_column(name, no_wrap=True)
    for name in ("status", "first byte ms", "whole ms", "tries"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("key", no_wrap=True)
    table.add_column("")
    for each in told["requests"]:
        table.add_row(*_cells(each), style="red" if each["failure"] or each["status"] >= 500 else "")
    return table


def _cells(each: Document) -> Iterator[RenderableType]:
    yield f"{datetime.fromisoformat(each['at']).astimezone():%H:%M:%S}"
    yield each["request"]
    yield each["model"] or each["operation"] or "–"
    yield each["path"] or ("cache" if each["cache"] in ("hit", "normalised", "semantic", "coalesced") else "–")
    yield str(each["status"])
    yield number(each["ttfb_ms"])
    yield number(each["duration_ms"])
    yield str(len(each["attempts"]))
    yield each["principal"] or "–"
    yield each["failure"] or (f"failed over ({', '.join(each['failovers'])})" if each["failovers"] else "")


def request(told: Document) -> RenderableType:
    """Where its time went, then why it took its way."""
    bars = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(2):
        bars.add_column(no_wrap=True)
    bars.add_column(justify="right", no_wrap=True)
    found, whole = steps(told), max(told["times_ms"]["ended"], 0.01)
    longest = max(found, key=lambda step: step[2] - step[1])
    for step in found:
        what, begins, ends = step
        bar = _bar(begins / whole, ends / whole)
        bars.add_row(what, bar, f"{number(ends - begins)} ms", style="bold yellow" if step is longest else "")
    took = longest[2] - longest[1]
    said = f"Longest: {longest[0]}, {number(took)} of {number(whole)} ms."
    return Group(lines_show.why(told), Text(""), Text("Where its time went", style="bold"), bars, Text(said))


def _bar(begins: float, ends: float) -> str:
    left = round(begins * _WIDE)
    return " " * left + "█" * max(1, round(ends * _WIDE) - left)


def steps(told: Document) -> list[Step]:
    """What a request went through, in order; each but the first begins where something had been sent."""
    times = told["times_ms"]
    routed, sent, first, ended = (times[name] for name in ("routed", "sent", "first_byte", "ended"))
    found = [("in the edge, until it had a path", 0.0, ended if routed is None else routed)]
    tried = told["attempts"]
    began = [routed if at is None else at for at in times["attempts"]]
    if tried and routed is not None:
        found.append((f"connecting and sending, {tried[0]['path']}", routed, began[0]))
    for place, attempt in enumerate(tried):
        is_last = place + 1 == len(tried)
        until = (ended if first is None else first) if is_last else began[place + 1]
        why = attempt["code"] or (attempt["status"] if attempt["outcome"] in ("refused", "error") else None)
        what = f"failed ({why}), {attempt['path']}" if why else f"waiting for the first byte, {attempt['path']}"
        found.append((what, began[place], until))
    if not tried and sent is not None:
        found.append((f"waiting for the first byte, {told['path']}", sent, ended if first is None else first))
    if first is not None:
        found.append(("the reply", first, ended))
    return [(what, begins, ends) for what, begins, ends in found if begins is not None and ends >= begins]
