"""What is played, as values.

A *happening* strikes the line that carries the traffic (or another part, see `strikes`) `EVENT_AT` seconds after the
first request. A *turn* is one happening in a lab of its own; the turn without any, under the same seed, is its
reference: request k starts at the same moment in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from netem.bench.plan import Load
from netem.link.event import Event
from netem.profiles import PROFILES, profile

LINES = {"cn2": "ref-cn2", "cu2": "ref-cu2", "day": "ref-day"}
"""The lines of an ordinary turn and their profiles: 150, 170 and 220 ms, 0.3, 1 and 5 % loss."""
EVENT_AT = 6.0
"""Seconds after the first request; time enough for a policy to settle."""
_DIAL_AND_END = 11.0  # starting and ending a turn's processes, and its last replies, seconds

Strikes = Literal["active", "two", "all", "provider", "nothing"]
"""Whom: the line with most of the traffic, it and the next one, every line, one endpoint of the provider, nobody."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs in the edge's file between turns. Turns of one setting share a reference."""

    protocols: tuple[str, ...] = ("h2", "http/1.1")
    endpoints: int = 1


PLAIN = Setting()
QUIC = Setting(protocols=("h3", "h2", "http/1.1"))
TWO_ENDPOINTS = Setting(endpoints=2)


@dataclass(frozen=True, slots=True)
class Happening:
    """`seconds` is how long it lasts; `after` how long requests go on starting once it is over.

    event        what happens to each line struck, or None
    profile      what each line struck is like for the while, or ""
    orders       the provider's standing order on its first endpoint for the while (an `x-sim` header), or ""
    may_fail     nothing overseas can be reached: requests may be refused
    """

    name: str
    seconds: float = 0.0
    after: float = 12.0
    strikes: Strikes = "active"
    event: Event | None = None
    profile: str = ""
    orders: str = ""
    setting: Setting = PLAIN
    may_fail: bool = False

    @property
    def begins(self) -> float:
        return EVENT_AT

    @property
    def ends(self) -> float:
        return EVENT_AT + self.seconds

    @property
    def window(self) -> float:
        """Seconds in which requests start."""
        return self.ends + self.after


def reference(setting: Setting, happenings: Iterable[Happening]) -> Happening:
    """The turn without an event, as long as the longest of those that are compared with it."""
    longest = max(each.window for each in happenings if each.setting == setting)
    return Happening("no event", after=longest - EVENT_AT, strikes="nothing", setting=setting)


def _outage(seconds: float, after: float) -> Happening:
    return Happening(f"blackhole {seconds:g} s", seconds, after, event=Event("blackhole", seconds=seconds))


def _turned(name: str) -> Happening:
    """The line becomes like that profile for a while."""
    setting = QUIC if name.startswith("udp-") else PLAIN
    strikes: Strikes = "two" if name == "shared-fate" else "active"
    return Happening(f"profile {name}", 15.0, strikes=strikes, profile=name, setting=setting)


def _provider(name: str, seconds: float, orders: str) -> Happening:
    return Happening(name, seconds, strikes="provider", orders=orders, setting=TWO_ENDPOINTS)


_PROFILES = tuple(name for name in PROFILES if name not in ("perfect", "clean") and not name.startswith("ref-"))

HAPPENINGS: dict[str, Happening] = {
    each.name: each
    for each in (
        _outage(0.3, 8.0),
        _outage(1.0, 8.0),
        _outage(5.0, 15.0),
        _outage(30.0, 30.0),
        Happening("one-way blackhole 5 s", 5.0, 15.0, event=Event("blackhole", seconds=5.0, scope="down")),
        Happening("rtt +80", 12.0, event=Event("rtt-step", seconds=12.0, rtt_ms=80.0)),
        Happening("rtt +200", 12.0, event=Event("rtt-step", seconds=12.0, rtt_ms=200.0)),
        Happening("flap 2 s", 12.0, 15.0, event=Event("flap", seconds=12.0, period=2.0)),
        Happening("tcp resets 1 s", 1.0, event=Event("tcp-reset", seconds=1.0)),
        Happening("nat rebinding", event=Event("nat-rebind"), setting=QUIC),
        Happening("mtu 1400", 10.0, event=Event("mtu", seconds=10.0, mtu=1400)),
        _provider("provider resets 3 s", 3.0, "fault=reset,after=10"),
        _provider("provider 503 5 s", 5.0, "status=503"),
        _provider("provider 429 5 s", 5.0, "status=429,retry_after=1"),
        Happening("all lines cut 20 s", 20.0, 20.0, "all", event=Event("blackhole", seconds=20.0), may_fail=True),
        *map(_turned, _PROFILES),
    )
}

QUICK = ("blackhole 1 s", "blackhole 5 s", "one-way blackhole 5 s", "provider 503 5 s")
FULL = tuple(HAPPENINGS)
STANDARD = tuple(name for name in HAPPENINGS if not name.startswith("profile "))


def find(names: Iterable[str]) -> tuple[Happening, ...]:
    """Happenings by name; a name also stands for all that begin with it. Raises ValueError that lists the names."""
    found: dict[str, Happening] = {}
    for wanted in names:
        matching = {name: each for name, each in HAPPENINGS.items() if name == wanted}
        matching = matching or {name: each for name, each in HAPPENINGS.items() if name.startswith(wanted)}
        if not matching:
            raise ValueError(f"no condition {wanted!r}; there are {', '.join(HAPPENINGS)}")
        found.update(matching)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run. `weights` are the lines' in their order."""

    happenings: tuple[Happening, ...]
    policy: str = "best"
    weights: tuple[float, ...] = (100.0, 100.0, 100.0)
    streams: int = 40
    tokens: int = 60
    think_ms: float = 400.0
    rounds: int = 1
    seed: int = 1
    patience: float = 20.0
    extra: str = ""  # TOML put at the end of the edge's file

    def __post_init__(self) -> None:
        if not self.happenings or self.rounds < 1 or len(self.weights) != len(LINES):
            raise ValueError(f"a plan needs conditions, rounds and {len(LINES)} weights")

    def load(self, seconds: float) -> Load:
        """As many requests as start within so many seconds, about `streams` of them at a time."""
        one = Load(streams=self.streams, requests=1, tokens=self.tokens, think_ms=self.think_ms)
        per_second = self.streams / (one.seconds - one.ideal_seconds)
        return Load(
            streams=self.streams, requests=max(1, int(per_second * seconds)), tokens=self.tokens, think_ms=self.think_ms
        )

    def seed_of(self, round: int) -> int:
        """The luck of a round, the same for the reference and all happenings."""
        return self.seed + 1000 * round

    @property
    def round_trip(self) -> float:
        """Of the slowest line, in seconds: whichever takes over, a request needs no more for a round trip."""
        return max(profile(name).rtt_ms for name in LINES.values()) / 1000.0

    def turns(self) -> tuple[Happening, ...]:
        """Of one round: each setting's reference before the happenings that are held against it."""
        turns: list[Happening] = []
        for setting in dict.fromkeys(each.setting for each in self.happenings):
            turns.append(reference(setting, self.happenings))
            turns += [each for each in self.happenings if each.setting == setting]
        return tuple(turns)

    @property
    def expected_seconds(self) -> float:
        """About how long it all takes."""
        return self.rounds * sum(each.window + _DIAL_AND_END for each in self.turns())
