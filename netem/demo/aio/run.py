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
from math import ceil

from rich.console import Console
from rich.live import Live

from netem.aio.namespaces import LabError
from netem.demo.aio.children import ChildError
from netem.demo.aio.keyboard import keys
from netem.demo.aio.stage import Plan, Stage, namespaces, relays
from netem.demo.aio.traffic import Client
from netem.demo.board import Board, LineState
from netem.demo.course import Side
from netem.demo.exposition import standings
from netem.demo.screen import plain_row, screen
from netem.demo.script import Step, parse_script
from netem.demo.sdk import Patience
from netem.demo.show import Show, summary

LINES = (LineState("cn2", "cn2", 80), LineState("cmi", "cmi-evening", 15), LineState("net", "internet-evening", 5))
"""The best line first: it is also the one that the direct side uses."""
THINK = 0.3
"""The provider's time until the first token, in seconds."""
_REST = 0.7  # between a stream's end, on a good line, and the next begin of its slot
_FRAME = 0.125
_ROW = 2.0
_POLL = 0.5


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
    build = relays if settings.is_rootless else namespaces
    if sys.stdout.isatty():
        print("farline demo: starting a provider, bad lines and an edge …", flush=True)
    show: Show | None = None
    with _signals():
        try:
            async with build(plan) as stage:
                show = Show(Board(plan.lines), stage.name, settings.streams, settings.patience, _now())
                await Performance(show, stage, settings).run()
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
    with suppress(BrokenPipeError):
        if is_json:
            print(json.dumps(summary(show, now), indent=2), flush=True)
        else:
            print(plain_row(show, now), f"farline's streams: {dict(show.farline.paths)}", sep="\n", flush=True)


class Performance:
    """One run on a stage that is ready."""

    def __init__(self, show: Show, stage: Stage, settings: Settings) -> None:
        self._show = show
        self._stage = stage
        self._settings = settings
        self._ended = asyncio.Event()
        self._clients = {
            "direct": Client(stage.direct, settings.patience, "direct", path=settings.lines[0].id),
            "farline": Client(stage.farline, settings.patience, "farline"),
        }
        self._admin = Client(stage.admin, Patience(connect=2, read=2, retries=0), "admin")

    async def run(self) -> None:
        """Until the time is over or somebody wants to quit."""
        works = [self._act(), self._poll(), self._display()]
        for name, side in self._show.sides().items():
            works += [self._slot(self._clients[name], side, slot) for slot in range(self._settings.streams)]
        try:
            with keys(self._press):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(work) for work in works]
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.seconds or None):
                            await self._ended.wait()
                    for task in tasks:
                        task.cancel()
        finally:
            self._show.ended_at = _now()
            for client in (*self._clients.values(), self._admin):
                client.close()

    async def _slot(self, client: Client, side: Side, slot: int) -> None:
        """Streams one after the other, begun at the same moments on both sides as long as they last no longer."""
        period = self._settings.period
        offset = self._show.began_at + 0.3 + slot * period / self._settings.streams
        while True:
            serial = max(0, ceil((_now() - offset) / period))
            await asyncio.sleep(offset + serial * period - _now())
            if not self._show.board.is_paused:
                course = side.begin(slot, serial, self._settings.tokens, _now())
                await client.stream(course)
            else:
                await asyncio.sleep(_FRAME)

    async def _act(self) -> None:
        """The script."""
        for step in self._settings.steps:
            await asyncio.sleep(self._show.began_at + step.at - _now())
            self._changed(self._show.board.obey(step.order))

    def _press(self, key: str) -> None:
        changed = self._show.board.press(key)
        if changed is not None:
            self._changed(changed)
        if self._show.board.wants_to_quit:
            self._ended.set()

    def _changed(self, line: LineState) -> None:
        self._stage.put(line)
        self._show.changed(line, _now())

    async def _poll(self) -> None:
        """The edge's own picture of its lines."""
        while True:
            with suppress(OSError):
                self._show.learn(standings(await self._admin.get("/metrics")), _now())
            await asyncio.sleep(_POLL)

    async def _display(self) -> None:
        if self._settings.is_json:
            return
        console = Console()
        if not console.is_terminal:
            await self._print_rows()
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(screen(self._show, _now(), console.height), refresh=True)
                await asyncio.sleep(_FRAME)

    async def _print_rows(self) -> None:
        """For a pipe: a row every two seconds, and what happened."""
        told = 0
        while True:
            await asyncio.sleep(_ROW)
            events = list(self._show.events)
            for at, text in events[told:]:
                print(f"{at:6.1f} s | {text}")
            told = len(events)
            print(plain_row(self._show, _now()), flush=True)
