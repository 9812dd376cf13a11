"""A report as values, and those as HTML (plots as inline SVG, no script) or Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import fmean, median
from typing import Any

from edge.cli.lines_show import number, percent

Document = Mapping[str, Any]

_MONTH = 30 * 86_400
_SECONDS = {"1d": 86_400, "7d": 7 * 86_400}
_WORDS = {"1d": "The last day", "7d": "The last week"}
LEAST_LATENCY_GAIN, LEAST_AVAILABILITY_GAIN = 0.6, 0.02  # the gates of a line that is to pay for itself


@dataclass(frozen=True, slots=True)
class Worth:
    """What lines cost a month, and what a second less to wait is worth, compared with the line `baseline`."""

    baseline: str | None = None
    monthly_costs: Mapping[str, float] = field(default_factory=dict)
    second_value: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A table, and perhaps a plot (SVG) and a note."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    plots: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    title: str
    summary: str
    sections: Sequence[Section]


def build(told: Document, worth: Worth) -> Report:
    """`told`: what `report` asked the node."""
    node, span = told["nodes"]["nodes"][0], told["span"]
    sections = [_availability(told), _latency(told), _traffic(told), _keys(told)]
    if told["relays"]["sums"]:
        sections.insert(3, _relays(told))
    if worth.monthly_costs:
        sections.append(_roi(told, worth))
    return Report(f"{node['name']}: {_WORDS[span].lower()}", _summary(told), sections)


def _summary(told: Document) -> str:
    total = told["node"]["sums"].get("node", {})
    requests, failures = total.get("requests", 0), total.get("failures", 0)
    if not requests:
        return f"{_WORDS[told['span']]}: no requests."
    return (
        f"{_WORDS[told['span']]}: {requests} requests, {percent(1 - failures / requests)} went well; "
        f"first byte {number(total['first_byte_p50_ms'])} ms (median), {number(total['first_byte_p95_ms'])} ms (p95)."
    )


def _availability(told: Document) -> Section:
    ejections: dict[str, int] = {}
    for event in told["events"]["events"]:
        if event["kind"] == "line" and event["before"] == "admitted" and event["after"] == "ejected":
            ejections[event["subject"]] = ejections.get(event["subject"], 0) + 1
    rows, plots = [], []
    for line, sums in told["sums"]["sums"].items():
        rows.append([line, _available(sums), percent(sums["loss"]), str(ejections.get(line, 0)), str(sums["probes"])])
        plots.append(plot(line, told["charts"], line))
    note = (
        "Available: share of the seconds in which the line was not ejected. Plots: median round trip; red where lost."
    )
    return Section("Availability of lines", ("line", "available", "loss", "outages", "probes"), rows, plots, note)


def _available(sums: Document) -> str:
    out = sums["unavailable_ratio"]
    return "–" if out is None else f"{1 - out:.3%}"


def _latency(told: Document) -> Section:
    """This time and the time before it, which is known by its points only."""
    length = _SECONDS[told["span"]]
    ends = told["before"]["ends"] - length
    rows = []
    for line, sums in told["sums"]["sums"].items():
        before = _points(told["before"]["series"].get(line, {}), ends - length, ends)
        was = median(before["rtt_p50_ms"]) if before["rtt_p50_ms"] else None
        lost = fmean(before["loss"]) if before["loss"] else None
        now = sums["rtt_p50_ms"]
        change = percent(now / was - 1) if now and was else "–"
        rows.append(
            [line, number(was), number(now), change, number(sums["rtt_p95_ms"]), percent(lost), percent(sums["loss"])]
        )
    columns = ("line", "RTT before, ms", "RTT, ms", "change", "p95, ms", "loss before", "loss")
    return Section(
        "Latency before and now", columns, rows, note="Before: the time of the same length that came before."
    )


def _points(series: Document, begins: int, ends: int) -> dict[str, list[float]]:
    places = [place for place, at in enumerate(series.get("at", ())) if begins <= at < ends]
    return {
        name: [value for place in places if (value := series[name][place]) is not None] if series else []
        for name in ("rtt_p50_ms", "loss")
    }


def _traffic(told: Document) -> Section:
    rows = []
    for line, sums in told["sums"]["sums"].items():
        size = sums["up_bytes"] + sums["down_bytes"]
        rows.append([line, str(sums["requests"]), str(sums["failures"]), f"{size / 1e9:.3f}", f"{sums['cost']:.4g}"])
    return Section("Traffic of lines", ("line", "attempts", "failed", "GB", "cost by GB"), rows)


def _relays(told: Document) -> Section:
    rows, plots = [], []
    for relay, sums in told["relays"]["sums"].items():
        late = f"{number(sums['late_p50_ms'])} / {number(sums['late_p99_ms'])}"
        rows.append(
            [
                relay,
                _available(sums),
                number(sums["rtt_p50_ms"]),
                str(sums["requests"]),
                str(sums["failures"]),
                late,
                f"{sums['redundancy']:.2f}" if sums["redundancy"] else "–",
                f"{sums['suspicions']} ({sums['false_suspicions']})",
                f"{(sums['up_bytes'] + sums['down_bytes']) / 1e9:.3f}",
                f"{sums['cost']:.4g}",
            ]
        )
        plots.append(plot(relay, told["relay_charts"], relay))
    columns = (
        *("relay", "available", "RTT, ms", "requests", "failed", "late p50 / p99, ms"),
        *("redundancy", "suspicions (wrong)", "GB", "cost by GB"),
    )
    note = (
        "Available: share of the seconds with a session. Late: how much later than the quickest ones replies' parts "
        "came. Redundancy: bytes carried per byte there was to carry. GB and cost are those of the sessions' packets, "
        "and in those of the lines too."
    )
    return Section("Relays", columns, rows, plots, note)


def _keys(told: Document) -> Section:
    rows = [
        [
            key,
            str(sums["requests"]),
            str(sums["failures"]),
            str(sums["input_tokens"]),
            str(sums["output_tokens"]),
            f"{sums['cost']:.4g}",
        ]
        for key, sums in sorted(told["keys"]["sums"].items(), key=lambda each: -each[1]["requests"])
    ]
    return Section("By client key", ("key", "requests", "failed", "tokens in", "tokens out", "line cost"), rows)


def _roi(told: Document, worth: Worth) -> Section:
    """ROI = (benefit − cost) / cost, a month."""
    sums = told["sums"]["sums"]
    base = sums.get(worth.baseline or "")
    rows = []
    for line, cost in worth.monthly_costs.items():
        mine = sums.get(line)
        if mine is None or base is None or not mine["first_byte_p50_ms"] or not base["first_byte_p50_ms"]:
            rows.append([line, f"{cost:g}", "–", "–", "not enough is known of it or of the baseline"])
            continue
        gain = 1 - mine["first_byte_p50_ms"] / base["first_byte_p50_ms"]
        more = (base["unavailable_ratio"] or 0.0) - (mine["unavailable_ratio"] or 0.0)
        gates = [f"latency {percent(gain)}", f"availability {percent(more)}"]
        passed = gain > LEAST_LATENCY_GAIN or more > LEAST_AVAILABILITY_GAIN
        if worth.second_value is None:
            rows.append([line, f"{cost:g}", "–", "–", ", ".join(gates)])
            continue
        saved = (base["first_byte_p50_ms"] - mine["first_byte_p50_ms"]) / 1000 * mine["requests"]
        benefit = saved * worth.second_value * _MONTH / _SECONDS[told["span"]]
        roi = (benefit - cost) / cost if cost else None
        verdict = ", ".join([*gates, "gates passed" if passed else "no gate passed"])
        rows.append([line, f"{cost:g}", f"{benefit:.4g}", percent(roi), verdict])
    note = (
        f"Compared with {worth.baseline or 'no baseline'}. Gates: more than {LEAST_LATENCY_GAIN:.0%} less to wait, or "
        f"more than {LEAST_AVAILABILITY_GAIN:.0%} more available. Benefit: seconds saved × their worth, a month."
    )
    return Section(
        "Return on lines", ("line", "cost a month", "benefit a month", "ROI", "against the baseline"), rows, (), note
    )


def plot(name: str, charts: Document, line: str, wide: int = 640, high: int = 90) -> str:
    """A line's medians as SVG."""
    series = charts["series"].get(line, {"at": []})
    begins, ends = charts["begins"], max(charts["ends"], charts["begins"] + 1)
    known = sorted(value for value in series.get("rtt_p50_ms", ()) if value is not None)
    if not known:
        return ""
    low, top = known[0] * 0.9, known[int(len(known) * 0.98)] * 1.15
    parts = []
    for place, at in enumerate(series["at"]):
        x = (at - begins) / (ends - begins) * wide
        value, lost = series["rtt_p50_ms"][place], series["loss"][place] or 0.0
        if value is not None:
            y = high - 12 - min(1.0, (value - low) / (top - low)) * (high - 24)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.2"/>')
        if lost > 0.01:
            parts.append(f'<rect class="lost" x="{x:.1f}" y="{high - 8}" width="2" height="8"/>')
    label = f"{name}: median round trip {known[len(known) // 2]:.0f} ms"
    return (
        f'<figure><figcaption>{escape(label)}</figcaption><svg viewBox="0 0 {wide} {high}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg></figure>'
    )


