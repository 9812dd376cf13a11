"""Packets and frames of a session: values to bytes and back (SPEC.md §3–§5).

`decode` takes a whole packet from its carrier and answers with its header and its frames, or raises `WireError`, whose
code goes into CLOSE. Integers are those of RFC 9000 §16 ("varint") where nothing else is said.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class

from transport.session.frames import (
    Ack,
    Close,
    CreditFrame,
    Frame,
    GoAway,
    Hello,
    MessageFrame,
    Offsets,
    Opening,
    ResetFrame,
    StreamFrame,
    Welcome,
)
from transport.session.values import VERSION, Code, Limits, Priority, Redundancy, Role

HEADER = Struct(">BI")
HEADER_BYTES = HEADER.size
FORMAT = 0x10
ELICITING = 0x01

PADDING, ACK, HELLO, WELCOME = 0x00, 0x02, 0x03, 0x04
STREAM, FIN, OPEN = 0x10, 0x01, 0x02
RESET, CREDIT, MESSAGE, GOAWAY, CLOSE, OFFSETS = 0x20, 0x21, 0x22, 0x24, 0x25, 0x26
IGNORABLE = 0x80

MAX_REASON_BYTES = 256
MAX_RUN = 128
BITMAP_BITS = 128
OPEN_BYTES = 18
STREAM_OVERHEAD = 1 + 8 + 8 + 2 + OPEN_BYTES
"""At most so many bytes of a STREAM frame are not the stream's."""

_U16, _U32, _U64 = Struct(">H"), Struct(">I"), Struct(">Q")
_ACK = Struct(">IBBB")
_MESSAGE_TIMES = Struct(">IH")
_SMALL = tuple(bytes((number,)) for number in range(64))


