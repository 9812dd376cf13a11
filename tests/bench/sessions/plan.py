"""What is played, as values: ways through the lab, happenings with their deeds, the course of a chaos run."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from netem.bench.plan import Load
from netem.link.event import Event

LINES = {"cn2": "ref-cn2", "cu2": "ref-cu2"}
"""The lines of a turn and their profiles: 150 and 170 ms, 0.3 and 1 % loss."""
CHAOS_LINES = {**LINES, "cmi": "cmi-evening"}
EVENT_AT = 5.0
"""Seconds after the first request at which something happens."""
WAYS = {"hot": "farline-relay-2", "standby": "farline-relay-standby", "direct": "farline-2"}

Target = Literal["active", "random", "all", "edge", "relay"]
"""A line by what it carries, lines, or a process."""
Act = Literal["event", "profile", "kill", "stop", "clock", "handover"]


@dataclass(frozen=True, slots=True)
class Deed:
    """`act` at second `at` of the window.

    event     `event` begins on the line(s)            profile   the lines become like `profile`, for good
    kill      SIGKILL; started again after `seconds`   stop      SIGSTOP, and SIGCONT after `seconds`
    clock     the process's wall clock goes wrong by `seconds`
    handover  SIGUSR2: a successor takes over (relay)
    """

    at: float
    act: Act
    target: Target
    event: Event | None = None
    seconds: float = 0.0
    profile: str = ""

    def __str__(self) -> str:
        what = self.event.kind if self.event else self.profile or self.act
        return f"{self.at:.1f} s: {what} {self.target}" + (f" {self.seconds:g} s" if self.seconds else "")


@dataclass(frozen=True, slots=True)
class Happening:
    """Deeds under load. `may_fail`: streams that meet it can't all survive."""

    name: str
    deeds: tuple[Deed, ...] = ()
    seconds: float = 0.0
    may_fail: bool = False

    @property
    def window(self) -> float:
        """Seconds in which requests start."""
        return EVENT_AT + self.seconds + 7.0


def _on_all(name: str, event: Event) -> Happening:
    return Happening(name, (Deed(EVENT_AT, "event", "all", event),), min(event.seconds, 8.0))


def _process(name: str, act: Act, target: Target, seconds: float, *, may_fail: bool = False) -> Happening:
    return Happening(name, (Deed(EVENT_AT, act, target, seconds=seconds),), min(abs(seconds), 10.0), may_fail)


RESTARTS: dict[str, Happening] = {
    each.name: each
    for each in (
        Happening("nothing"),
        Happening("UDP blocked", (Deed(EVENT_AT, "event", "all", Event("udp-blocked", seconds=15.0)),), 15.0),
        Happening("UDP policed", (Deed(EVENT_AT, "profile", "all", profile="udp-policed"),), 15.0),
        _on_all("NAT rebinding", Event("nat-rebind")),
        _on_all("TCP resets 1 s", Event("tcp-reset", seconds=1.0)),
        _on_all("MTU 1400", Event("mtu", seconds=8.0, mtu=1400)),
        _process("edge stands still 0.5 s", "stop", "edge", 0.5),
        _process("relay stands still 0.5 s", "stop", "relay", 0.5),
        _process("edge's clock +1 h", "clock", "edge", 3600.0),
        _process("relay's clock -1 h", "clock", "relay", -3600.0),
        _process("relay hands over", "handover", "relay", 0.0),
        _process("relay killed, back after 1 s", "kill", "relay", 1.0, may_fail=True),
        _process("edge killed, back after 1 s", "kill", "edge", 1.0, may_fail=True),
        Happening(
            "all lines dark 3 s", (Deed(EVENT_AT, "event", "all", Event("blackhole", seconds=3.0)),), 3.0, may_fail=True
        ),
    )
}


def find(names: str) -> tuple[Happening, ...]:
    """Comma-separated beginnings of names; "": all. Raises ValueError that lists the names."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    found = [each for each in RESTARTS.values() if not wanted or any(map(each.name.startswith, wanted))]
    if not found:
        raise ValueError(f"nothing is called {names!r}; there are {', '.join(RESTARTS)}")
    return tuple(found)


def hole(seed: int, seconds: float, load: Load) -> Happening:
    """The line in use falls silent when most streams of a single wave have begun and none has ended."""
    at = Random(seed).uniform(0.6, 0.9) * load.ideal_seconds
    event = Event("blackhole", seconds=seconds)
    return Happening(f"blackhole {seconds:g} s", (Deed(at, "event", "active", event, seconds),), seconds)


def chaos(seed: int, seconds: float) -> tuple[Deed, ...]:
    """Something new every 4 to 10 seconds, on one line at a time or in a process; quiet at the end."""
    chance = Random(seed)
    menu = (
        Event("blackhole", seconds=0.3),
        Event("blackhole", seconds=1.0),
        Event("blackhole", seconds=5.0),
        Event("blackhole", seconds=3.0, scope="down"),
        Event("blackhole", seconds=3.0, scope="up"),
        Event("rtt-step", seconds=8.0, rtt_ms=80.0),
        Event("rtt-step", seconds=8.0, rtt_ms=200.0),
        Event("flap", seconds=8.0, period=2.0),
        Event("brown-out", seconds=8.0, loss=0.2),
        Event("udp-blocked", seconds=10.0),
        Event("tcp-reset", seconds=1.0),
        Event("mtu", seconds=10.0, mtu=1400),
        Event("nat-rebind"),
    )
    deeds: list[Deed] = []
    at = EVENT_AT
    while at < seconds - 12.0:
        roll = chance.random()
        if roll < 0.06:
            deeds.append(Deed(at, "stop", chance.choice(("edge", "relay")), seconds=0.5))
        else:
            deeds.append(Deed(at, "event", chance.choice(("active", "random")), chance.choice(menu)))
        at += chance.uniform(4.0, 10.0)
    return tuple(deeds)


def load(streams: int, seconds: float, tokens: int, *, interval_ms: float = 33.0, think_ms: float = 300.0) -> Load:
    """As many requests as start within so many seconds, about `streams` at a time."""
    one = Load(streams=streams, requests=1, tokens=tokens, interval_ms=interval_ms, think_ms=think_ms)
    per_second = streams / (one.seconds - one.ideal_seconds)
    return Load(
        streams=streams,
        requests=max(streams, int(per_second * seconds)),
        tokens=tokens,
        interval_ms=interval_ms,
        think_ms=think_ms,
    )
