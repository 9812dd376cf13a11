"""`farline demo`: one run, from its first process to its summary."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rich.console import Console

from netem.aio.namespaces import LabError
from netem.demo.aio.children import ChildError
from netem.demo.aio.performance import Performance, Traffic
from netem.demo.aio.stage import Plan, namespaces, relays
from netem.demo.board import Board, LineState
from netem.demo.screen import closing, plain_row
from netem.demo.script import Step, parse_script
from netem.demo.sdk import Patience
from netem.demo.show import Show, summary

LINES = (LineState("cn2", "cn2", 80), LineState("cmi", "cmi-evening", 15), LineState("net", "internet-evening", 5))
"""The best line first: it is also the one that the direct side uses."""
THINK = 0.3
"""The provider's time until the first token, in seconds."""
_REST = 0.7  # between a stream's end, on a good line, and the next begin of its slot


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asks for. `seconds` 0: until told to stop."""

    seconds: float
    steps: tuple[Step, ...]
    streams: int
    lines: tuple[LineState, ...]
    is_rootless: bool
    is_json: bool
    tokens: int
    rate: float
    seed: int
    patience: Patience

    @property
    def period(self) -> float:
        """From one begin of a slot to its next, unless a stream takes longer."""
        return THINK + self.tokens / self.rate + _REST


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the live demo."""
    parser.add_argument("--seconds", type=float, default=0.0, help="how long (default: until q or Ctrl-C)")
    parser.add_argument(
        "--script",
        default="",
        metavar="STEPS",
        help='what happens: "5:blackhole cn2,10:heal cn2,12:profile cn2 grid-5"',
    )
    parser.add_argument("--lines", type=int, choices=(2, 3), default=3, help="farline's lines (default 3)")
    parser.add_argument("--streams", type=int, default=4, help="at a time on each side (default 4)")
    parser.add_argument("--tokens", type=int, default=60, help="in a reply (default 60)")
    parser.add_argument("--tokens-per-second", type=float, default=30.0, help="of a reply (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the lines' luck (default 1)")
    parser.add_argument("--rootless", action="store_true", help="relays on loopback, even with root")
    parser.add_argument("--json", action="store_true", help="no screen; print the summary as JSON")


def run(args: argparse.Namespace, edge: Sequence[str]) -> int:
    """Show it. `edge` is a node's command without its configuration's path. 2: bad arguments, 1: can't be built."""
    try:
        settings = _settings(args)
    except ValueError as wrong:
        return _refuse(str(wrong), 2)
    logging.getLogger("netem").addHandler(logging.NullHandler())  # the screen is no place for a relay's warnings
    try:
        asyncio.run(_run(settings, tuple(edge)))
    except (LabError, ChildError, OSError) as fault:
        return _refuse(str(fault), 1)
    return 0


def _refuse(text: str, code: int) -> int:
    print(f"farline demo: {text}", file=sys.stderr)
    return code


def _settings(args: argparse.Namespace) -> Settings:
    if args.seconds < 0 or not 0 < args.streams <= 64 or args.tokens < 1 or args.tokens_per_second <= 0:
        raise ValueError("--seconds, --streams (at most 64), --tokens and --tokens-per-second must be positive")
    lines = LINES[: args.lines]
    return Settings(
        seconds=args.seconds,
        steps=parse_script(args.script, tuple(line.id for line in lines)),
        streams=args.streams,
        lines=lines,
        is_rootless=args.rootless or os.geteuid() != 0,
        is_json=args.json,
        tokens=args.tokens,
        rate=args.tokens_per_second,
        seed=args.seed,
        patience=Patience(),
    )


async def _run(settings: Settings, edge: tuple[str, ...]) -> None:
    plan = Plan(settings.lines, edge, settings.tokens, settings.rate, THINK, settings.seed)
    traffic = Traffic(settings.tokens, settings.period)
    build = relays if settings.is_rootless else namespaces
    if sys.stdout.isatty() and not settings.is_json:
        print("farline demo: starting a provider, bad lines and an edge …", flush=True)
    show: Show | None = None
    with _signals():
        try:
            async with build(plan) as stage:
                show = Show(Board(plan.lines), stage.name, settings.streams, settings.patience, _now())
                await Performance(show, stage, traffic, settings.steps).run(settings.seconds, settings.is_json)
        except asyncio.CancelledError:  # a signal: everything has been taken down, what was seen can still be told
            pass
    if show is not None:
        _conclude(show, settings.is_json)


@contextmanager
def _signals() -> Iterator[None]:
    """The first signal to end cancels this task; what comes while it takes things down is ignored."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end() -> None:
        if not task.cancelling():
            task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _conclude(show: Show, is_json: bool) -> None:
    now = show.ended_at or show.began_at
    if is_json:
        print(json.dumps(summary(show, now), indent=2), flush=True)
        return
    console = Console()
    with suppress(OSError):  # whoever was looking may have left
        if console.is_terminal:
            console.print(closing(show, now))
        else:
            print(plain_row(show, now), f"farline's streams: {dict(show.farline.paths)}", sep="\n", flush=True)
