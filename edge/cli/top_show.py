"""A frame of `farline top`: one sentence first, then lines with their last ten minutes, what failed, what happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.cli.lines_show import STYLES, number, percent, state_of

Document = dict[str, Any]

_BARS = "▁▂▃▄▅▆▇█"
_WIDE = 30  # cells of a chart
_WORST_FIRST = ("ejected", "suspected", "probation", "off", "draining")
_SAYS = {
    "ejected": "is EJECTED",
    "suspected": "is silent right now",
    "probation": "is on probation",
    "off": "is switched off by hand",
    "draining": "is draining",
}


def frame(told: Document) -> RenderableType:
    """`told`: what `top.look` asked for."""
    node = told["nodes"]["nodes"][0]
    head = Text(f"farline {node['version']}  {node['name']}  {datetime.now():%H:%M:%S}", style="dim")
    parts: list[RenderableType] = [head, *verdict(told), _lines(told)]
    failed, events = told["failed"]["requests"][:8], _happened(told["events"]["events"])[-8:]
    if failed:
        parts += [Text("\nfailed lately", style="bold"), _failed(failed)]
    if events:
        parts += [Text("\nevents", style="bold"), *(Text(line) for line in reversed(events))]
    return Group(*parts)


def silent(why: str) -> RenderableType:
    return Text(f"{datetime.now():%H:%M:%S}  {why}", style="bold red")


def verdict(told: Document) -> Iterator[Text]:
    """What is wrong, worst first; or that nothing is."""
    lines = told["lines"]["lines"]
    wrong = [line for state in _WORST_FIRST for line in lines if state_of(line) == state]
    if told["lines"]["is_panic"]:
        yield Text("PANIC: no line is known to work; the least bad ones are used.", style="bold red")
    for line in wrong:
        state = state_of(line)
        since = f" since {_clock(line['since'])}" if line["since"] and state not in ("off", "draining") else ""
        why = f" ({line['reason']})" if line["reason"] and state not in ("off", "draining") else ""
        yield Text(f"{line['id']} {_SAYS[state]}{since}{why}.", style=STYLES[state])
    for alert in told["alerts"]["alerts"]:
        yield Text(f"Alert {alert['rule']} {alert['subject']} for {alert['firing_seconds']:.0f} s.", style="yellow")
    if not wrong and not told["alerts"]["alerts"]:
        requests = sum(line["requests_60s"] for line in lines)
        count = f"All {len(lines)} lines are fine" if len(lines) > 1 else "The line is fine"
        yield Text(f"{count}. {requests} requests in the last minute.", style="bold green")


def _lines(told: Document) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("line", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("RTT ms", "p95", "loss 60 s", "score", "share", "flight", "Mbit/s", "cost today"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("RTT and loss, 10 min", no_wrap=True)
    for line in told["lines"]["lines"]:
        table.add_row(*_cells(line, told))
    return table


def _cells(line: Document, told: Document) -> Iterator[RenderableType]:
    state, rtt = state_of(line), line["rtt"] or {}
    yield Text(line["id"], style="bold")
    yield Text(state, style=STYLES[state])
    yield number(rtt.get("estimate_ms"))
    yield number(rtt.get("p95_ms"))
    yield percent((line["loss"] or {}).get("ratio_60s"))
    yield f"{told['ranking']['scores'].get(line['id'], 0.0):.2f}"
    yield percent(line["share_60s"])
    yield str(line["in_flight"])
    yield f"{max(line['up_bps'], line['down_bps']) / 1e6:.1f}"
    cost = told["today"]["sums"].get(line["id"], {}).get("cost")
    yield "–" if line["cost_per_gb"] is None or cost is None else f"{cost:.4g}"
    yield chart(told["charts"], line["id"])


def chart(told: Document, id: str) -> Text:
    """The medians as bars, red where probes were lost; a dot where nothing was measured."""
    series = told["series"].get(id)
    text = Text()
    if series is None:
        return text
    begins, width = told["begins"], max(1.0, (told["ends"] - told["begins"]) / _WIDE)
    columns: list[list[int]] = [[] for _ in range(_WIDE)]
    for place, at in enumerate(series["at"]):
        columns[min(_WIDE - 1, int((at - begins) / width))].append(place)
    medians = [_highest(series["rtt_p50_ms"], places) for places in columns]
    low, high = min(filter(None, medians), default=0.0), max(filter(None, medians), default=1.0)
    for places, median in zip(columns, medians, strict=True):
        lost = _highest(series["loss"], places) or 0.0
        style = "red" if lost > 0.15 else "yellow" if lost > 0.01 else "green"
        text.append(_bar(median, low, high) if median is not None else "×" if lost else "·", style if places else "dim")
    return text


def _bar(value: float, low: float, high: float) -> str:
    """From the lowest to the highest, but what differs little looks alike."""
    room = max(high - low, high * 0.2) or 1.0
    return _BARS[min(7, int((value - low) / room * 8))]


def _highest(values: Sequence[float | None], places: Sequence[int]) -> float | None:
    return max((value for place in places if (value := values[place]) is not None), default=None)


def _failed(requests: list[Document]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for each in requests:
        table.add_row(
            _clock(each["at"]),
            each["request"],
            str(each["model"] or each["operation"] or "–"),
            str(each["path"] or "–"),
            str(each["status"]),
            Text(each["failure"] or "", style="red"),
        )
    return table


def _happened(events: list[Document]) -> list[str]:
    """Oldest first; suspicions come and go and would hide the rest."""
    told = []
    for event in events:
        at = _clock(event["at"])
        if event["type"] == "health" and event["after"] not in ("suspected", "relieved"):
            why = f" ({event['reason']})" if event["reason"] else ""
            told.append(f"{at}  {event['kind']} {event['subject']}: {event['before']} → {event['after']}{why}")
        elif event["type"] != "health":
            told.append(f"{at}  {event.get('who', 'node')}: {event['action']} {event.get('target') or ''}")
    return told


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"
