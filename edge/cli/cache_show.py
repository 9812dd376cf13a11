"""The cache's figures for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Document = dict[str, Any]

_MIB = 1024 * 1024


def stats(told: Document) -> RenderableType:
    """The stores, what became of requests, and what was saved."""
    if told["store"] == "off":
        return Text('there is no cache: [cache] store = "off"')
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (("store", "left"), ("entries", "right"), ("MiB", "right"), ("of", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # a literal, from the tuple above
    table.add_column("evictions", justify="right")
    table.add_column("faults", justify="right")
    table.add_column("")
    for store in told["stores"]:
        table.add_row(*_cells(store, len(told["workers"]) > 1))
    return Group(table, *(Text(line) for line in _lines(told)))


def _cells(store: Document, several: bool) -> Iterator[RenderableType]:
    yield f"{store['name']} (worker {store['worker']})" if several else store["name"]
    yield _number(store["entries"])
    yield _mib(store["used_bytes"])
    yield _mib(store["max_bytes"])
    yield _number(store["evictions"])
    yield str(store["faults"])
    yield "" if store["is_admitted"] else Text("left alone after faults", style="bold red")


def _lines(told: Document) -> Iterator[str]:
    events, saved = told["events"], told["saved"]
    took_part = sum(count for result, count in events.items() if result != "bypass")
    answered = took_part - events.get("miss", 0)
    ratio = f" ({answered / took_part:.1%} of those that took part)" if took_part else ""
    yield ""
    told_events = ", ".join(f"{count} {result}" for result, count in events.items() if count)
    yield f"requests   {told_events or 'none yet'}{ratio}"
    for reason, count in sorted(told["reasons"].items(), key=lambda pair: -pair[1])[:8]:
        yield f"             {count} {reason}"
    similar = told["similar"]
    if any(similar.values()):
        counts = (f"{count} {name.replace('_', ' ')}" for name, count in similar.items() if count)
        yield f"similar    {', '.join(counts)}"
    tokens = saved["tokens"]
    yield f"saved      {tokens['input']} input and {tokens['output']} output tokens, {saved['seconds']:.1f} s"
    if told["flights"]:
        yield f"under way  {told['flights']} exchanges that others can share"


def _number(count: int | None) -> str:
    return "?" if count is None else str(count)


def _mib(size: int | None) -> str:
    return "?" if size is None else f"{size / _MIB:.1f}"
