"""Which lines are dark right now, and who must hear of it at once: every request that isn't answered yet.

dark[line]   True: down (dead beyond doubt); False: suspected. Lines that are neither aren't in it. Relays of which
             nothing is heard over any line are, by `Path.way`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

from edge.attempts.events import LineDark
from health.standing import Standing
from health.view import HealthView, LineHealth
from transport.path import relay_end


class Waiting(Interface):
    """A request that isn't answered yet."""

    def feed(self, event: LineDark) -> None: ...


class LineWatch:
    """One per node. Adding and removing a request is O(1); telling all of them is for the rare moment."""

    __slots__ = ("_on_down", "_on_light", "dark", "waiting")

    def __init__(
        self, on_down: Callable[[str], None] = lambda line: None, on_light: Callable[[str], None] = lambda line: None
    ) -> None:
        """`on_down` hears of a line that is down before the requests do, `on_light` of one that isn't dark any more; of
        relays too."""
        self._on_down = on_down
        self._on_light = on_light
        self.dark: dict[str, bool] = {}
        self.waiting: set[Waiting] = set()

    def update(self, view: HealthView) -> None:
        """Takes the lines' state from `view` and tells those whom it concerns."""
        ways = dict(view.lines)
        ways.update((relay_end(relay), health.way) for relay, health in view.relays.items())
        now_dark = {
            way: health.standing is Standing.EJECTED for way, health in ways.items() if self._is_dark(way, health)
        }
        worse = [line for line, is_down in now_dark.items() if self.dark.get(line) not in (is_down, True)]
        better = [line for line in self.dark if line not in now_dark]
        self.dark.clear()
        self.dark.update(now_dark)
        for line in worse:
            if now_dark[line]:
                self._on_down(line)
            for request in tuple(self.waiting):
                request.feed(LineDark(line))
        for line in better:
            self._on_light(line)

    def _is_dark(self, line: str, health: LineHealth) -> bool:
        """Suspected of silence, or ejected after it was suspected. A line that was ejected because its connections
        break still carries what it carries: nobody need leave it in a hurry."""
        return health.is_suspected or (health.standing is Standing.EJECTED and line in self.dark)