_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:860px;margin:2em auto;padding:0 1em;color:#1b2128}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:right;padding:3px 10px;border-bottom:1px solid #dfe3e7}"
    "td:first-child,th:first-child{text-align:left}figure{margin:8px 0}figcaption{color:#56616d;font-size:12px}"
    "svg{width:100%;background:#f6f7f8}circle{fill:#1d6b3a}.lost{fill:#c3201d}.note{color:#56616d;font-size:12px}"
)


def html(report: Report) -> str:
    """A page of its own."""
    parts = [f"<h1>{escape(report.title)}</h1><p>{escape(report.summary)}</p>"]
    for section in report.sections:
        head = "".join(f"<th scope=col>{escape(each)}</th>" for each in section.columns)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in section.rows)
        note = f"<p class=note>{escape(section.note)}</p>" if section.note else ""
        parts.append(
            f"<h2>{escape(section.title)}</h2><table><tr>{head}</tr>{rows}</table>{''.join(section.plots)}{note}"
        )
    head = f"<meta charset=utf-8><title>{escape(report.title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def markdown(report: Report) -> str:
    """The same without the plots."""
    lines = [f"# {report.title}", "", report.summary, ""]
    for section in report.sections:
        lines += [f"## {section.title}", "", _row(section.columns), _row(["---"] * len(section.columns))]
        lines += [*(_row(row) for row in section.rows), ""]
        lines += [section.note, ""] if section.note else []
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
