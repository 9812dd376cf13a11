"""CPU that sessions cost per token: `python -m tests.bench.session_cost [--seconds 5] [--streams 20,200]`.

Two cores in virtual time over two lines (170 ms there and back, 0.5 % loss). Chat replies, their events compacted as on
the wire, flow from the relay to the edge, 25 tokens/s a stream. Everything that was asked of each core is written down
and then played to a fresh one: so the clock runs round a whole run, and round nothing but the core. `turn` is how much
time the relay's loop takes for a turn: the tokens of one turn share packets. `encode` and `decode` are the compaction.

Profile one side with `--profile relay` or `--profile edge`.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.support.event_streams import Events, all_streams
from tests.support.session_pair import Arrivals, Pair, config
from transport.session.core import SessionCore
from transport.session.events.decoder import EventDecoder
from transport.session.events.encoder import EventEncoder
from transport.session.values import Data, Priority, Redundancy, SessionConfig, StreamOpened

TOKENS_PER_SECOND = 25
ONE_WAY, JITTER, LOSS = 0.085, 0.004, 0.005
WAYS = {"single": Redundancy.SINGLE, "standby": Redundancy.STANDBY, "hot": Redundancy.HOT}
TURNS = (0.0, 0.002)
CALLS = (
    "carrier_up", "carrier_down", "receive", "open", "write", "consumed", "events", "packets", "timer", "handle_timer",
)  # fmt: skip

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


class Tape:
    """What was asked of a core."""

    def __init__(self, core: SessionCore, settings: SessionConfig) -> None:
        self._role = core.role
        self._settings = settings
        self.calls: list[Call] = []
        for name in CALLS:
            setattr(core, name, self._taped(name, getattr(core, name)))

    def _taped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def taped(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, arguments, named))
            return call(*arguments, **named)

        return taped

    def play(self, profile: cProfile.Profile | None = None) -> float:
        """CPU seconds that a fresh core takes for it."""
        core = SessionCore(self._role, self._settings, 0.0)
        calls = [(getattr(core, name), arguments, named) for name, arguments, named in self.calls]
        gc.collect()
        if profile is not None:
            profile.enable()
        began = time.process_time()
        for call, arguments, named in calls:
            call(*arguments, **named)
        seconds = time.process_time() - began
        if profile is not None:
            profile.disable()
        return seconds

    def best(self, rounds: int) -> float:
        """The best of several rounds, less what calling so often costs by itself."""

        def nothing(*arguments: Any, **named: Any) -> None:
            return None

        began = time.process_time()
        for _, arguments, named in self.calls:
            nothing(*arguments, **named)
        empty = time.process_time() - began
        return min(self.play() for _ in range(rounds)) - empty


def line(seed: int) -> Callable[[str, bytes, float], Arrivals]:
    random = Random(seed)

    def offer(direction: str, packet: bytes, now: float) -> Arrivals:
        delay = ONE_WAY + random.random() * JITTER
        return [] if random.random() < LOSS else [(now + delay, packet)]

    return offer


@dataclass
class Run:
    """The two tapes of a run, and what went over the lines."""

    relay: Tape
    edge: Tape
    tokens: int
    packets: int
    bytes: int


def records() -> tuple[Events, list[bytes]]:
    """A chat reply's events and their compact form."""
    events = next(events for kind, text, events in all_streams(7) if (kind, text) == ("chat", "english"))
    encoder = EventEncoder()
    return events, [encoder.encode(event) for event in events]


def simulate(streams: int, redundancy: Redundancy, seconds: float, turn: float) -> Run:
    """Tokens of all streams at even intervals, in an order that chance decides."""
    settings = config(redundancy=redundancy)
    pair = Pair(settings)
    relay, edge = Tape(pair.relay, settings), Tape(pair.edge, settings)
    for number in (1, 2):
        pair.join(number, line(number))
    compact = records()[1]
    random = Random(5)
    run = Run(relay, edge, 0, 0, 0)
    sent: dict[int, int] = {}
    waiting: list[int] = []

    def told(core: SessionCore, event: object, now: float) -> None:
        if isinstance(event, Data):
            core.consumed(event.stream, len(event.data), now)
        elif isinstance(event, StreamOpened):
            sent[event.stream] = 0
            pair.later(now + random.random(), lambda: token(event.stream))

    def token(stream: int) -> None:
        if pair.now > seconds:
            return
        if turn == 0.0:
            write(stream)
            pair.flush(pair.relay)
        elif not waiting:
            pair.later(pair.now + turn, end_turn)
        if turn:
            waiting.append(stream)
        pair.later(pair.now + 1 / TOKENS_PER_SECOND, lambda: token(stream))

    def write(stream: int) -> None:
        record = compact[sent[stream] % len(compact)]
        pair.relay.write(stream, b"\x03%c%b" % (len(record) & 63, record), pair.now)
        sent[stream] += 1
        run.tokens += 1

    def end_turn() -> None:
        for stream in waiting:
            write(stream)
        waiting.clear()
        pair.flush(pair.relay)

    def ask() -> None:
        for _ in range(streams):
            pair.edge.write(pair.edge.open(Priority.INTERACTIVE, pair.now), bytes(600), pair.now, end=True)
        pair.flush(pair.edge)

    pair.on_event = told
    pair.later(0.5, ask)
    pair.run(seconds + 0.5)
    run.packets, run.bytes = pair.sent_packets["down"], sum(pair.sent_bytes.values())
    return run


def compaction(rounds: int) -> tuple[float, float]:
    """CPU µs per event: encoding, decoding."""
    events, compact = records()
    best = [1.0, 1.0]
    for _ in range(rounds):
        encode, decode = EventEncoder().encode, EventDecoder().decode
        marks = [time.process_time()]
        for event in events:
            encode(event)
        marks.append(time.process_time())
        for record in compact:
            decode(record)
        marks.append(time.process_time())
        best = [min(best[0], marks[1] - marks[0]), min(best[1], marks[2] - marks[1])]
    return best[0] / len(events) * 1e6, best[1] / len(events) * 1e6


def show(run: Run, end: str) -> None:
    profile = cProfile.Profile()
    (run.relay if end == "relay" else run.edge).play(profile)
    print(f"{run.tokens} tokens")
    pstats.Stats(profile).sort_stats("tottime").print_stats(32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--streams", default="20,200")
    parser.add_argument("--way", choices=WAYS, default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", choices=("relay", "edge"))
    asked = parser.parse_args()
    print("| streams | way | turn ms | relay µs | edge µs | packets down | bytes | encode µs | decode µs |")
    print("|---|---|---|---|---|---|---|---|---|")
    encode, decode = compaction(50)
    for streams in map(int, asked.streams.split(",")):
        for turn in TURNS:
            for name in [asked.way] if asked.way else WAYS:
                run = simulate(streams, WAYS[name], asked.seconds, turn)
                if asked.profile:
                    show(run, asked.profile)
                    continue
                relay, edge = (tape.best(asked.rounds) / run.tokens * 1e6 for tape in (run.relay, run.edge))
                print(
                    f"| {streams} | {name} | {turn * 1000:.0f} | {relay:.1f} | {edge:.1f}"
                    f" | {run.packets / run.tokens:.2f} | {run.bytes / run.tokens:.0f} | {encode:.1f} | {decode:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
