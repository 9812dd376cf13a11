"""What a token costs in a session over real sockets: CPU µs of one process that is both the edge and the relay.

python -m tests.bench.session_tokens [--streams 200] [--lines 1] [--carrier auto|tls] [--seconds 5] [--profile]

Each stream carries a token of 24 bytes from the relay to the edge every 50 ms, as encoded events are. Loopback, uvloop.
What the two ends cost while nothing is said is measured first and told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import time

import uvloop

from tests.support.sessions import Heard, Written
from tests.support.waiting import until
from transport.path import Line
from transport.session.aio.identity import NodeKey
from transport.session.aio.link import RelayLink, RelayTarget
from transport.session.aio.server import Peer, SessionServer
from transport.session.live import LiveSession, StreamSink
from transport.session.values import Limits, Priority, SessionConfig, StreamOpened

TOKEN = bytes(24)
EVERY = 0.05


class Counting(Written):
    """Consumes and counts."""

    count = 0

    def on_data(self, data: bytes, end: bool) -> None:
        assert self.session is not None
        self.session.consumed(self.stream, len(data))
        self.count += len(data)


class Relay(Heard):
    """Knows its streams."""

    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        sink = self.streams[opened.stream] = Written(session, opened.stream)
        return sink


async def run(args: argparse.Namespace) -> None:
    edge_key, relay_key = NodeKey.generate(), NodeKey.generate()
    settings = SessionConfig(bytes(16), bytes(32), "relay", limits=Limits(5000))
    listener = Relay()
    peers = {edge_key.fingerprint: Peer("edge", 5000)}
    server = SessionServer([("127.0.0.1", 0)], relay_key, peers, settings, listener)
    await server.start()
    lines = tuple(Line(f"l{number}", source=f"127.0.0.{number + 2}") for number in range(args.lines))
    target = RelayTarget("relay", *server.bound[0], relay_key.fingerprint, lines, carrier=args.carrier)
    link = RelayLink(target, edge_key, "edge", Heard())
    link.start()
    await until(lambda: link.is_ready and link.session is not None and len(link.session.carriers) == args.lines, 10)
    session = link.session
    assert session is not None
    sinks = [Counting(session) for _ in range(args.streams)]
    for sink in sinks:
        sink.stream = session.open(sink, Priority.INTERACTIVE)
        session.write(sink.stream, b"request")
    await until(lambda: len(listener.streams) == args.streams, 10)
    relay = server.sessions[0]
    loop = asyncio.get_running_loop()
    sent = 0
    is_running = True

    def token(stream: int) -> None:
        nonlocal sent
        if is_running:
            relay.write(stream, TOKEN)
            sent += 1
            loop.call_later(EVERY, token, stream)

    await asyncio.sleep(1)
    began = time.process_time()
    await asyncio.sleep(1)
    idle = time.process_time() - began
    for index, stream in enumerate(listener.streams):
        loop.call_later(EVERY * index / args.streams, token, stream)
    await asyncio.sleep(1)
    profile = cProfile.Profile()
    if args.profile:
        profile.enable()
    before, packets, began, wall = sent, relay.tally.packets, time.process_time(), time.monotonic()
    await asyncio.sleep(args.seconds)
    spent, wall = time.process_time() - began, time.monotonic() - wall
    profile.disable()
    tokens, packets = sent - before, relay.tally.packets - packets
    is_running = False
    await asyncio.sleep(0.5)
    assert sum(sink.count for sink in sinks) == sent * len(TOKEN)
    print(f"{args.streams} streams, {args.lines} lines, {args.carrier}: {tokens / wall:.0f} tokens/s")
    print(f"CPU µs per token, both ends and the token's own timer: {spent / tokens * 1e6:.1f}")
    print(
        f"relay's packets per token {packets / tokens:.2f}; streams that say nothing cost {idle * 100:.1f} % of a core"
    )
    if args.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    await link.close()
    await server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--lines", type=int, default=1)
    parser.add_argument("--carrier", default="auto")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--profile", action="store_true")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
