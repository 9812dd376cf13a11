"""The report as one HTML file that needs nothing else: tables, plots, strips, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from netem.bench import svg
from netem.bench.figures import expected_ttft_ms, values_of
from netem.bench.plan import EVENT_AT, Condition
from netem.bench.record import Reply, Turn
from netem.bench.report import COLUMNS, RATIO_COLUMNS, Column, Report, doubts, notes, rows, summary

GRADES = (
    (60.0, "up to 60 ms"),
    (120.0, "60–120 ms"),
    (250.0, "120–250"),
    (500.0, "250–500"),
    (0.0, "longer"),
)
"""Upper ends of the gaps' classes in milliseconds, and their names; the last has none."""
_TTFT_TICKS = [(n * 10.0**power, f"{n * 10**power}") for power in range(1, 5) for n in (1, 2, 3, 5)]
_BIN = 0.1  # of the timeline, seconds
_SHARES = [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)]
_TAIL = [(1.0, "1"), (0.1, "10 %"), (0.01, "1 %"), (0.001, "0.1 %"), (0.0001, "0.01 %")]

_CSS = """
:root { color-scheme: light dark; --bg: #fcfcfb; --fg: #1c1d1f; --dim: #62666d; --rule: #dcdedf; --panel: #f2f3f3;
  --shade: #e5484d22; --c0: #2563c9; --c1: #d9730d; --c2: #0f8a5f; --c3: #b5307a; --c4: #7a5cc9; --c5: #8a6d00;
  --c6: #0e8fa8; --c7: #70757d;
  --g0: #c9d6ea; --g1: #cfe3a1; --g2: #f5cf56; --g3: #ee8a33; --g4: #cf2f3a; }
@media (prefers-color-scheme: dark) { :root { --bg: #16181b; --fg: #e6e7e9; --dim: #9aa0a8; --rule: #34383d;
  --panel: #1f2226; --shade: #ff6b7033; --c0: #6ea8ff; --c1: #ffa657; --c2: #4fd1a0; --c3: #ff7ac0; --c4: #b79dff;
  --c5: #d9bd4a; --c6: #4fd0e6; --c7: #a5abb3;
  --g0: #2c3a50; --g1: #4d6b2a; --g2: #a98a1c; --g3: #d8742a; --g4: #f0525c; } }
body { background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1340px;
  padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 8px; border-top: 1px solid var(--rule);
  padding-top: 20px; } h3 { font-size: 14px; margin: 18px 0 4px; }
p, li { color: var(--dim); max-width: 100ch; margin: 4px 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px;
  margin: 10px 0; } th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap; } th { color: var(--dim); font-weight: 500; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 8px 24px; }
svg { width: 100%; height: auto; display: block; } .tick, .axis { fill: var(--dim); font-size: 11px; }
.grid { stroke: var(--rule); } .shade { fill: var(--shade); } .panel { fill: var(--panel); }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .dashed { stroke-dasharray: 5 3; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; margin: 8px 0; }
.legend span { display: inline-flex; align-items: center; gap: 6px; } .legend svg { width: 26px; }
.key { display: inline-block; width: 14px; height: 12px; border-radius: 2px; background: var(--panel); }
"""


def page(report: Report) -> str:
    """The file's text."""
    parts = ["<h1>farline bench</h1>", *(f"<p>{escape(text)}</p>" for text in summary(report))]
    if found := doubts(report):
        items = "".join(f"<li>{escape(doubt)}</li>" for doubt in found)
        parts.append(f"<h3>Doubts: the machine was too busy here, read these cells with care</h3><ul>{items}</ul>")
    parts += [_section(report, condition) for condition in report.conditions()]
    colours = "".join(f".c{n} {{ stroke: var(--c{n}); }} " for n in range(svg.COLOURS))
    grades = "".join(f".g{n} {{ fill: var(--g{n}); background: var(--g{n}); }} " for n in range(len(GRADES)))
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    style = f"<title>farline bench</title><style>{_CSS}{colours}{grades}</style>"
    return f"{head}{style}<body>{''.join(parts)}</body></html>\n"


def _section(report: Report, condition: Condition) -> str:
    cells = report.under(condition)
    parts = [f"<h2>{escape(condition.title)}</h2>", _table(COLUMNS, rows(cells))]
    if ratios := rows(cells, RATIO_COLUMNS):
        parts.append(f"<h3>Ratios to {escape(report.plan.baseline)} on the same requests, 95 % intervals</h3>")
        parts.append(_table(RATIO_COLUMNS, ratios))
    if said := notes(cells):
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in said) + "</ul>")
    turns = [turn for turn in report.turns if _is_under(turn, condition) and turn.replies]
    if turns:
        styles = {name: number for number, name in enumerate(report.plan.systems)}
        parts += [_legend(styles, turns), _plots(report, condition, turns, styles), _strips(report, condition, turns)]
    return "".join(parts)


def _is_under(turn: Turn, condition: Condition) -> bool:
    return (turn.profile, turn.event, turn.traffic) == (condition.profile, condition.event, condition.traffic)


def _table(columns: Sequence[Column], table: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title, _ in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in table)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _legend(styles: dict[str, int], turns: Sequence[Turn]) -> str:
    present = {turn.system for turn in turns}
    items = [
        f'<span><svg viewBox="0 0 26 6"><line class="{svg.style(number)}" x1="0" y1="3" x2="26" y2="3"/></svg>'
        f"{escape(name)}</span>"
        for name, number in styles.items()
        if name in present
    ]
    return f'<div class="legend">{"".join(items)}</div>'


