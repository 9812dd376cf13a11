"""The screen: a `Show` as rich renderables, legible from 80 × 24 on."""

from collections.abc import Iterable, Mapping

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from netem.demo.board import Board, LineState
from netem.demo.course import CUT, DONE, FAILED, FLOWING, STALL, WAITING, Course, Side
from netem.demo.figures import RECENT, Figures
from netem.demo.show import Show
from netem.profiles import profile

_COLOURS = {"direct": "yellow", "farline": "cyan"}
_SCRAPS = {"word": "", "stall": "bold red", "cut": "bold white on red", "failed": "bold white on red", "begin": "dim"}
_STATES = {WAITING: "yellow", FLOWING: "green", DONE: "dim green", CUT: "bold red", FAILED: "bold red"}
_STANDINGS = {"admitted": "green", "ejected": "bold red", "probation": "yellow"}
_SLOTS_SHOWN = 4
_EVENTS_SHOWN = 3
_KEYS = (("1-9", "cut/heal"), ("tab", "choose"), ("b", "brown-out"), ("r", "RTT"), ("p", "profile"))


def screen(show: Show, now: float, height: int) -> RenderableType:
    """Everything, `height` rows high; the text gets what the tables leave."""
    shown = min(_SLOTS_SHOWN, show.streams)
    fixed = 1 + 5 + (3 + len(show.board.lines)) + 1
    has_events = height >= fixed + shown + 2 + 5 + _EVENTS_SHOWN
    texts = max(2, height - fixed - shown - 2 - (_EVENTS_SHOWN if has_events else 0))
    parts: list[RenderableType] = [
        _title(show, now),
        _streams(show, now, texts, shown),
        _figures(show, now),
        _lines(show),
    ]
    if has_events:
        parts.append(_events(show))
    return Group(*parts, _footer(show.board))


def closing(show: Show, now: float) -> RenderableType:
    """What stays on the terminal when the screen is gone: the figures of the whole run."""
    times = {name: side.account.total for name, side in show.sides().items()}
    return _table(show, times, "the whole run", now)


class Tail:
    """The last rows of a text that is longer than its room."""

    def __init__(self, text: Text, rows: int) -> None:
        self._text = text
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wrapped = list(self._text.wrap(console, options.max_width))[-self._rows :]
        blank = [Text()] * (self._rows - len(wrapped))
        yield from (*wrapped, *blank)


def _title(show: Show, now: float) -> Table:
    seconds = int(now - show.began_at)
    about = f"{show.streams} streams a side · {show.stage} · {seconds // 60}:{seconds % 60:02d}"
    return _apart(
        Text(" farline demo", "bold"), Text("PAUSED ", "bold yellow") if show.board.is_paused else Text(about)
    )


def _apart(left: Text, right: Text) -> Table:
    row = Table.grid(expand=True)
    row.add_column(ratio=1, no_wrap=True, overflow="crop")
    row.add_column(justify="right", no_wrap=True)
    row.add_row(left, right)
    return row


def _streams(show: Show, now: float, texts: int, shown: int) -> Table:
    both = Table.grid(expand=True)
    both.add_column(ratio=1)
    both.add_column(ratio=1)
    first = show.board.lines[0].id
    titles = {"direct": f"direct over {first}", "farline": f"farline over {len(show.board.lines)} lines"}
    panels = (_side(show, name, side, titles[name], now, texts, shown) for name, side in show.sides().items())
    both.add_row(*panels)
    return both


def _side(show: Show, name: str, side: Side, title: str, now: float, texts: int, shown: int) -> Panel:
    text = Text()
    for scrap in side.scraps:
        text.append(scrap.text, _SCRAPS[scrap.kind])
        text.append(" ")
    _append_silence(text, side, now)
    rows = [_slot(course, now) for _, course in sorted(side.courses.items())[:shown]]
    rows += [Text()] * (shown - len(rows))
    return Panel(
        Group(Tail(text, texts), *rows),
        title=Text(title, f"bold {_COLOURS[name]}"),
        subtitle=Text(f"x-farline-path: {side.path or '–'}" if name == "farline" else "kept-alive, no edge", "dim"),
        border_style=_COLOURS[name],
        padding=(0, 1),
    )


def _append_silence(text: Text, side: Side, now: float) -> None:
    """What the first stream is doing at this moment, where its next word will stand."""
    course = side.courses.get(0)
    if course is None:
        return
    silence = course.silence(now)
    if silence > STALL:
        what = "waiting" if course.state == WAITING else "silent"
        text.append(f"{what} {silence:.1f} s", "black on yellow" if course.state == WAITING else "bold white on red")
    elif course.state in (FLOWING, WAITING):
        text.append("▌", "bold")


def _slot(course: Course, now: float) -> Text:
    """One stream: how far it is, which way it goes, how it is."""
    done = round(12 * course.received / course.expected)
    style = _STATES[course.state]
    silence = course.silence(now)
    state = course.state
    if course.state == FLOWING and silence > STALL:
        state, style = f"silent {silence:.1f} s", "bold red"
    elif course.state == WAITING:
        state = f"waiting {silence:.1f} s" if silence > STALL else "waiting"
    row = Text("━" * done, style, no_wrap=True, overflow="ellipsis")
    row.append("─" * (12 - done), "bright_black")
    row.append(f" {course.path.partition('/')[0]:<5.5} ", "bold")
    row.append(state, style)
    if course.tries > 1:
        row.append(f" try {course.tries}", "red")
    return row


