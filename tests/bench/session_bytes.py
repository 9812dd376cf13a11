"""Where a session's bytes go: `python -m tests.bench.session_bytes [--profile ref-day] [--streams 20] [--seed N]`.

Two cores in virtual time over two lines, under the load of `tests.bench.sessions --show profiles`: requests of 1 kB,
replies of 128 tokens of `--token` bytes (compact events are 8 to 30 bytes long), one every 33 ms. Every packet is taken
apart: `wrapping` is IP, UDP and the seal, `again` what was sent before. Bytes per token, both directions; `raw` is what
the same reply takes as it is, over TLS and TCP, kept alive: its events with 22 bytes of TLS and 52 of TCP/IP around
each, and an ACK of 52 for every other segment.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field

from netem.bench.plan import Load
from netem.bench.stats import quantile
from netem.link.link import Link
from netem.profiles import profile
from tests.bench.session_cost import WAYS, records
from tests.support.session_pair import WRAPPING_BYTES, Arrivals, Offer, Pair, config, over
from transport.session.core import SessionCore
from transport.session.frames import Ack, StreamFrame
from transport.session.values import Data, Priority, Redundancy, Role
from transport.session.wire import HEADER_BYTES, decode, encode

REQUEST_BYTES, HEAD_BYTES = 1000, 160
TLS_BYTES, TCP_BYTES = 22, 52
THINK = 0.1


@dataclass
class Account:
    """Bytes by cause and direction, packets, and the tokens' times of arrival."""

    causes: Counter[str] = field(default_factory=Counter)
    packets: Counter[str] = field(default_factory=Counter)
    highest: dict[tuple[str, int], int] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    def take(self, direction: str, packet: bytes) -> None:
        self.packets[direction] += 1
        self.causes[f"{direction} wrapping"] += WRAPPING_BYTES + HEADER_BYTES
        for frame in decode(packet)[2]:
            if isinstance(frame, StreamFrame):
                end = frame.offset + len(frame.data)
                fresh = max(end - max(self.highest.get((direction, frame.stream), 0), frame.offset), 0)
                self.highest[direction, frame.stream] = max(self.highest.get((direction, frame.stream), 0), end)
                self.causes[f"{direction} first"] += fresh
                self.causes[f"{direction} again"] += len(frame.data) - fresh
                self.causes[f"{direction} heads"] += len(encode(frame)) - len(frame.data)
            else:
                name = "acks" if isinstance(frame, Ack) else "other"
                self.causes[f"{direction} {name}"] += len(encode(frame))


def tapped(offer: Offer, account: Account) -> Offer:
    def tap(direction: str, packet: bytes, now: float) -> Arrivals:
        account.take(direction, packet)
        return offer(direction, packet, now)

    return tap


def simulate(name: str, streams: int, redundancy: Redundancy, seed: int, token_bytes: int) -> Account:
    account = Account()
    load = Load(streams=streams, requests=2 * streams)
    pair = Pair(config(redundancy=redundancy))
    for number in (1, 2):
        pair.join(number, tapped(over(Link(profile(name), seed, f"line{number}")), account))
    compact = [bytes(token_bytes)] * load.tokens
    ends = [HEAD_BYTES + sum(map(len, compact[: count + 1])) for count in range(len(compact))]
    sent: dict[int, list[float]] = {}
    read: dict[int, int] = {}
    last: dict[int, float] = {}

    def told(core: SessionCore, event: object, now: float) -> None:
        if not isinstance(event, Data):
            return
        core.consumed(event.stream, len(event.data), now)
        if core.role is Role.RELAY and event.end:
            sent[event.stream] = []
            pair.relay.write(event.stream, bytes(HEAD_BYTES), now)
            pair.later(now + THINK, lambda: token(event.stream))
        elif core.role is Role.EDGE:
            arrive(event.stream, len(event.data), now)

    def token(stream: int) -> None:
        count = len(sent[stream])
        sent[stream].append(pair.now)
        pair.relay.write(stream, compact[count], pair.now, end=count + 1 == len(compact))
        pair.flush(pair.relay)
        if count + 1 < len(compact):
            pair.later(pair.now + load.interval_ms / 1000, lambda: token(stream))

    def arrive(stream: int, size: int, now: float) -> None:
        read[stream] = read.get(stream, 0) + size
        count = sum(end <= read[stream] for end in ends)
        for number in range(len(account_of := arrived.setdefault(stream, [])), count):
            account_of.append(now)
            account.delays.append(now - sent[stream][number])
            if stream in last:
                account.gaps.append(now - last[stream])
            last[stream] = now

    def ask() -> None:
        pair.edge.write(pair.edge.open(Priority.INTERACTIVE, pair.now), bytes(REQUEST_BYTES), pair.now, end=True)
        pair.flush(pair.edge)

    arrived: dict[int, list[float]] = {}
    pair.on_event = told
    for start in load.starts(seed):
        pair.later(1.0 + start, ask)
    pair.run(1.0 + load.seconds + 1.0)
    return account


def raw_bytes() -> float:
    """Per token."""
    events = records()[0]
    sizes = [len(event) + TLS_BYTES + TCP_BYTES * 1.5 for event in events]
    return sum(sizes) / len(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="ref-day")
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--way", choices=WAYS, default="hot")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--token", type=int, default=27)
    asked = parser.parse_args()
    account = simulate(asked.profile, asked.streams, WAYS[asked.way], asked.seed, asked.token)
    tokens = len(account.delays)
    for cause, count in sorted(account.causes.items()):
        print(f"{cause:16} {count / tokens:7.1f}")
    total = sum(account.causes.values()) / tokens
    print(f"packets per token: {account.packets['down'] / tokens:.2f} down, {account.packets['up'] / tokens:.2f} up")
    print(f"all {total:.0f} bytes per token, raw {raw_bytes():.0f}, factor {total / raw_bytes():.2f}")
    late, gap = quantile(account.delays, 0.99), quantile(account.gaps, 0.999)
    print(f"delay p99 {late * 1000:.0f} ms, gap p99.9 {gap * 1000:.0f} ms")


if __name__ == "__main__":
    main()
