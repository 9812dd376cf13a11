"""A reply's bytes → its tokens, each with its number, its time of arrival and the provider's stamp, and how it ended.

Understands what the fake provider sends for `answer=stamped` over SSE (`t0001@` and 16 digits of monotonic
nanoseconds) and, over a WebSocket, the numbered deltas of the Realtime API, which carry no stamp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_STAMPED = re.compile(rb"t(\d{4,})@(\d{16})")
_DELTA = re.compile(r'"type":"response\.output_text\.delta".*"delta":"t(\d{4,})')
_DONE = b"data: [DONE]"
_ERROR = re.compile(rb'^(?:event: error$|data: \{"error":)', re.MULTILINE)

Token = tuple[int, int, int]
"""(number from 1, arrival, stamp): nanoseconds of the monotonic clock, stamp 0 where there is none."""


@dataclass(slots=True)
class SseReader:
    """`feed` takes pieces as they come, cut anywhere. `is_done`: the dialect's own end was there."""

    tokens: list[Token] = field(default_factory=list)
    is_done: bool = False
    is_error: bool = False
    _held: bytes = b""

    def feed(self, data: bytes, now_ns: int) -> None:
        """A token has arrived when the whole event that carries it has."""
        data = self._held + data
        end = data.rfind(b"\n\n")
        if end < 0:
            self._held = data
            return
        whole, self._held = data[: end + 2], data[end + 2 :]
        for number, stamp in _STAMPED.findall(whole):
            self.tokens.append((int(number), now_ns, int(stamp)))
        self.is_done = self.is_done or _DONE in whole
        self.is_error = self.is_error or _ERROR.search(whole) is not None


@dataclass(slots=True)
class RealtimeReader:
    """`feed` takes one text message of the Realtime API."""

    tokens: list[Token] = field(default_factory=list)
    is_done: bool = False
    is_error: bool = False

    def feed(self, message: str, now_ns: int) -> None:
        """One message."""
        if found := _DELTA.search(message):
            self.tokens.append((int(found[1]), now_ns, 0))
        elif '"type":"response.done"' in message:
            self.is_done = True
        elif '"type":"error"' in message:
            self.is_error = True
