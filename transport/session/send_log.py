"""One direction of a stream at its sender: bytes by offset until the peer has acknowledged them.

base   below it everything is acknowledged and forgotten        sent   below it everything was sent once
end    where the next byte will be appended                     limit  the peer's credit: no byte beyond it goes
"""

from __future__ import annotations

from transport.session.ranges import Ranges


class SendLog:
    """`is_ended` says that `end` is final (FIN)."""

    __slots__ = ("_buffer", "_known", "base", "end", "end_acked", "end_sent", "is_ended", "limit", "lost", "sent")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._known = Ranges()
        self.lost = Ranges()
        self.base = 0
        self.sent = 0
        self.end = 0
        self.limit = limit
        self.is_ended = False
        self.end_sent = False
        self.end_acked = False

    @property
    def is_finished(self) -> bool:
        """The peer has everything, and knows that it is everything."""
        return self.end_acked and self.base == self.end

    @property
    def is_outstanding(self) -> bool:
        """Something was sent and isn't acknowledged."""
        return self.base < self.sent or (self.end_sent and not self.end_acked)

    @property
    def owes_end(self) -> bool:
        """The FIN has not been sent, or is lost, though all bytes were sent."""
        return self.is_ended and not self.end_sent and self.sent == self.end

    def append(self, data: bytes, *, end: bool) -> None:
        """More bytes; with `end` the last ones."""
        self._buffer += data
        self.end += len(data)
        self.is_ended = end

    def read(self, start: int, end: int) -> bytes:
        """Bytes that are still kept: base ≤ start ≤ end ≤ self.end."""
        return bytes(self._buffer[start - self.base : end - self.base])

    def ack(self, start: int, end: int, *, is_end: bool) -> None:
        """The peer has [start, end), and with `is_end` the FIN. Forgets what nobody will ask for again."""
        if is_end:
            self.end_acked = True
        if end <= self.base:
            return
        if start > self.base:
            self._known.add(start, end)
            self.lost.remove(start, end)
            return
        if self._known.starts:
            self._known.add(start, end)
            end = self._known.first()[1]
            self._known.remove(0, end)
        if self.lost.starts:
            self.lost.remove(0, end)
        del self._buffer[: end - self.base]
        self.base = end

    def lose(self, start: int, end: int, *, is_end: bool) -> None:
        """A packet with [start, end) did not arrive: what of it isn't acknowledged is to be sent again."""
        if is_end and not self.end_acked:
            self.end_sent = False
        if end <= self.base:
            return
        self.lost.add(max(start, self.base), end)
        for known in self._known:
            self.lost.remove(*known)
