"""A stored reply: enough to give it again as a document or as a stream, at once or as slowly as it once came."""

from __future__ import annotations

from msgspec import Struct

from transport.message import Headers

KEPT_HEADERS = (b"content-type", b"openai-version")
"""Of the reply's head. All others are of that one exchange: ids, rate limits, cookies, the provider's timing."""


class Spent(Struct, frozen=True, array_like=True, gc=False):
    """What the stored reply cost when it was made, and so what each hit saves. Tokens; None where nobody knows."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    seconds: float = 0.0  # from the request to the reply's end


class Entry(Struct, frozen=True, array_like=True):
    """`chunks`: (bytes, milliseconds since the reply's first byte) of each; together they are `body`. Times are of the
    wall clock, as they outlive the process."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    chunks: tuple[tuple[int, int], ...]
    is_stream: bool
    spent: Spent
    created_at_utc: float
    expires_at_utc: float

    def age(self, now_utc: float) -> int:
        """Whole seconds for the Age header (RFC 9111 §5.1); a clock that went back makes 0."""
        return max(0, int(now_utc - self.created_at_utc))


class Recorder:
    """Takes a reply down while it goes by. Over `largest_bytes` it lets go of everything and takes nothing more."""

    __slots__ = ("_began_at", "_chunks", "_largest", "_parts", "size_bytes")

    def __init__(self, largest_bytes: int) -> None:
        self.size_bytes = 0  # of the whole reply, kept or not
        self._largest = largest_bytes
        self._parts: list[bytes] = []
        self._chunks: list[tuple[int, int]] = []
        self._began_at: float | None = None

    def feed(self, data: bytes, now: float) -> None:
        """Hot path: one chunk, in the form without content-encoding."""
        if self._began_at is None:
            self._began_at = now
        self.size_bytes += len(data)
        if self.size_bytes <= self._largest:
            self._parts.append(data)
            self._chunks.append((len(data), int((now - self._began_at) * 1000.0)))
        elif self._parts:
            self._parts, self._chunks = [], []

    def entry(
        self, status: int, headers: Headers, is_stream: bool, spent: Spent, now_utc: float, ttl: float
    ) -> Entry | None:
        """The reply, ended; `ttl` in seconds. None if it was too large."""
        if self.size_bytes > self._largest:
            return None
        kept = tuple((name, value) for name, value in headers if name in KEPT_HEADERS)
        chunks = tuple(self._chunks)
        return Entry(status, kept, b"".join(self._parts), chunks, is_stream, spent, now_utc, now_utc + ttl)
