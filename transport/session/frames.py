"""What a session's ends say to each other, as values (SPEC.md §5). wire.py makes bytes of them."""

from __future__ import annotations

import msgspec

from transport.session.values import Limits, Priority, Redundancy, Role


class Ack(msgspec.Struct, frozen=True, gc=False):
    """Packets of `carrier` received: `largest` (its low 32 bits), the `run` before it, and the bits of `bitmap`:
    bit i is packet largest - run - 2 - i. `delay` seconds went by before this was sent."""

    carrier: int
    largest: int
    delay: float
    run: int
    bitmap: int


class StreamFrame(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a stream at an offset. `opening` is there until the opener knows that the peer has it."""

    stream: int
    offset: int
    data: bytes
    end: bool
    opening: Opening | None


class Opening(msgspec.Struct, frozen=True, gc=False):
    """What a stream is. `request` is an id of 16 bytes for execution at most once (all zero: none)."""

    priority: Priority
    redundancy: Redundancy
    request: bytes


class Hello(msgspec.Struct, frozen=True, gc=False):
    """The edge joins a carrier to a session, making the session if it is new."""

    versions: tuple[int, int]
    session: bytes
    token: bytes
    role: Role
    carrier: int
    name: str
    limits: Limits
    rate: int
    """Bytes/s that the relay may send over this carrier; 0: no budget."""
    resumes: bool = False
    """A relay has welcomed a carrier of this session: one that doesn't know it must not make it anew."""
    line: str = ""
    """What the edge calls the line, for people."""


class Welcome(msgspec.Struct, frozen=True, gc=False):
    """The relay has joined the carrier to the session."""

    version: int
    name: str
    limits: Limits


class ResetFrame(msgspec.Struct, frozen=True, gc=False):
    """The stream ends at once, both ways. `sent`: bytes of it that were ever sent, for the session's credit."""

    stream: int
    code: int
    sent: int
    reason: str


class CreditFrame(msgspec.Struct, frozen=True, gc=False):
    """The peer may send the stream up to `limit` (an offset); stream 0: all streams' bytes together."""

    stream: int
    limit: int


class MessageFrame(msgspec.Struct, frozen=True, gc=False):
    """A piece of a droppable message, taken from its writer at `sent_ms` (sender's clock), worthless `lifetime_ms`
    later."""

    stream: int
    number: int
    piece: int
    pieces: int
    sent_ms: int
    lifetime_ms: int
    data: bytes


class GoAway(msgspec.Struct, frozen=True, gc=False):
    """No new streams above `last_stream`."""

    last_stream: int
    code: int
    reason: str


class Close(msgspec.Struct, frozen=True, gc=False):
    """The session is over."""

    code: int
    reason: str


class Offsets(msgspec.Struct, frozen=True, gc=False):
    """(stream, bytes received without a gap) of live streams, after a carrier has joined."""

    received: tuple[tuple[int, int], ...]


Frame = StreamFrame | Ack | CreditFrame | MessageFrame | Hello | Welcome | ResetFrame | GoAway | Close | Offsets