def _figures(show: Show, now: float) -> Panel:
    times = {name: side.account.recent(now) for name, side in show.sides().items()}
    return _table(show, times, f"times: last {RECENT:g} s · counts: since the beginning", now)


def _table(show: Show, times: Mapping[str, Figures], title: str, now: float) -> Panel:
    """A row for each side: these times, and its counts since the beginning."""
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True)
    heads = ("TTFT p50", "p95", "gap p99", "stalls", "failed", "cut", "retries", "lost", "done")
    for _ in heads:
        table.add_column(justify="right", no_wrap=True)
    table.add_row("", *(Text(head, "dim") for head in heads))
    for name, side in show.sides().items():
        table.add_row(Text(name, f"bold {_COLOURS[name]}"), *_times(times[name]), *_counts(side, now))
    subtitle = Text(show.patience.in_words(), "dim")
    return Panel(table, title=Text(title, "dim"), subtitle=subtitle, border_style="bright_black")


def _times(figures: Figures) -> Iterable[Text]:
    yield _time(figures.ttft.quantile(0.5), 1.0)
    yield _time(figures.ttft.quantile(0.95), 1.0)
    yield _time(figures.gaps.quantile(0.99), STALL)


def _counts(side: Side, now: float) -> Iterable[Text]:
    total = side.account.total
    for number in (side.stalls(now), total.failed, total.cut, total.retries, total.lost + total.repeated):
        yield Text(str(number), "bold red" if number else "")
    yield Text(str(total.completed))


def _time(seconds: float | None, limit: float) -> Text:
    if seconds is None:
        return Text("–", "dim")
    words = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    return Text(words, "bold red" if seconds > limit else "")


def _lines(show: Show) -> Panel:
    table = Table.grid(expand=True, padding=(0, 1))
    for justify in ("left", "left", "right", "right", "left", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    heads = ("  line", "profile", "RTT", "loss", "fault in force", "standing", "share", "now")
    table.add_row(*(Text(head, "dim") for head in heads))
    total = sum(line.weight for line in show.board.lines) or 1
    on_line = show.streams_by_line()
    for number, line in enumerate(show.board.lines):
        share = f"{100 * line.weight / total:.0f} %"
        table.add_row(
            *_line(show, number, line), Text(share, "dim"), "●" * min(6, on_line[line.id]) or Text("·", "dim")
        )
    title = Text("lines", "bold")
    return Panel(table, title=title, border_style="bright_black")


def _line(show: Show, number: int, line: LineState) -> Iterable[Text]:
    is_chosen = number == show.board.chosen
    yield Text(f"{'▸' if is_chosen else ' '}{number + 1} {line.id}", "bold" if is_chosen else "")
    planned, real = profile(line.profile), line.in_force()
    yield Text(line.profile)
    yield Text(f"{real.rtt_ms:.0f} ms", "bold red" if real.rtt_ms > planned.rtt_ms else "dim")
    loss = real.down.mean_loss
    yield Text(f"{loss:.0%}" if loss == 1 else f"{loss:.1%}", "bold red" if loss > planned.down.mean_loss else "dim")
    yield Text(" + ".join(fault.kind for fault in line.faults) or "–", "bold red" if line.faults else "dim")
    standing = show.standings.get(line.id, "")
    yield Text(standing, _STANDINGS.get(standing, "dim"))


def _events(show: Show) -> Group:
    last = list(show.events)[-_EVENTS_SHOWN:]
    rows = [Text(f" {at:7.1f} s  {text}", "dim", no_wrap=True, overflow="ellipsis") for at, text in reversed(last)]
    return Group(*rows, *([Text()] * (_EVENTS_SHOWN - len(rows))))


def _footer(board: Board) -> Text:
    row = Text(" ", no_wrap=True, overflow="ellipsis")
    for key, meaning in (*_KEYS, ("space", "go on" if board.is_paused else "pause"), ("q", "quit")):
        row.append(key.replace("9", str(len(board.lines))), "bold reverse" if len(key) == 1 else "bold")
        row.append(f" {meaning}  ", "dim")
    return row


def plain_row(show: Show, now: float) -> str:
    """One row of what the screen would show, for where there is no terminal."""
    cells = [f"{now - show.began_at:6.1f} s"]
    for name, side in show.sides().items():
        recent, total = side.account.recent(now), side.account.total
        ttft, gap = _time(recent.ttft.quantile(0.5), 0).plain, _time(recent.gaps.quantile(0.99), 0).plain
        troubles = f"stalls {side.stalls(now)} failed {total.failed} cut {total.cut} retries {total.retries}"
        cells.append(f"{name}: TTFT p50 {ttft} gap p99 {gap} {troubles} done {total.completed}")
    return " | ".join(cells)
