"""Droppable messages of one stream: late ones are dropped on either side, and nothing waits for a lost one.

The two clocks aren't compared. The receiver takes the quickest passage of any message of the session in the last minute
as the lines' own; a message that took longer than that by more than its lifetime is late. A message that doesn't fit
into a packet goes in pieces, and is told when all are there and still in time.
"""

from __future__ import annotations

from collections import deque

import msgspec

from transport.session.acks import Shortest
from transport.session.frames import MessageFrame
from transport.session.values import Code
from transport.session.wire import WireError, encode

PIECE_BYTES = 800
MAX_PIECES = 64
MAX_MESSAGE_BYTES = PIECE_BYTES * MAX_PIECES
MAX_QUEUED = 512
MAX_INCOMPLETE = 8
MAX_LIFETIME_MS = 65_535


class Queued(msgspec.Struct, gc=False, eq=False):
    """A piece of a message at its sender. `is_due`: it has not been sent, or what was sent is lost."""

    frame: bytes
    expires_at: float
    is_due: bool = True
    is_done: bool = False


class MessagesOut:
    """Pieces are kept until acknowledged or late; at most `MAX_QUEUED`, the oldest goes first."""

    __slots__ = ("_next", "_queue")

    def __init__(self) -> None:
        self._next = 1
        self._queue: deque[Queued] = deque(maxlen=MAX_QUEUED)

    def __len__(self) -> int:
        return len(self._queue)

    def append(self, stream: int, data: bytes, lifetime: float, now: float) -> None:
        """Queues a message. Raises ValueError above MAX_MESSAGE_BYTES."""
        if len(data) > MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {len(data)} bytes; {MAX_MESSAGE_BYTES} are the most")
        lifetime_ms = min(int(lifetime * 1000), MAX_LIFETIME_MS)
        sent_ms = int(now * 1000) & 0xFFFF_FFFF
        pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)] or [b""]
        for index, piece in enumerate(pieces):
            frame = MessageFrame(stream, self._next, index, len(pieces), sent_ms, lifetime_ms, piece)
            self._queue.append(Queued(encode(frame), now + lifetime_ms / 1000))
        self._next += 1

    def take_due(self, now: float) -> tuple[list[Queued], int]:
        """(those to send, oldest first; how many were dropped because they are late)."""
        kept = [piece for piece in self._queue if not piece.is_done and piece.expires_at >= now]
        late = sum(not piece.is_done for piece in self._queue) - len(kept)
        self._queue = deque(kept, maxlen=MAX_QUEUED)
        return [piece for piece in kept if piece.is_due], late


class MessagesIn:
    """Tells the messages that are in time and newer than all before. `passage` is shared by a session's streams."""

    __slots__ = ("_incomplete", "_last", "_passage")

    def __init__(self, passage: Shortest) -> None:
        self._last = 0
        self._passage = passage
        self._incomplete: dict[int, dict[int, bytes]] = {}

    def receive(self, frame: MessageFrame, now: float) -> tuple[bytes | None, bool]:
        """(the message that is now complete, whether this piece came late). Raises WireError for impossible numbers."""
        if not frame.number or not frame.piece < frame.pieces <= MAX_PIECES:
            raise WireError(Code.MALFORMED, "a message or a piece out of range")
        passage_ms = (int(now * 1000) - frame.sent_ms + 0x8000_0000) & 0xFFFF_FFFF
        self._passage.add(passage_ms, now)
        if passage_ms - self._passage.value > frame.lifetime_ms:
            self._incomplete.pop(frame.number, None)
            return None, True
        if frame.number <= self._last:
            return None, False
        pieces = self._incomplete.setdefault(frame.number, {})
        pieces[frame.piece] = frame.data
        if len(pieces) < frame.pieces:
            self._bound()
            return None, False
        self._last = frame.number
        self._incomplete = {number: kept for number, kept in self._incomplete.items() if number > frame.number}
        return b"".join(pieces[index] for index in range(frame.pieces)), False

    def _bound(self) -> None:
        if len(self._incomplete) > MAX_INCOMPLETE:
            del self._incomplete[min(self._incomplete)]
