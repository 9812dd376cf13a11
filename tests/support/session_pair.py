"""Two session cores in virtual time, joined by carriers over links: no sockets, no clock.

pair = Pair(config)                    an edge and a relay
pair.join(1, offer)                    a carrier; offer(direction, packet, now) → [(arrival, packet)]
pair.run(until)                        lets everything happen up to then; `on_event` sees what the cores tell
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

from netem.link.link import Link
from transport.session.core import SessionCore
from transport.session.values import CarrierKind, Role, SessionConfig
from transport.session.wire import WireError, find_hello

Arrivals = list[tuple[float, bytes]]
Offer = Callable[[str, bytes, float], Arrivals]
WRAPPING_BYTES = 28 + 30
"""IP, UDP and a QUIC DATAGRAM frame with its AEAD tag around each packet."""


def config(name: str = "node", **settings) -> SessionConfig:
    return SessionConfig(bytes(range(16)), bytes(range(32)), name, **settings)


def over(link: Link) -> Offer:
    """A carrier over netem's model of a line. A packet with a flipped bit is dropped, as its AEAD would."""

    def offer(direction: str, packet: bytes, now: float) -> Arrivals:
        deliveries = link.offer(direction, len(packet) + WRAPPING_BYTES, b"\x11", now)  # type: ignore[arg-type]
        return [(delivery.at, packet) for delivery in deliveries if delivery.flip < 0]

    return offer


class Pair:
    """`edge` and `relay`; `now` is virtual seconds. `later` calls a function at a time."""

    def __init__(self, settings: SessionConfig | None = None, relay_settings: SessionConfig | None = None) -> None:
        self.now = 0.0
        self.edge = SessionCore(Role.EDGE, settings or config("edge"), 0.0)
        self.relay = SessionCore(Role.RELAY, relay_settings or settings or config("relay"), 0.0)
        self.offers: dict[int, Offer] = {}
        self.on_event: Callable[[SessionCore, object, float], None] = lambda core, event, now: None
        self.sent_bytes = {"up": 0, "down": 0}
        self.sent_packets = {"up": 0, "down": 0}
        self._kinds: dict[int, tuple[CarrierKind, str, int]] = {}
        self._due = {core: core.timer() or inf for core in (self.edge, self.relay)}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def later(self, at: float, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (max(at, self.now), self._count, action))

    def join(
        self, number: int, offer: Offer, line: str = "", kind: CarrierKind = CarrierKind.QUIC, size: int = 1150
    ) -> None:
        self.offers[number] = offer
        self._kinds[number] = (kind, line or f"line{number}", size)
        self.edge.carrier_up(number, *self._kinds[number], self.now)
        self.flush(self.edge)

    def leave(self, number: int) -> None:
        self.offers.pop(number, None)
        for core in (self.edge, self.relay):
            core.carrier_down(number, self.now)
            self.flush(core)

    def flush(self, core: SessionCore) -> None:
        """Sends what the core wants to send, tells what it has to tell."""
        direction = "up" if core is self.edge else "down"
        peer = self.relay if core is self.edge else self.edge
        while events := core.events():
            for event in events:
                self.on_event(core, event, self.now)
        packets = core.packets(self.now)
        self._due[core] = core.timer() or inf
        for number, packet in packets:
            self.sent_bytes[direction] += len(packet) + WRAPPING_BYTES
            self.sent_packets[direction] += 1
            for at, arrived in self.offers[number](direction, packet, self.now):
                self.later(at, lambda arrived=arrived, number=number: self._arrive(peer, number, arrived))

    def _arrive(self, core: SessionCore, number: int, packet: bytes) -> None:
        if number in self.offers:
            if core is self.relay and number not in core.carriers and not self._accept(number, packet):
                return
            core.receive(number, packet, self.now)
            self.flush(core)

    def _accept(self, number: int, packet: bytes) -> bool:
        """The relay has a carrier once a HELLO has come over it."""
        try:
            hello = find_hello(packet)
        except WireError:
            return False
        if hello is not None and not self.relay.is_closed:
            self.relay.carrier_up(number, *self._kinds[number], self.now)
        return hello is not None

    def run(self, until: float) -> None:
        while True:
            queued = self._queue[0][0] if self._queue else inf
            core = min(self._due, key=self._due.__getitem__)
            due = self._due[core]
            if min(queued, due) > until:
                self.now = until
                return
            if queued <= due:
                self.now, _, action = heappop(self._queue)
                action()
            else:
                assert due < inf
                self.now = max(self.now, due)
                core.handle_timer(self.now)
                self.flush(core)
