"""A session's own flow control: the bytes of all streams together, in both directions.

Every byte counts once, by its offset: copies and repeats don't. A reset stream tells how many bytes of it were sent, so
that both sides keep the same account.
"""

from __future__ import annotations

from transport.session.values import FIRST_LIMITS, Code
from transport.session.wire import WireError


class SessionFlow:
    """`granted` is what the peer lets us send in all, `limit` what we let it send."""

    __slots__ = ("_consumed", "_received", "_told", "_window", "granted", "limit")

    def __init__(self, window: int) -> None:
        self._window = window
        self._told = window
        self._received = 0
        self._consumed = 0
        self.limit = window
        self.granted = FIRST_LIMITS.session_window

    def grant(self, limit: int) -> int:
        """The peer's limit is `limit`; returns how many bytes that is more than before."""
        more = max(limit - self.granted, 0)
        self.granted += more
        return more

    def receive(self, size: int) -> None:
        """New bytes came. Raises WireError for more than the credit."""
        self._received += size
        if self._received > self.limit:
            raise WireError(Code.FLOW_CONTROL, "more bytes than the session has credit for")

    def consume(self, size: int) -> int | None:
        """Bytes are out of our hands; the new limit if it is time to tell the peer."""
        self._consumed += size
        self.limit = self._consumed + self._window
        if self.limit - self._told < self._window >> 1:
            return None
        self._told = self.limit
        return self.limit
