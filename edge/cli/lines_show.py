"""Tables for a tired reader: what is wrong stands out, and says why in words below."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Document = dict[str, Any]

STYLES = {
    "admitted": "green",
    "probation": "yellow",
    "suspected": "yellow",
    "ejected": "bold red",
    "draining": "cyan",
    "not ready": "bold red",
    "off": "dim",
}
_NUMBERS = ("RTT ms", "p95", "jitter", "loss 10 s", "60 s", "5 min", "weight", "share", "in flight", "used")


def lines(told: Document) -> RenderableType:
    """All lines and relays, and what there is to say of each."""
    table = _table("line", "carrier", "state", "since", right=_NUMBERS)
    for line in told["lines"]:
        table.add_row(*_line_cells(line))
    parts: list[RenderableType] = [table, *(Text(note) for note in _notes(told))]
    if told["relays"]:
        parts += [Text(""), _relays(told["relays"])]
    return Group(*parts)


def _relays(told: list[Document]) -> RenderableType:
    """One row per relay and worker."""
    numbers = ("RTT ms", "in flight", "sessions", "resumes", "suspicions", "redundancy")
    table = _table("relay", "state", right=numbers, last="carriers")
    for relay in told:
        state = relay_state(relay)
        name = relay["id"] + (f" (worker {relay['worker']})" if relay["worker"] else "")
        rtt, factor = (relay["rtt"] or {}).get("median_ms"), relay["redundancy_factor"]
        table.add_row(
            Text(name, style="bold"),
            Text(state, style=STYLES[state]),
            number(rtt),
            *(str(relay[key]) for key in ("in_flight", "sessions", "resumes", "suspicions")),
            "–" if factor is None else f"{factor:.2f}",
            _carriers(relay),
        )
    return table


def credentials(told: Document) -> RenderableType:
    """One row per limit, and per credential of which no limit is known."""
    table = _table("credential", "endpoint", "model", "limit", right=("left", "of", "full in s"), last="heard")
    for each in told["credentials"]:
        heard = "never" if each["seen"] is None else each["seen"][11:19] + "Z"
        if each["paused_for_seconds"] is not None:
            heard += f", no requests for {each['paused_for_seconds']:.0f} s"
        for limit in each["limits"] or [{"kind": "–", "remaining": None, "limit": None, "full_in_seconds": None}]:
            left, whole = limit["remaining"], limit["limit"]
            is_low = left is not None and whole is not None and left <= 0.1 * whole
            table.add_row(
                each["credential"],
                each["endpoint"],
                each["model"] or "–",
                limit["kind"],
                Text(_count(left), style="bold red" if is_low else ""),
                _count(whole),
                number(limit["full_in_seconds"]),
                heard,
            )
    return table


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def relay_state(relay: Document) -> str:
    """The one word that matters most."""
    if relay["draining"]:
        return "draining"
    return "not ready" if not relay["ready"] else str(relay["standing"])


def _carriers(relay: Document) -> str:
    if not relay["ready"]:
        return str(relay["why_not"])
    return ", ".join(
        f"{each['line']} {each['kind']} {number(each['rtt_ms'])} ms" + (" suspected" if each["suspected"] else "")
        for each in relay["carriers"]
    )


def _line_cells(line: Document) -> Iterator[RenderableType]:
    state = state_of(line)
    rtt, loss = line["rtt"] or {}, line["loss"] or {}
    yield Text(line["id"], style="bold")
    yield line["carrier"] or "–"
    yield Text(state, style=STYLES[state])
    yield _ago(line["since"])
    for name in ("estimate_ms", "p95_ms", "jitter_ms"):
        yield number(rtt.get(name))
    for name in ("ratio_10s", "ratio_60s", "ratio_300s"):
        yield percent(loss.get(name))
    yield _weight(line["weight"])
    yield percent(line["share_60s"])
    yield str(line["in_flight"])
    yield percent(line["utilisation"])


def state_of(line: Document) -> str:
    """The one word that matters most: the operator's, then what is measured."""
    if line["in_effect"] != "on":
        return str(line["in_effect"])
    if line["suspected"] and line["standing"] == "admitted":
        return "suspected"
    return str(line["standing"])


def _notes(told: Document) -> Iterator[str]:
    if told["is_panic"]:
        yield "PANIC: too much is ejected to believe it; the least bad lines are used."
    if len(told["workers"]) < told["workers_expected"]:
        yield f"{len(told['workers'])} of {told['workers_expected']} workers answered: the figures are theirs."
    for line in told["lines"]:
        words = list(_about(line))
        if words:
            yield f"{line['id']}: {'; '.join(words)}"


def _about(line: Document) -> Iterator[str]:
    now = datetime.now(UTC)
    if line["in_effect"] == "draining":
        by = "an operator" if line["switch"] == "draining" else "a maintenance window"
        yield f"draining by {by}, {under_way(line)}"
    if line["in_effect"] == "off":
        yield "switched off by an operator"
    if line["standing"] != "admitted" or line["suspected"]:
        state = "suspected" if line["standing"] == "admitted" else line["standing"]
        yield f"{state}: {line['reason'] or 'no reason given'}"
    if "standing_by_worker" in line:
        yield "workers differ: " + ", ".join(f"{who} {what}" for who, what in line["standing_by_worker"].items())
    if line["weight"]["override"] is not None:
        yield f"weight set by hand, configured {line['weight']['configured']:g}"
    yield from _through_relays(line["session"])
    for window in line["maintenance"]:
        if datetime.fromisoformat(window["ends"]) > now:
            yield f"maintenance {_span(window)}" + (f" ({window['note']})" if window["note"] else "")
    for pin in line["pins"]:
        yield f"{pin['subject']} is pinned to it"


