"""Words of a session: roles, priorities, codes, configuration, and the events a core tells its shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

VERSION = 1


class Role(IntEnum):
    """An edge opens streams, a relay answers them."""

    EDGE = 0
    RELAY = 1


class CarrierKind(IntEnum):
    """Datagrams (sealed, or QUIC's) are lost and never delay each other; TLS over TCP loses none and delays them."""

    QUIC = 0
    TLS = 1


class Priority(IntEnum):
    """Smaller goes first. BATCH is paced behind everything else."""

    CONTROL = 0
    REALTIME = 1
    INTERACTIVE = 2
    BATCH = 3


class Redundancy(IntEnum):
    """How many lines carry a stream's bytes.

    SINGLE: one. STANDBY: two until the peer has acknowledged the stream's first bytes and while a line is suspected,
    else one. HOT: two always.
    """

    SINGLE = 0
    STANDBY = 1
    HOT = 2


class Code(IntEnum):
    """Why a session was closed or a stream was reset (SPEC.md §11)."""

    NO_ERROR = 0
    MALFORMED = 1
    UNKNOWN_FRAME = 2
    VERSION = 3
    REFUSED = 4
    FLOW_CONTROL = 5
    FINAL_SIZE = 6
    STREAM_LIMIT = 7
    STREAM_STATE = 8
    EXPIRED = 9
    CANCELLED = 10
    DRAINING = 11
    DUPLICATE = 12
    INTERNAL = 13


class Limits(msgspec.Struct, frozen=True, gc=False):
    """What one side lets the other do. Windows are bytes that may be received but not consumed."""

    max_streams: int = 2000
    stream_window: int = 4 << 20
    session_window: int = 16 << 20


FIRST_LIMITS = Limits(max_streams=100, stream_window=65_536, session_window=1 << 20)
"""What every node grants at least; the peer's own figures come with its HELLO or WELCOME."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """One side's settings. `session` (16 bytes) and `token` (32 bytes, secret) are random and chosen by the edge.

    bundle_bytes  unacknowledged bytes that a packet may carry again; heartbeat, ack_delay, linger: seconds
    flush_every   seconds between packets of streams while they come thick: what is written meanwhile shares them
    hot_loss      loss ratio of the best line from which STANDBY streams go as HOT ones (back at half of it)
    rates         bytes/s each line may send, by line id; a line that is missing has no budget of its own
    """

    session: bytes
    token: bytes
    name: str = ""
    redundancy: Redundancy = Redundancy.STANDBY
    limits: Limits = field(default_factory=Limits)
    bundle_bytes: int = 1000
    send_buffer_bytes: int = 4 << 20
    heartbeat: float = 0.025
    idle_heartbeat: float = 1.0
    ack_delay: float = 0.008
    flush_every: float = 0.0015
    linger: float = 30.0
    hot_loss: float = 0.02
    rates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.session) != 16 or len(self.token) != 32:
            raise ValueError("a session id has 16 bytes, a token 32")
        if len(self.name.encode()) > 64:
            raise ValueError("a node's name has at most 64 bytes")
        if any(getattr(self.limits, name) < getattr(FIRST_LIMITS, name) for name in FIRST_LIMITS.__struct_fields__):
            raise ValueError(f"limits below what every node grants, {FIRST_LIMITS}")


class CannotOpen(Exception):
    """No new stream now; `code` is DRAINING, STREAM_LIMIT or the one the session was closed with."""

    def __init__(self, code: int) -> None:
        super().__init__(f"no new stream: {Code(code).name}")
        self.code = code


class StreamOpened(msgspec.Struct, frozen=True, gc=False):
    """The edge opened a stream (told to relays)."""

    stream: int
    priority: Priority
    redundancy: Redundancy
    request: bytes


class Data(msgspec.Struct, frozen=True, gc=False):
    """The next bytes of a stream, in order. Obligation: call `consumed` once they have gone on."""

    stream: int
    data: bytes
    end: bool


class Message(msgspec.Struct, frozen=True, gc=False):
    """A droppable message, newer than every one told before on its stream, and in time."""

    stream: int
    data: bytes


class Reset(msgspec.Struct, frozen=True, gc=False):
    """The peer gave the stream up; nothing more comes of it and nothing can be written to it."""

    stream: int
    code: int
    reason: str


class Acked(msgspec.Struct, frozen=True, gc=False):
    """The peer has every byte of the stream up to its end, at `offset`."""

    stream: int
    offset: int


class Credit(msgspec.Struct, frozen=True, gc=False):
    """`writable` answered 0 for this stream and now answers more."""

    stream: int


class CarrierSuspected(msgspec.Struct, frozen=True, gc=False):
    """Other carriers are heard, this one isn't: its bytes go over all of them for a while."""

    carrier: int
    line: str


class CarrierRelieved(msgspec.Struct, frozen=True, gc=False):
    """A suspected carrier is heard and acknowledged again, after `seconds`."""

    carrier: int
    line: str
    seconds: float


class CarrierLost(msgspec.Struct, frozen=True, gc=False):
    """A carrier has ended; `left` carriers remain."""

    carrier: int
    line: str
    left: int


class AllSilent(msgspec.Struct, frozen=True, gc=False):
    """Nothing good is known of any carrier: the peer stands still, or their kind doesn't pass any more. Told once until
    one of them is believed in again. A carrier that joins meanwhile gets everything that is under way."""


class Joined(msgspec.Struct, frozen=True, gc=False):
    """The peer has confirmed this carrier (told once per carrier); `peer` is its node's name."""

    carrier: int
    peer: str


class GoneAway(msgspec.Struct, frozen=True, gc=False):
    """The relay takes no new streams above `last_stream`; those that exist go on."""

    last_stream: int
    code: int
    reason: str


class SessionClosed(msgspec.Struct, frozen=True, gc=False):
    """The session is over, with all its streams. Always the last event."""

    code: int
    reason: str


Event = (
    StreamOpened
    | Data
    | Message
    | Reset
    | Acked
    | Credit
    | CarrierSuspected
    | CarrierRelieved
    | CarrierLost
    | AllSilent
    | Joined
    | GoneAway
    | SessionClosed
)


@dataclass(slots=True)
class Tally:
    """Stream bytes sent by cause, and what was noticed on the way. Counts only go up."""

    packets: int = 0
    bytes: int = 0
    first_bytes: int = 0
    bundled_bytes: int = 0
    resent_bytes: int = 0
    repeated_bytes: int = 0
    copied_bytes: int = 0
    suspicions: int = 0
    duplicate_packets: int = 0
    late_messages: int = 0
    stalls: int = 0
