"""Plots as SVG text. Colours are CSS variables of the page, so that they follow light and dark.

A plot is a list of elements inside a fixed frame; `Scale` turns a value into a position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 14, 40
COLOURS = 8
"""How many colours the page has; systems beyond them are dashed."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low`…`high` to `start`…`end`, in equal steps or equal ratios. What lies outside is put on the edge."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.is_log:
            part = log10(value / self.low) / log10(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Series:
    """A named line through (x, y); `style` is its number, which decides colour and dashes."""

    name: str
    style: int
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """`ticks` are (value, label)."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False


MILLISECONDS = ((10.0, "10"), (30.0, "30"), (100.0, "100"), (300.0, "300"), (1e3, "1 s"), (3e3, "3 s"), (1e4, "10 s"))


def chart(series: Sequence[Series], x: Axis, y: Axis, *, shade: tuple[float, float] | None = None) -> str:
    """Lines in a frame with a grid; `shade` is a span of x to mark."""
    across = Scale(x.low, x.high, _LEFT, WIDTH - _RIGHT, x.is_log)
    upward = Scale(y.low, y.high, HEIGHT - _BOTTOM, _TOP, y.is_log)
    parts = [_open(WIDTH, HEIGHT, f"{y.title} over {x.title}")]
    if shade is not None:
        left, right = across.at(shade[0]), across.at(shade[1])
        parts.append(
            f'<rect class="shade" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" '
            f'height="{HEIGHT - _TOP - _BOTTOM}"/>'
        )
    parts += _grid(x, y, across, upward)
    parts += [_line(each, across, upward) for each in series if each.points]
    return "".join(parts) + "</svg>"


def _open(width: float, height: float, label: str) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'


def _grid(x: Axis, y: Axis, across: Scale, upward: Scale) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value, label in x.ticks:
        if x.low <= value <= x.high:
            at = across.at(value)
            parts.append(f'<line class="grid" x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{bottom}"/>')
            parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{label}</text>')
    for value, label in y.ticks:
        at = upward.at(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.title)}</text>')
    centre = (_TOP + bottom) / 2
    turned = f'transform="translate(13 {centre}) rotate(-90)"'
    parts.append(f'<text class="axis" {turned} text-anchor="middle">{escape(y.title)}</text>')
    return parts


def _line(series: Series, across: Scale, upward: Scale) -> str:
    path = " ".join(f"{across.at(x):.1f},{upward.at(y):.1f}" for x, y in series.points)
    return f'<polyline class="{style(series.style)}" points="{path}"><title>{escape(series.name)}</title></polyline>'


def style(number: int) -> str:
    """The CSS classes of a series."""
    return f"line c{number % COLOURS}" + (" dashed" if number >= COLOURS else "")


def distribution(values: Sequence[float], *, is_tail: bool, steps: int = 160) -> list[tuple[float, float]]:
    """(value, share of values up to it), or with `is_tail` the share beyond it, thinned out towards the tail's end."""
    ordered = sorted(values)
    count = len(ordered)
    points: list[tuple[float, float]] = []
    wanted = {round(count * step / steps) for step in range(steps + 1)}
    wanted |= {count - round(count * 10 ** (-4.0 * step / steps)) for step in range(steps + 1)}
    for rank in sorted(each for each in wanted if 0 <= each < count):
        share = rank / count
        points.append((ordered[rank], 1.0 - share if is_tail else (rank + 1) / count))
    return points


Strip = Sequence[tuple[float, float, int]]
"""Spans (from, to, class) of one stream, later ones over earlier ones."""
ROW = 7


def strips(streams: Sequence[Strip], seconds: float, *, shade: tuple[float, float] | None = None) -> str:
    """One row per stream, coloured where its tokens were late."""
    height = ROW * len(streams) + 18
    across = Scale(0.0, seconds, 12.0, WIDTH - 14.0)
    parts = [_open(WIDTH, height, "gaps of each stream over time")]
    parts.append(f'<rect class="panel" x="4" y="0" width="{WIDTH - 8}" height="{ROW * len(streams)}"/>')
    if shade is not None:
        left, right = across.at(shade[0]), across.at(shade[1])
        rows_height = ROW * len(streams)
        parts.append(f'<rect class="shade" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{rows_height}"/>')
    for number, strip in enumerate(streams):
        for begin, end, grade in strip:
            left, right = across.at(begin), across.at(end)
            parts.append(
                f'<rect class="g{grade}" x="{left:.1f}" y="{ROW * number + 1}" '
                f'width="{max(0.8, right - left):.1f}" height="{ROW - 2}"/>'
            )
    for second in range(0, int(seconds) + 1, max(1, int(seconds) // 8)):
        at = across.at(float(second))
        parts.append(f'<text class="tick" x="{at:.1f}" y="{height - 4}" text-anchor="middle">{second} s</text>')
    return "".join(parts) + "</svg>"