def _through_relays(session: Document) -> Iterator[str]:
    """What relays' sessions put on it since the start, and how much of that was there to carry."""
    up, down = (sum(session[direction].values()) for direction in ("up", "down"))
    if up or down:
        useful = (session["up"]["first"] + session["down"]["first"]) / (up + down)
        yield f"relays' sessions {megabytes(up)} up, {megabytes(down)} down, {percent(useful)} of it first copies"


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def under_way(line: Document) -> str:
    """What still runs over the line."""
    open_, busy = line["in_flight"], line["connections"]["active"]
    if not open_ and not busy:
        return "nothing under way"
    return f"{open_} requests under way on {busy} connections" if open_ else f"{busy} connections in use"


def pins(told: Document) -> RenderableType:
    if not told["pins"]:
        return Text("Nothing is pinned.")
    table = _table("requests of", "go over")
    for pin in told["pins"]:
        table.add_row(pin["subject"], pin["line"])
    return table


def qlog(told: Document) -> RenderableType:
    cut = ", cut: it was full" if told["is_cut"] else ""
    failed = "".join(f"; worker {worker}: {why}" for worker, why in told["failed"].items())
    return Text(f"{told['file']}: {told['events']} events of {told['sessions']} sessions{cut}{failed}")


def windows(told: Document) -> RenderableType:
    if not told["maintenance"]:
        return Text("No maintenance windows.")
    table = _table("id", "line", "state", "when (local time)", "note")
    for window in told["maintenance"]:
        table.add_row(window["id"], window["line"], window["state"], _span(window), window["note"])
    return table


def applied(told: Document) -> RenderableType:
    """What came of a change: what it is now, and everything that isn't as it should be."""
    notes: list[RenderableType] = []
    if "line" in told:
        line = told["line"]
        weight = f"weight {_weight(line['weight'])}"
        notes.append(Text(f"{line['id']}: {state_of(line)}, {weight}; {under_way(line)}"))
    else:
        notes.append(Text("Done."))
    for worker, why in told["failed"].items():
        notes.append(Text(f"NOT in worker {worker}: {why}; it gets it when it answers again", style="red"))
    if told["not_saved"]:
        notes.append(Text(f"NOT saved, a restart would undo it: {told['not_saved']}", style="red"))
    if told["persistence"] == "memory":
        notes.append(Text("Until the node restarts: it has no [node] state_dir.", style="dim"))
    return Group(*notes)


def preview(told: Document) -> RenderableType:
    table = _table("line", right=("share now", "then"))
    for line, share in told["now"].items():
        table.add_row(line, percent(share), percent(told["then"][line]))
    relays = told["relays"]
    through = [f"{id} {percent(share)}, then {percent(relays['then'][id])}" for id, share in relays["now"].items()]
    return Group(table, Text(f"Through relays: {'; '.join(through)}")) if through else table


def why(told: Document) -> RenderableType:
    """A request and every path it might have taken."""
    head = f"{told['request']}  {told['method']} {told['route']}  status {told['status']}  at {told['at']}"
    parts: list[RenderableType] = [Text(head, style="bold"), Text(told["why"])]
    ranking = told["ranking"]
    if ranking is None:
        return Group(*parts, Text("Its ranking is no longer known."))
    names = list(dict.fromkeys(term["name"] for path in ranking["paths"] for term in path["terms"]))
    table = _table("", "path", right=("cost", *names), last="note")
    for rank, path in enumerate(ranking["paths"], 1):
        terms = {term["name"]: term for term in path["terms"]}
        cells = [_term(terms[name]) if name in terms else "" for name in names]
        table.add_row(str(rank), path["path"], number(path["cost"]), *cells, path["note"])
    for path in ranking["excluded"]:
        table.add_row("–", path["path"], "", *("" for _ in names), path["note"], style="dim")
    return Group(*parts, table, Text("Each term: what was measured → what it adds to the cost."))


def _term(term: Document) -> str:
    unit = f" {term['unit']}" if term["unit"] else ""
    cost = f" → +{term['cost']:.1f}" if term["cost"] >= 0 else f" → {term['cost']:.1f}"
    return f"{term['value']:.4g}{unit}" + (cost if term["cost"] else "")


def _table(*left: str, right: tuple[str, ...] = (), last: str = "") -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in left:
        table.add_column(name, no_wrap=name != "note")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    if last:
        table.add_column(last)
    return table


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1%}"


def _weight(weight: Document) -> str:
    configured, effective = weight["configured"], weight["effective"]
    return f"{effective:g}" if effective == configured else f"{configured:g} → {effective:g}"


def _ago(since: str | None) -> str:
    if since is None:
        return "start"
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _span(window: Document) -> str:
    begins, ends = (datetime.fromisoformat(window[name]).astimezone() for name in ("begins", "ends"))
    same = begins.date() == ends.date()
    return f"{begins:%Y-%m-%d %H:%M} – {ends:%H:%M}" if same else f"{begins:%Y-%m-%d %H:%M} – {ends:%Y-%m-%d %H:%M}"
