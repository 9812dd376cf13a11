"""What a benchmark runs, as values.

A *condition* is a profile, an event or none, and the kind of traffic. Under each condition every system gets its turn
in every round. The lab's luck is decided by (seed, round), requests start at times that the plan fixes, and the window
of lab time in which they do is the same for all: so systems meet the same bad moments, and request k of one can be
compared with request k of another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from netem.link.event import KINDS, Event
from netem.profiles import profile

TRAFFIC = ("sse", "ws")
EVENT_AT = 2.0
"""Seconds after the first request at which an event of `--events` begins."""
SETTLE = 0.5
"""Seconds of lab time before the window of requests begins: what was still on its way has come."""
_OVERHEAD = 6.5  # of a turn: starting and ending its processes, seconds
_SLACK = 0.6  # between the ideal end of a request and the next one of its stream, seconds
_START_JITTER = 0.1  # starts are moved by up to this, so that streams don't march in step
_OUTAGES = {"blackhole-0.3": 0.3, "blackhole-1": 1.0, "blackhole-3": 3.0, "blackhole-30": 30.0}


@dataclass(frozen=True, slots=True)
class Load:
    """The traffic of one turn: `requests` replies of `tokens` tokens, about `streams` of them at a time."""

    streams: int = 20
    requests: int = 40
    tokens: int = 128
    interval_ms: float = 33.0
    think_ms: float = 100.0
    prompt_bytes: int = 2048

    def __post_init__(self) -> None:
        if min(self.streams, self.requests, self.tokens) < 1 or self.interval_ms <= 0.0 or self.think_ms < 0.0:
            raise ValueError("streams, requests, tokens and interval must be positive, think time not negative")

    @property
    def ideal_seconds(self) -> float:
        """How long the provider takes for one reply."""
        return (self.think_ms + (self.tokens - 1) * self.interval_ms) / 1000.0

    @property
    def patience_seconds(self) -> float:
        """When a client gives a request up."""
        return 2.0 * self.ideal_seconds + 20.0

    @property
    def seconds(self) -> float:
        """From the first request's start to the last one's ideal end."""
        waves = -(-self.requests // self.streams)
        return waves * (self.ideal_seconds + _SLACK) + self.ideal_seconds

    def starts(self, seed: int) -> tuple[float, ...]:
        """When each request starts, in seconds from the beginning of the window. The same for every system.

        The schedule is open: a request starts at its time even if the one before it is late, so a slow system can't
        lighten its own load.
        """
        period = self.ideal_seconds + _SLACK
        chance = Random(seed)
        return tuple(
            period * (number // self.streams + (number % self.streams) / self.streams)
            + chance.uniform(0.0, _START_JITTER)
            for number in range(self.requests)
        )


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """`event` is a kind of `netem.link.event`, `kind:seconds`, one of `outages()`, or "" for none; it hits line 1."""

    profile: str
    event: str = ""
    traffic: str = "sse"

    def __post_init__(self) -> None:
        profile(self.profile)
        read_event_name(self.event)
        if self.traffic not in TRAFFIC:
            raise ValueError(f"traffic must be one of {', '.join(TRAFFIC)}, not {self.traffic!r}")

    @property
    def title(self) -> str:
        parts = [self.profile, self.event and f"+ {self.event}", "" if self.traffic == "sse" else "WebSocket"]
        return " ".join(filter(None, parts))

    def happening(self) -> Event | None:
        """What happens to line 1, in lab time."""
        named = read_event_name(self.event)
        return replace(named, at=SETTLE + EVENT_AT) if named else None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole benchmark."""

    systems: tuple[str, ...]
    conditions: tuple[Condition, ...]
    load: Load = Load()
    rounds: int = 2
    seed: int = 1
    baseline: str = "direct-bbr"

    def __post_init__(self) -> None:
        if not self.systems or not self.conditions or self.rounds < 1:
            raise ValueError("a plan needs systems, conditions and rounds")

    def order(self, round: int) -> tuple[str, ...]:
        """Who goes when in a round: rotated, so that no system always has the quiet minute."""
        shift = round % len(self.systems)
        return self.systems[shift:] + self.systems[:shift]

    def seed_of(self, round: int) -> int:
        """The luck of a round, the same for all systems."""
        return self.seed + 1000 * round

    @property
    def turns(self) -> int:
        return len(self.systems) * len(self.conditions) * self.rounds

    @property
    def expected_seconds(self) -> float:
        """About how long it all takes."""
        return self.turns * (self.load.seconds + _OVERHEAD)


def conditions(profiles: tuple[str, ...], events: tuple[str, ...], traffic: tuple[str, ...]) -> tuple[Condition, ...]:
    """Every profile without an event; events and other traffic than SSE on the first profile only.

    Raises:
        ValueError: an unknown name.
    """
    first = profiles[0]
    found = [Condition(name) for name in profiles if "sse" in traffic]
    found += [Condition(first, event) for event in events if "sse" in traffic]
    found += [Condition(first, "", kind) for kind in traffic if kind != "sse"]
    return tuple(found)


def read_event_name(text: str) -> Event | None:
    """`blackhole-3`, or `kind` or `kind:seconds` of the lab's events. Raises ValueError."""
    if not text:
        return None
    if text in _OUTAGES:
        return Event("blackhole", seconds=_OUTAGES[text])
    kind, _, seconds = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"unknown event {text!r}; one of {', '.join([*_OUTAGES, *sorted(KINDS)])}, or kind:seconds")
    return Event(kind, seconds=float(seconds)) if seconds else Event(kind)


QUICK = Plan(
    systems=("direct-bbr", "nginx", "farline-1", "farline-2"),
    conditions=conditions(("cmi-evening", "internet-bad"), ("blackhole-1",), ("sse",)),
    load=Load(requests=20, tokens=80),
    rounds=1,
)
"""Under three minutes: does it all work, roughly who is where."""

STANDARD = Plan(
    systems=("cold-bbr", "direct-cubic", "direct-bbr", "nginx", "farline-1", "farline-2"),
    conditions=conditions(("cmi-evening", "internet-evening", "internet-bad"), ("blackhole-3",), ("sse", "ws")),
)

FULL = Plan(
    systems=(
        "cold-cubic", "cold-bbr", "direct-cubic", "direct-bbr", "h2-bbr", "h3-cubic", "nginx", "haproxy",
        "farline-1", "farline-2", "farline-3", "farline-2-h2", "farline-2-h3", "litellm",
    ),
    conditions=conditions(
        ("cmi-evening", "clean", "internet-evening", "internet-bad", "grid-5"), ("blackhole-3",), ("sse", "ws")
    ),
    rounds=1,
    load=Load(requests=60),
)  # fmt: skip
"""For publication: under 45 minutes."""
