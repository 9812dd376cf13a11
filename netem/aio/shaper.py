"""The tc backend: the kernel carries the packets; this loop changes its queueing disciplines when conditions change."""

import select
import time
from collections.abc import Callable, Mapping, Sequence

from netem.aio.namespaces import run
from netem.link.conditions import Conditions, Profile
from netem.link.event import DIRECTIONS
from netem.link.link import Link
from netem.tc import tc_commands

_FOREVER = 3600.0


class Shaper:
    """`namespaces` are those that hold the sending end of "up" and of "down"; a device is called as its line."""

    def __init__(
        self, links: Mapping[str, Link], namespaces: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.links = links
        self._namespaces = namespaces
        self._clock = clock
        self._origin = clock()
        self._applied: dict[tuple[str, str], Conditions] = {}
        for link in links.values():
            for direction in DIRECTIONS:
                tc_commands("", link.lane(direction).conditions)  # refuses what tc can't do before anything is made
        self._apply()

    def now(self) -> float:
        """Lab time."""
        return self._clock() - self._origin

    def start(self) -> None:
        """Lab time is 0 now, for events and traces; the kernel's own luck goes on."""
        self._origin = self._clock()
        for link in self.links.values():
            link.restart()

    def troubles(self) -> dict[str, int]:
        """The kernel doesn't tell."""
        return {}

    def check(self, profile: Profile) -> None:
        """Raises ValueError if tc can't do the profile."""
        for conditions in (profile.up, profile.down):
            tc_commands("", conditions)

    def step(self, others: Sequence[int]) -> list[int]:
        """Put in force what is due, then wait for the next change or a descriptor; returns those ready to be read."""
        self._apply()
        wait = min((link.advance(self.now()) for link in self.links.values()), default=_FOREVER) - self.now()
        return select.select(others, (), (), min(max(wait, 0.0), _FOREVER))[0]

    def _apply(self) -> None:
        now = self.now()
        for id, link in self.links.items():
            link.advance(now)
            for direction in DIRECTIONS:
                conditions = link.lane(direction).conditions
                if self._applied.get((id, direction)) != conditions:
                    self._put(id, direction, conditions)

    def _put(self, id: str, direction: str, conditions: Conditions) -> None:
        namespace = self._namespaces[direction]
        if (id, direction) in self._applied:
            run(["tc", "-n", namespace, "qdisc", "delete", "dev", id, "root"])
        self._applied[id, direction] = conditions
        for command in tc_commands(id, conditions):
            run(["tc", "-n", namespace, *command])
