"""Sessions in virtual time: `python -m tests.bench.session_sim [--seconds 30] [--only PROFILE] [--seed N]`.

Two cores over netem's link model, tokens flowing from the relay to the edge: 20 streams, 50 tokens/s each, 30 bytes
a token. `delay` is from a token's writing to its arrival in order; `late` is that less half the round trip; `stalls`
are gaps above 500 ms, per stream and minute; `bytes` are on the wire per token with IP, UDP and QUIC, both directions;
`limit` is what nobody could beat with these lines: every token sent anew every 2 ms over all of them.
`copies` is how often a byte of a stream was sent; `relay` and `edge` are the CPU µs that each core took per token,
ACKs, heartbeats and timers included, carriers and applications not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, inf
from typing import Any

from netem.bench.stats import quantile
from netem.link.event import Event
from netem.link.link import Link
from netem.profiles import profile
from tests.support.session_pair import Pair, config, over
from transport.session.core import SessionCore
from transport.session.values import Data, Priority, Redundancy, Role

STREAMS, TOKENS_PER_SECOND, TOKEN_BYTES = 20, 50, 30
PROFILES = (
    "premium", "grid-1", "grid-5", "grid-10", "ref-cmi", "ref-day", "ref-bad", "cmi-evening", "internet-evening",
    "shared-fate",
)  # fmt: skip
WAYS = {"1 line": (1, Redundancy.STANDBY), "standby": (2, Redundancy.STANDBY), "2 hot": (2, Redundancy.HOT)}


@dataclass
class Figures:
    """What the edge saw. Seconds."""

    delays: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    packets: int = 0
    bytes: int = 0
    copies: float = 0.0
    suspicions: int = 0
    relay_seconds: float = 0.0
    edge_seconds: float = 0.0


class Stopwatch:
    """Adds up the time inside a core's calls."""

    def __init__(self, core: SessionCore) -> None:
        self.seconds = 0.0
        for name in ("receive", "packets", "timer", "handle_timer", "write", "events", "consumed"):
            setattr(core, name, self._timed(getattr(core, name)))

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds += time.process_time() - began

        return timed


class Reader:
    """Counts the tokens of one stream."""

    def __init__(self, figures: Figures) -> None:
        self.sent: list[float] = []
        self._figures = figures
        self._bytes = 0
        self._tokens = 0
        self._last = -1.0

    def take(self, size: int, now: float) -> None:
        self._bytes += size
        while self._tokens < self._bytes // TOKEN_BYTES:
            self._figures.delays.append(now - self.sent[self._tokens])
            self._tokens += 1
            if self._last >= 0:
                self._figures.gaps.append(now - self._last)
            self._last = now


def simulate(
    name: str, lines: int, redundancy: Redundancy, seconds: float, *, events: tuple[Event, ...] = (), seed: int = 1
) -> Figures:
    """One run. `events` befall the first line, lab time."""
    figures = Figures()
    pair = Pair(config(redundancy=redundancy))
    for number in range(1, lines + 1):
        link = Link(profile(name), seed, f"line{number}")
        link.add(events if number == 1 else ())
        pair.join(number, over(link))
    readers: dict[int, Reader] = {}

    def told(core: SessionCore, event: object, now: float) -> None:
        if not isinstance(event, Data):
            return
        core.consumed(event.stream, len(event.data), now)
        if core.role is Role.EDGE:
            readers[event.stream].take(len(event.data), now)
        elif event.end:
            write(event.stream)

    def write(stream: int) -> None:
        if pair.now < seconds:
            readers[stream].sent.append(pair.now)
            pair.relay.write(stream, bytes(TOKEN_BYTES), pair.now)
            pair.later(pair.now + 1 / TOKENS_PER_SECOND, lambda: (write(stream), pair.flush(pair.relay)))

    def ask() -> None:
        stream = pair.edge.open(Priority.INTERACTIVE, pair.now)
        readers[stream] = Reader(figures)
        pair.edge.write(stream, bytes(2000), pair.now, end=True)
        pair.flush(pair.edge)

    pair.on_event = told
    for index in range(STREAMS):
        pair.later(1.0 + index * 0.0271, ask)
    relay, edge = Stopwatch(pair.relay), Stopwatch(pair.edge)
    pair.run(seconds + 3)
    figures.relay_seconds, figures.edge_seconds = relay.seconds, edge.seconds
    figures.packets = pair.sent_packets["down"]
    figures.bytes = sum(pair.sent_bytes.values())
    tally = pair.relay.tally
    copied = tally.first_bytes + tally.bundled_bytes + tally.resent_bytes + tally.repeated_bytes + tally.copied_bytes
    figures.copies = copied / max(tally.first_bytes, 1)
    figures.suspicions = tally.suspicions
    return figures


