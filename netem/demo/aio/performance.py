"""One run on a stage that is ready: traffic on both sides, the script, the keys, the screen."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from math import ceil

from rich.console import Console
from rich.live import Live

from netem.aio.namespaces import LabError
from netem.demo.aio.keyboard import keys
from netem.demo.aio.stage import Stage
from netem.demo.aio.traffic import Client
from netem.demo.board import LineState
from netem.demo.course import Side
from netem.demo.exposition import standings
from netem.demo.screen import plain_row, screen
from netem.demo.script import Step
from netem.demo.sdk import Patience
from netem.demo.show import Show

_FRAME = 0.125
_ROW = 2.0
_POLL = 0.5
_FIRST = 0.3  # the first begin of all, after the screen is there


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is asked for, again and again: replies of `tokens`, begun in each slot every `period` seconds."""

    tokens: int
    period: float


class Performance:
    """One run. Its streams, screen and script are tasks of one group."""

    def __init__(self, show: Show, stage: Stage, traffic: Traffic, steps: tuple[Step, ...]) -> None:
        self._show = show
        self._stage = stage
        self._traffic = traffic
        self._steps = steps
        self._ended = asyncio.Event()
        self._clients = {
            "direct": Client(stage.direct, show.patience, "direct", path=show.board.lines[0].id),
            "farline": Client(stage.farline, show.patience, "farline"),
        }
        self._admin = Client(stage.admin, Patience(connect=2, read=2, retries=0), "admin")

    async def run(self, seconds: float, is_quiet: bool) -> None:
        """For so many seconds (0: without end), or until somebody wants to quit; `is_quiet`: show nothing."""
        works = [self._act(), self._poll()] if is_quiet else [self._act(), self._poll(), self._display()]
        for name, side in self._show.sides().items():
            works += [self._slot(self._clients[name], side, slot) for slot in range(self._show.streams)]
        try:
            with keys(self._press):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(work) for work in works]
                    with suppress(TimeoutError):
                        async with asyncio.timeout(seconds or None):
                            await self._ended.wait()
                    for task in tasks:
                        task.cancel()
        finally:
            self._show.ended_at = _now()
            for client in (*self._clients.values(), self._admin):
                client.close()

    async def _slot(self, client: Client, side: Side, slot: int) -> None:
        """Streams one after the other, begun at the same moments on both sides as long as they last no longer."""
        period, tokens = self._traffic.period, self._traffic.tokens
        offset = self._show.began_at + _FIRST + slot * period / self._show.streams
        while True:
            serial = max(0, ceil((_now() - offset) / period))
            await asyncio.sleep(offset + serial * period - _now())
            if not self._show.board.is_paused:
                course = side.begin(slot, serial, tokens, _now())
                await client.stream(course)
            else:
                await asyncio.sleep(_FRAME)

    async def _act(self) -> None:
        """The script."""
        for step in self._steps:
            await asyncio.sleep(self._show.began_at + step.at - _now())
            self._changed(self._show.board.obey(step.order))

    def _press(self, key: str) -> None:
        changed = self._show.board.press(key)
        if changed is not None:
            self._changed(changed)
        if self._show.board.wants_to_quit:
            self._ended.set()

    def _changed(self, line: LineState) -> None:
        self._show.changed(line, _now())
        try:
            self._stage.put(line)
        except LabError as fault:
            self._show.tell(f"the lab: {fault}", _now())

    async def _poll(self) -> None:
        """The edge's own picture of its lines."""
        while True:
            with suppress(OSError):
                self._show.learn(standings(await self._admin.get("/metrics")), _now())
            await asyncio.sleep(_POLL)

    async def _display(self) -> None:
        console = Console()
        try:
            await (self._draw(console) if console.is_terminal else self._print_rows())
        except OSError:  # the terminal is gone, or the pipe's reader
            self._ended.set()

    async def _draw(self, console: Console) -> None:
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