class WireError(ValueError):
    """A packet breaks the protocol; `code` says how."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code


# ------------------------------------------------------------------------------------------------------- to bytes


def varint(number: int) -> bytes:
    """RFC 9000 §16. `number` is at least 0 and below 2^62."""
    if number < 0x40:
        return _SMALL[number]
    if number < 0x4000:
        return _U16.pack(number | 0x4000)
    if number < 0x4000_0000:
        return _U32.pack(number | 0x8000_0000)
    return _U64.pack(number | 0xC000_0000_0000_0000)


def encode_header(number: int, is_eliciting: bool) -> bytes:
    """The five bytes before the frames."""
    return HEADER.pack(FORMAT | is_eliciting, number & 0xFFFF_FFFF)


def encode_stream_head(stream: int, offset: int, size: int, end: bool, opening: Opening | None) -> bytes:
    """A STREAM frame but for its `size` bytes of data."""
    head = b"%c%b%b%b" % (
        STREAM | end | (OPEN if opening is not None else 0),
        varint(stream),
        varint(offset),
        varint(size),
    )
    if opening is None:
        return head
    return head + bytes((opening.priority, opening.redundancy)) + opening.request


def encode_ack(carrier: int, largest: int, delay: float, run: int, bitmap: int) -> bytes:
    """An ACK frame; of the delay at most 63.75 ms can be told."""
    length = (bitmap.bit_length() + 7) >> 3
    return b"%c%b%b%b" % (
        ACK,
        varint(carrier),
        _ACK.pack(largest & 0xFFFF_FFFF, min(255, int(delay * 4000)), run, length),
        bitmap.to_bytes(length, "little"),
    )


def encode(frame: Frame) -> bytes:
    """Any frame. Frames that are sent often have functions of their own."""
    match frame:
        case StreamFrame(stream, offset, data, end, opening):
            return encode_stream_head(stream, offset, len(data), end, opening) + data
        case Ack(carrier, largest, delay, run, bitmap):
            return encode_ack(carrier, largest, delay, run, bitmap)
        case CreditFrame(stream, limit):
            return b"%c%b%b" % (CREDIT, varint(stream), varint(limit))
        case MessageFrame(stream, number, piece, pieces, sent_ms, lifetime_ms, data):
            numbers = varint(stream) + varint(number) + varint(piece) + varint(pieces)
            return b"%c%b%b%b" % (MESSAGE, numbers, _MESSAGE_TIMES.pack(sent_ms, lifetime_ms), _sized(data))
        case ResetFrame(stream, code, sent, reason):
            return b"%c%b%b%b%b" % (RESET, varint(stream), varint(code), varint(sent), _sized(_reason(reason)))
        case GoAway(last_stream, code, reason):
            return b"%c%b%b%b" % (GOAWAY, varint(last_stream), varint(code), _sized(_reason(reason)))
        case Close(code, reason):
            return b"%c%b%b" % (CLOSE, varint(code), _sized(_reason(reason)))
        case Offsets(received):
            pairs = b"".join(varint(stream) + varint(offset) for stream, offset in received)
            return b"%c%b%b" % (OFFSETS, varint(len(received)), pairs)
        case Welcome(version, name, limits):
            return b"%c%b" % (WELCOME, _sized(b"%c%b%b" % (version, _sized(name.encode()), _limits(limits))))
        case _:
            return b"%c%b" % (HELLO, _sized(_hello(frame)))


def _hello(frame: Hello) -> bytes:
    return b"".join(
        (
            bytes(frame.versions),
            frame.session,
            frame.token,
            bytes((frame.role,)),
            varint(frame.carrier),
            _sized(frame.name.encode()),
            _limits(frame.limits),
            varint(frame.rate),
            bytes((frame.resumes,)),
            _sized(frame.line.encode()),
        )
    )


def _limits(limits: Limits) -> bytes:
    return varint(limits.max_streams) + varint(limits.stream_window) + varint(limits.session_window)


def _sized(data: bytes) -> bytes:
    return varint(len(data)) + data


def _reason(reason: str) -> bytes:
    """At most MAX_REASON_BYTES, cut between characters."""
    return reason.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()


# ----------------------------------------------------------------------------------------------------- from bytes


class Reader:
    """Takes values off a packet from front to back. All raise WireError(MALFORMED) at its end."""

    __slots__ = ("_data", "_end", "at")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._end = len(data)
        self.at = at

    def byte(self) -> int:
        if self.at >= self._end:
            raise WireError(Code.MALFORMED, "truncated frame")
        self.at += 1
        return self._data[self.at - 1]

    def varint(self) -> int:
        try:
            number, self.at = _varint_at(self._data, self.at)
        except IndexError:
            raise WireError(Code.MALFORMED, "truncated integer") from None
        return number

    def take(self, size: int) -> bytes:
        at = self.at
        if at + size > self._end:
            raise WireError(Code.MALFORMED, "truncated frame")
        self.at = at + size
        return self._data[at : at + size]

    def sized(self, limit: int) -> bytes:
        size = self.varint()
        if size > limit:
            raise WireError(Code.MALFORMED, f"a field of {size} bytes, {limit} are allowed")
        return self.take(size)

    def text(self, limit: int) -> str:
        try:
            return self.sized(limit).decode()
        except UnicodeDecodeError:
            raise WireError(Code.MALFORMED, "text that isn't UTF-8") from None


def decode(packet: bytes) -> tuple[int, bool, list[Frame]]:
    """(low 32 bits of the packet's number, whether it wants to be acknowledged, frames). Raises WireError."""
    if len(packet) < HEADER_BYTES:
        raise WireError(Code.MALFORMED, "a packet shorter than its header")
    flags, number = HEADER.unpack_from(packet)
    if flags & 0xF0 != FORMAT:
        raise WireError(Code.VERSION, f"packet format {flags >> 4}")
    frames: list[Frame] = []
    at, end = HEADER_BYTES, len(packet)
    try:
        while at < end:
            kind = packet[at]
            if kind & 0xFC == STREAM:
                at = _read_stream(packet, at, frames)
            elif kind == ACK:
                at = _read_ack(packet, at, frames)
            elif kind == PADDING:
                at += 1
            else:
                at = _read_other(packet, at, kind, frames)
    except (IndexError, StructError):
        raise WireError(Code.MALFORMED, "truncated frame") from None
    return number, bool(flags & ELICITING), frames


def _varint_at(packet: bytes, at: int) -> tuple[int, int]:
    """(the integer, where it ends). Raises IndexError at the packet's end."""
    first = packet[at]
    if first < 0x40:
        return first, at + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | packet[at + 1], at + 2
    size = 4 if first < 0xC0 else 8
    packet[at + size - 1]
    return int.from_bytes(packet[at : at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size


def _read_stream(packet: bytes, at: int, frames: list[Frame]) -> int:
    """Frequent: reads without a Reader. Returns where the frame ends."""
    kind = packet[at]
    stream, at = (first, at + 2) if (first := packet[at + 1]) < 0x40 else _varint_at(packet, at + 1)
    offset, at = _varint_at(packet, at)
    size, at = (first, at + 1) if (first := packet[at]) < 0x40 else _varint_at(packet, at)
    if not stream:
        raise WireError(Code.MALFORMED, "stream 0 carries no bytes")
    opening = None
    if kind & OPEN:
        opening = _read_opening(Reader(packet, at))
        at += OPEN_BYTES
    end = at + size
    if end > len(packet):
        raise WireError(Code.MALFORMED, "truncated frame")
    frames.append(StreamFrame(stream, offset, packet[at:end], bool(kind & FIN), opening))
    return end


def _read_ack(packet: bytes, at: int, frames: list[Frame]) -> int:
    """Frequent, too."""
    carrier, at = _varint_at(packet, at + 1)
    largest, delay, run, length = _ACK.unpack_from(packet, at)
    at += _ACK.size
    end: int = at + length
    if length > BITMAP_BITS >> 3 or run > MAX_RUN or end > len(packet):
        raise WireError(Code.MALFORMED, "an ACK that is cut or reaches too far back")
    frames.append(Ack(carrier, largest, delay / 4000, run, int.from_bytes(packet[at:end], "little")))
    return end


def _read_other(packet: bytes, at: int, kind: int, frames: list[Frame]) -> int:
    reader = Reader(packet, at + 1)
    if kind >= IGNORABLE:
        reader.take(reader.varint())
    else:
        frames.append(_read_rare(reader, kind))
    return reader.at


def _read_opening(reader: Reader) -> Opening:
    priority, redundancy = reader.byte(), reader.byte()
    if priority > Priority.BATCH or redundancy > Redundancy.HOT:
        raise WireError(Code.MALFORMED, "unknown priority or redundancy")
    return Opening(Priority(priority), Redundancy(redundancy), reader.take(16))


def _read_rare(reader: Reader, kind: int) -> Frame:
    match kind:
        case 0x22:
            stream, number, piece, pieces = reader.varint(), reader.varint(), reader.varint(), reader.varint()
            sent_ms, lifetime_ms = _MESSAGE_TIMES.unpack(reader.take(_MESSAGE_TIMES.size))
            return MessageFrame(stream, number, piece, pieces, sent_ms, lifetime_ms, reader.take(reader.varint()))
        case 0x21:
            return CreditFrame(reader.varint(), reader.varint())
        case 0x20:
            return ResetFrame(reader.varint(), reader.varint(), reader.varint(), reader.text(MAX_REASON_BYTES))
        case 0x24:
            return GoAway(reader.varint(), reader.varint(), reader.text(MAX_REASON_BYTES))
        case 0x25:
            return Close(reader.varint(), reader.text(MAX_REASON_BYTES))
        case 0x26:
            return Offsets(tuple((reader.varint(), reader.varint()) for _ in range(reader.varint())))
        case 0x03:
            return _read_hello(Reader(reader.take(reader.varint())))
        case 0x04:
            inner = Reader(reader.take(reader.varint()))
            return Welcome(inner.byte(), inner.text(64), _read_limits(inner))
        case _:
            raise WireError(Code.UNKNOWN_FRAME, f"frame type 0x{kind:02x}")


def _read_hello(reader: Reader) -> Hello:
    """What follows the fields that this version knows is left alone: later versions may add fields."""
    versions = (reader.byte(), reader.byte())
    session, token, role = reader.take(16), reader.take(32), reader.byte()
    if role > Role.RELAY:
        raise WireError(Code.MALFORMED, "unknown role")
    carrier, name = reader.varint(), reader.text(64)
    limits, rate, flags = _read_limits(reader), reader.varint(), reader.byte()
    line = reader.text(64)
    return Hello(versions, session, token, Role(role), carrier, name, limits, rate, bool(flags & 1), line)


def _read_limits(reader: Reader) -> Limits:
    return Limits(reader.varint(), reader.varint(), reader.varint())


def find_hello(packet: bytes) -> Hello | None:
    """The HELLO of a carrier's first packet, for the relay to find its session by; None if the packet has none.

    Raises WireError, with code VERSION if the two sides have no version in common."""
    for frame in decode(packet)[2]:
        if isinstance(frame, Hello):
            if not frame.versions[0] <= VERSION <= frame.versions[1]:
                raise WireError(Code.VERSION, f"versions {frame.versions[0]} to {frame.versions[1]}; this is {VERSION}")
            return frame
    return None


def expand(low: int, near: int) -> int:
    """The whole packet number with these low 32 bits that is nearest to `near`."""
    number = (near & ~0xFFFF_FFFF) | low
    if number > near + 0x8000_0000 and number >= 0x1_0000_0000:
        return number - 0x1_0000_0000
    if number < near - 0x8000_0000:
        return number + 0x1_0000_0000
    return number
