"""What was written of replies, kept so that a repeated request gets the same bytes and no second execution. Pure.

    reply = kept.begin(key); reply.add(…)      while it is executed; `reply.whole()` for a second stream that joins
    kept.done(key); kept.find(key)             afterwards
    kept.drop(key)                             the edge has it

Bounded by bytes: of one reply, and of all. Finished replies go first, the oldest before the others; a reply that is
lost can't be joined or repeated any more, which the request id's next stream is told.
"""

from __future__ import annotations

from collections import OrderedDict

OVERHEAD = 64
"""Bytes that a piece takes beside its own."""


class KeptReply:
    """What one stream was told so far. `is_lost`: not all of it is here any more."""

    __slots__ = ("_owner", "_pieces", "is_lost", "size")

    def __init__(self, owner: KeptReplies) -> None:
        self._owner = owner
        self._pieces: list[bytes] = []
        self.size = 0
        self.is_lost = False

    def add(self, piece: bytes) -> None:
        """Per chunk."""
        if not self.is_lost:
            self._pieces.append(piece)
            size = len(piece) + OVERHEAD
            self.size += size
            self._owner.grown(self, size)

    def whole(self) -> bytes:
        """All of it. The pieces become one."""
        self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def lose(self) -> None:
        """Forgets it."""
        if not self.is_lost:
            self.is_lost = True
            self._pieces.clear()
            self._owner.shrunk(self.size)
            self.size = 0


class KeptReplies:
    """All that is kept. `reply_bytes`: of one; `total_bytes`: of all."""

    def __init__(self, reply_bytes: int = 1 << 20, total_bytes: int = 64 << 20) -> None:
        self._reply_bytes = reply_bytes
        self._total_bytes = total_bytes
        self._done: OrderedDict[bytes, KeptReply] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        """Finished replies that are kept."""
        return len(self._done)

    def begin(self) -> KeptReply:
        return KeptReply(self)

    def done(self, key: bytes, reply: KeptReply) -> None:
        """It is whole, and kept as long as there is room."""
        if not reply.is_lost:
            self._done[key] = reply

    def find(self, key: bytes) -> KeptReply | None:
        return self._done.get(key)

    def drop(self, key: bytes) -> None:
        """It isn't needed any more."""
        reply = self._done.pop(key, None)
        if reply is not None:
            reply.lose()

    def grown(self, reply: KeptReply, size: int) -> None:
        self.size += size
        if reply.size > self._reply_bytes:
            reply.lose()
        while self.size > self._total_bytes and self._done:
            self._done.popitem(last=False)[1].lose()
        if self.size > self._total_bytes:
            reply.lose()

    def shrunk(self, size: int) -> None:
        self.size -= size