def limit(name: str, lines: int, seconds: float, *, seed: int = 1) -> Figures:
    """What an omniscient sender would reach: each token over all lines again and again, the first to arrive counts."""
    step = 0.002
    first = [inf] * int((seconds + 5) / step)
    for number in range(1, lines + 1):
        link = Link(profile(name), seed, f"line{number}")
        for index in range(len(first)):
            for delivery in link.offer("down", 100, b"\x11", index * step):
                first[index] = min(first[index], delivery.at)
    for index in range(len(first) - 2, -1, -1):
        first[index] = min(first[index], first[index + 1])
    figures = Figures()
    for stream in range(STREAMS):
        began = 1.0 + stream * 0.0271 + profile(name).rtt_ms / 2000
        times = [began + token / TOKENS_PER_SECOND for token in range(int((seconds - began) * TOKENS_PER_SECOND))]
        arrivals = [first[ceil(at / step)] for at in times]
        figures.delays += [arrival - at for arrival, at in zip(arrivals, times, strict=True)]
        figures.gaps += [later - sooner for sooner, later in pairwise(arrivals)]
    return figures


def row(name: str, way: str, figures: Figures, seconds: float) -> str:
    tokens = max(len(figures.delays), 1)
    late = [delay * 1000 - profile(name).rtt_ms / 2 for delay in figures.delays]
    stalls = sum(gap > 0.5 for gap in figures.gaps) / (STREAMS * seconds / 60)
    return (
        f"{name:17} {way:8} {quantile(late, 0.99):7.0f} {quantile(figures.delays, 0.99) * 1000:7.0f}"
        f" {quantile(figures.gaps, 0.999) * 1000:7.0f} {stalls:7.2f} {figures.bytes / tokens:7.0f}"
        f" {figures.copies:7.1f} {figures.packets / tokens:7.2f} {figures.suspicions:5}"
        f" {figures.relay_seconds / tokens * 1e6:6.0f} {figures.edge_seconds / tokens * 1e6:6.0f}"
    )


HEAD = (
    f"{'profile':17} {'way':8} {'late99':>7} {'delay99':>7} {'gap99.9':>7} {'stalls':>7} {'bytes':>7} {'copies':>7}"
    f" {'packets':>7} {'susp':>5} {'relay':>6} {'edge':>6}"
)


def blackholes(seconds: float = 20.0) -> None:
    """The line in use falls silent for three seconds: the longest gap of each stream."""
    hole = (Event("blackhole", at=8.0, seconds=3.0),)
    for way in ("2 hot", "standby"):
        lines, redundancy = WAYS[way]
        for name in ("premium", "cn2", "cmi-evening"):
            calm = max(simulate(name, lines, redundancy, seconds).gaps)
            worst = max(simulate(name, lines, redundancy, seconds, events=hole).gaps)
            print(f"{name:17} {way:8} longest gap {worst * 1000:5.0f} ms ({calm * 1000:.0f} without the hole)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(HEAD)
    for name in [arguments.only] if arguments.only else PROFILES:
        for way, (lines, redundancy) in WAYS.items():
            figures = simulate(name, lines, redundancy, arguments.seconds, seed=arguments.seed)
            print(row(name, way, figures, arguments.seconds), flush=True)
        for lines in (1, 2):
            best = limit(name, lines, arguments.seconds, seed=arguments.seed)
            print(row(name, f"limit {lines}", best, arguments.seconds), flush=True)
    if not arguments.only:
        blackholes()


if __name__ == "__main__":
    main()
