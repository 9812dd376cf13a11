"""A line's round trips and losses as SVG that stands alone: in a page, or as a file that Markdown shows."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_SEEN, _LOST, _GROUND = "#1d6b3a", "#c3201d", "#f6f7f8"


def label(line: str, charts: Mapping[str, Any]) -> str:
    """What the plot shows, in words; "" without any figure."""
    known = _known(charts["series"].get(line, {}))
    return f"{line}: median round trip {known[len(known) // 2]:.0f} ms" if known else ""


def plot(line: str, charts: Mapping[str, Any], wide: int = 640, high: int = 90) -> str:
    """Its medians; "" without any."""
    series = charts["series"].get(line, {"at": []})
    begins, ends = charts["begins"], max(charts["ends"], charts["begins"] + 1)
    known = _known(series)
    if not known:
        return ""
    low, top = known[0] * 0.9, known[int(len(known) * 0.98)] * 1.15
    parts = [f'<rect width="{wide}" height="{high}" fill="{_GROUND}"/>']
    for place, at in enumerate(series["at"]):
        x = (at - begins) / (ends - begins) * wide
        value, lost = series["rtt_p50_ms"][place], series["loss"][place] or 0.0
        if value is not None:
            y = high - 12 - min(1.0, (value - low) / (top - low)) * (high - 24)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.2" fill="{_SEEN}"/>')
        if lost > 0.01:
            parts.append(f'<rect x="{x:.1f}" y="{high - 8}" width="2" height="8" fill="{_LOST}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" '
        f'aria-label="{escape(label(line, charts))}">{"".join(parts)}</svg>'
    )


def _known(series: Mapping[str, Any]) -> list[float]:
    """Ascending."""
    return sorted(value for value in series.get("rtt_p50_ms", ()) if value is not None)
