"""A report as HTML (plots inside, no script) and as Markdown (plots beside it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Plot:
    """`name` is fit for a file's."""

    name: str
    text: str
    svg: str


@dataclass(frozen=True, slots=True)
class Section:
    """A table, and perhaps plots and a note."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    plots: Sequence[Plot] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    title: str
    summary: str
    sections: Sequence[Section]


_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:860px;margin:2em auto;padding:0 1em;color:#1b2128}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:right;padding:3px 10px;border-bottom:1px solid #dfe3e7}"
    "td:first-child,th:first-child{text-align:left}figure{margin:8px 0}figcaption{color:#56616d;font-size:12px}"
    "svg{width:100%}.note{color:#56616d;font-size:12px}"
)


def html(report: Report) -> str:
    """A page of its own."""
    parts = [f"<h1>{escape(report.title)}</h1><p>{escape(report.summary)}</p>"]
    for section in report.sections:
        head = "".join(f"<th scope=col>{escape(each)}</th>" for each in section.columns)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in section.rows)
        plots = "".join(
            f"<figure><figcaption>{escape(plot.text)}</figcaption>{plot.svg}</figure>" for plot in section.plots
        )
        note = f"<p class=note>{escape(section.note)}</p>" if section.note else ""
        parts.append(f"<h2>{escape(section.title)}</h2><table><tr>{head}</tr>{rows}</table>{plots}{note}")
    head = f"<meta charset=utf-8><title>{escape(report.title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def plots(report: Report) -> dict[str, str]:
    """Files that `markdown` refers to, by name."""
    return {f"report-{plot.name}.svg": plot.svg for section in report.sections for plot in section.plots}


def markdown(report: Report) -> str:
    """The same; plots are files beside it."""
    lines = [f"# {report.title}", "", report.summary, ""]
    for section in report.sections:
        lines += [f"## {section.title}", "", _row(section.columns), _row(["---"] * len(section.columns))]
        lines += [*(_row(row) for row in section.rows), ""]
        for plot in section.plots:
            lines += [f"![{plot.text}](report-{plot.name}.svg)", ""]
        lines += [section.note, ""] if section.note else []
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