def _plots(report: Report, condition: Condition, turns: Sequence[Turn], styles: dict[str, int]) -> str:
    floor = expected_ttft_ms(condition, report.plan.load)
    low = max(1.0, 0.8 * floor)
    firsts = [_distribution(turns, name, styles[name], "ttft") for name in styles]
    high = max([2.0 * low, *(1.1 * value for each in firsts for value, _ in each.points)])
    ttft = svg.Axis(f"time to first token, ms (RTT + think: {floor:.0f})", low, high, _ticks(low), is_log=True)
    share = svg.Axis("share of requests", 0.0, 1.0, _SHARES)
    gap = svg.Axis("gap between tokens, ms", 10.0, 1e4, svg.MILLISECONDS, is_log=True)
    tail = svg.Axis("share of longer gaps", 1e-4, 1.0, _TAIL, is_log=True)
    gaps = [_distribution(turns, name, styles[name], "gap") for name in styles]
    parts = [
        f"<div><h3>Time to the first token</h3>{svg.chart(firsts, ttft, share)}</div>",
        f"<div><h3>Gaps between tokens: the tail</h3>{svg.chart(gaps, gap, tail)}</div>",
    ]
    if condition.event:
        parts.append(f"<div><h3>Tokens that arrived</h3>{_timeline(report, condition, turns, styles)}</div>")
    return f'<div class="plots">{"".join(parts)}</div>'


def _ticks(low: float) -> list[tuple[float, str]]:
    return [(low, f"{low:.0f}"), *((value, label) for value, label in _TTFT_TICKS if value > 1.1 * low)]


def _distribution(turns: Sequence[Turn], system: str, style: int, kind: str) -> svg.Series:
    values = [each for turn in turns if turn.system == system for part in values_of(turn, kind, 0.0) for each in part]
    return svg.Series(system, style, svg.distribution(values, is_tail=kind == "gap"))


def _timeline(report: Report, condition: Condition, turns: Sequence[Turn], styles: dict[str, int]) -> str:
    """Tokens per bin over time, of the first round."""
    first = [turn for turn in turns if turn.round == 0]
    seconds = _seconds(first)
    series = [svg.Series(turn.system, styles[turn.system], _arrivals(turn, seconds)) for turn in first]
    top = max((y for each in series for _, y in each.points), default=1.0) or 1.0
    x = svg.Axis("seconds from the first request", 0.0, seconds, [(float(n), str(n)) for n in range(int(seconds) + 1)])
    y = svg.Axis("tokens per second", 0.0, top, [(0.0, "0"), (top / 2, f"{top / 2:.0f}"), (top, f"{top:.0f}")])
    return svg.chart(series, x, y, shade=_shade(condition))


def _arrivals(turn: Turn, seconds: float) -> list[tuple[float, float]]:
    counts = [0] * (int(seconds / _BIN) + 1)
    for reply in turn.replies:
        for at in reply.arrivals:
            counts[int(min(max(at, 0.0), seconds) / _BIN)] += 1
    return [((index + 0.5) * _BIN, count / _BIN) for index, count in enumerate(counts)]


def _shade(condition: Condition) -> tuple[float, float] | None:
    happening = condition.happening()
    return (EVENT_AT, EVENT_AT + happening.seconds) if happening else None


def _seconds(turns: Sequence[Turn]) -> float:
    return max((reply.ended for turn in turns for reply in turn.replies), default=1.0)


def _strips(report: Report, condition: Condition, turns: Sequence[Turn]) -> str:
    """A panel for each system: the first round's streams, requests of one stream in one row."""
    first = [turn for turn in turns if turn.round == 0]
    first.sort(key=lambda turn: report.plan.systems.index(turn.system))
    seconds = min(_seconds(first), report.plan.load.seconds + 5.0)
    panels = []
    for turn in first:
        streams = [_strip(turn, number, report.plan.load.streams) for number in range(report.plan.load.streams)]
        drawn = svg.strips(streams, seconds, shade=_shade(condition))
        panels.append(f"<div><h3>{escape(turn.system)}</h3>{drawn}</div>")
    keys = "".join(f'<span><i class="key g{grade}"></i>{escape(name)}</span>' for grade, (_, name) in enumerate(GRADES))
    title = "<h3>Every stream over time: gaps between its tokens, in milliseconds</h3>"
    return f'{title}<div class="legend">{keys}</div><div class="plots">{"".join(panels)}</div>'


def _strip(turn: Turn, stream: int, streams: int) -> svg.Strip:
    spans: list[tuple[float, float, int]] = []
    for reply in turn.replies:
        if reply.index % streams == stream:
            spans += _spans(reply)
    return spans


def _spans(reply: Reply) -> list[tuple[float, float, int]]:
    at = reply.arrivals[0] if reply.arrivals else 0.0
    spans = [(at, max(at, reply.ended), 0)] if reply.arrivals else []
    for gap in reply.gaps():
        grade = next((n for n, (top, _) in enumerate(GRADES[:-1]) if 1000.0 * gap <= top), len(GRADES) - 1)
        if grade:
            spans.append((at, at + gap, grade))
        at += gap
    return spans
