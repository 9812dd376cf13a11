"""A whole line: both directions, its events and its trace, on one time axis."""

from collections.abc import Iterable
from math import inf

from netem.link.conditions import Conditions, Profile
from netem.link.event import DIRECTIONS, Direction, Event
from netem.link.lane import Delivery, Lane

Trace = tuple[tuple[float, Profile], ...]


class Link:
    """`Link(profile, seed, name).offer("down", size, flow, now)` → deliveries.

    `now` is lab time in seconds from 0 and never goes back. No clock, no sockets: whoever owns the link offers it each
    packet when it comes, and hands it on at the times returned.
    """

    def __init__(self, profile: Profile, seed: int, name: str = "line", *, trace: Trace = ()) -> None:
        self._profile = profile
        self._trace = trace
        self._events: list[Event] = []
        self._lanes: dict[Direction, Lane] = {
            "up": Lane(profile.up, seed, f"{name}/up"),
            "down": Lane(profile.down, seed, f"{name}/down"),
        }
        self._changes_at = 0.0
        self._rebinds = 0
        self.meddles = False
        """True while packets are to be answered or rewritten, not only delayed and lost; kept by `advance`."""

    def restart(self) -> None:
        """Lab time begins at 0 again, with the same luck as at first."""
        for lane in self._lanes.values():
            lane.restart()
        self._changes_at = 0.0

    def lane(self, direction: Direction) -> Lane:
        """One direction, for its tally and conditions."""
        return self._lanes[direction]

    def offer(self, direction: Direction, size: int, flow: bytes, now: float) -> tuple[Delivery, ...]:
        """As `Lane.offer`, under the conditions that events and trace put in force at `now`."""
        if now >= self._changes_at:
            self.advance(now)
        return self._lanes[direction].offer(size, flow, now)

    def advance(self, now: float) -> float:
        """Put the conditions of `now` in force; returns when they change next (inf: never by themselves)."""
        if now >= self._changes_at:
            profile, next_step = self._step(now)
            for direction in DIRECTIONS:
                conditions = getattr(profile, direction)
                for event in self._events:
                    if event.is_active(direction, now):
                        conditions = event.bend(conditions)
                self._lanes[direction].change(conditions)
            self._rebinds = sum(event.kind == "nat-rebind" and event.at <= now for event in self._events)
            self.meddles = self._rebinds > 0 or any(_is_answered(lane.conditions) for lane in self._lanes.values())
            self._changes_at = min((event.next_change(now) for event in self._events), default=inf)
            self._changes_at = min(self._changes_at, next_step)
        return self._changes_at

    def add(self, events: Iterable[Event]) -> None:
        """Let these happen; they may begin in the past."""
        self._events.extend(events)
        self._changes_at = 0.0

    def clear_events(self) -> None:
        """Forget all events: the line is as its profile or trace says."""
        self._events.clear()
        self._changes_at = 0.0

    def set_profile(self, profile: Profile) -> None:
        """Another profile from now on; it takes the place of a trace, events stay."""
        self._profile = profile
        self._trace = ()
        self._changes_at = 0.0

    @property
    def rebinds(self) -> int:
        """How often a NAT on this line has changed its mappings."""
        return self._rebinds

    def _step(self, now: float) -> tuple[Profile, float]:
        profile = self._profile
        for at, step in self._trace:
            if at > now:
                return profile, at
            profile = step
        return profile, inf


def _is_answered(conditions: Conditions) -> bool:
    return conditions.tcp_reset or bool(conditions.mtu and conditions.mtu_icmp)
