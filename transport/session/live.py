"""A session as its users see it: between the shell that drives a SessionCore and who uses streams.

    LiveSession       open streams, write, read on
    StreamSink        what comes of one stream
    SessionListener   what happens to a session; at a relay, who takes its new streams

Everything is called on the event loop. What is written leaves at the end of the loop's turn: so
streams share packets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol as Interface

from transport.session.carrier import Carrier
from transport.session.core import NO_REQUEST
from transport.session.traffic import Traffic
from transport.session.values import Priority, Redundancy, StreamOpened, Tally


class StreamSink(Interface):
    """Receives one stream. All methods return at once, and nothing is called after `on_over` or `reset`."""

    def on_data(self, data: bytes, end: bool) -> None:
        """The next bytes, in order. Obligation: `LiveSession.consumed` once they have gone on."""

    def on_message(self, data: bytes) -> None:
        """A droppable message, in time and newer than all before."""

    def on_writable(self) -> None:
        """`writable` answered 0 and now answers more."""

    def on_acked(self) -> None:
        """The peer has everything that was written, to the end."""

    def on_over(self, code: int, reason: str) -> None:
        """The peer gave the stream up, or the session has ended (session.values.Code): nothing more comes."""


class LiveSession(Interface):
    """A session and its carriers. `peer` is the other node's id, as the configuration names the owner of its key."""

    peer: str
    tally: Tally
    traffic: Mapping[str, Traffic]  # by line

    @property
    def is_open(self) -> bool:
        """It has a carrier that the peer has confirmed, takes streams, and isn't closed."""

    @property
    def carriers(self) -> Mapping[int, Carrier]:
        """To look at, by number."""

    def open(
        self, sink: StreamSink, priority: Priority, *, redundancy: Redundancy | None = None, request: bytes = NO_REQUEST
    ) -> int:
        """A new stream (edges only). Raises session.values.CannotOpen."""

    def write(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Appends to the stream. What is beyond `writable` is kept until credit comes: pause the source then."""

    def writable(self, stream: int) -> int:
        """Bytes that can be taken now; after 0 `on_writable` follows."""

    def message(self, stream: int, data: bytes, lifetime: float) -> None:
        """A message that is dropped when `lifetime` seconds late. Raises ValueError if it is too long."""

    def consumed(self, stream: int, size: int) -> None:
        """So many bytes of `on_data` have gone on: the peer may send more."""

    def reset(self, stream: int, code: int, reason: str) -> None:
        """Gives the stream up, both directions; its sink hears nothing more."""

    def drain(self, reason: str) -> None:
        """Takes no new streams (relay); those that exist go on."""

    def close(self, code: int, reason: str) -> None:
        """Ends it with all its streams, whose sinks are told."""


class SessionListener(Interface):
    """Who owns sessions."""

    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        """The edge opened a stream (relays only)."""

    def on_joined(self, session: LiveSession, carrier: int, line: str) -> None:
        """A carrier stands and the peer has confirmed it."""

    def on_suspected(self, session: LiveSession, line: str) -> None:
        """Other carriers are heard, this line's isn't."""

    def on_relieved(self, session: LiveSession, line: str, seconds: float) -> None:
        """The suspicion, `seconds` old, is over."""

    def on_carrier_lost(self, session: LiveSession, line: str, left: int) -> None:
        """A carrier has ended, `left` carriers remain."""

    def on_all_silent(self, session: LiveSession) -> None:
        """Nothing good is known of any carrier, though there are streams. Most listeners need no news of that."""
        return

    def on_gone_away(self, session: LiveSession, reason: str) -> None:
        """The relay takes no new streams; those that exist go on."""

    def on_closed(self, session: LiveSession, code: int, reason: str) -> None:
        """It is over, and its streams have been told. Always the last call."""
