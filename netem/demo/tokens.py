"""Server-sent events of OpenAI's chat stream → the provider's numbered and stamped tokens (docs/fake-provider.md)."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(rb'"content":"t(\d+)@(\d{16})')
_DONE = b"data: [DONE]"
_ERROR = b'data: {"error"'
_EVENT_END = b"\n\n"


@dataclass(frozen=True, slots=True)
class Token:
    """Its number in its stream, from 1, and when the provider sent it: seconds of the machine's monotonic clock."""

    number: int
    sent_at: float


class TokenReader:
    """Feed it the body as it comes, however it is cut into pieces.

    `is_done`: the stream said that it is complete. `has_failed`: it carried an error event, on which SDKs raise.
    """

    def __init__(self) -> None:
        self.is_done = False
        self.has_failed = False
        self._held = b""

    def feed(self, data: bytes) -> list[Token]:
        """The tokens of the events that `data` completes."""
        whole, end, self._held = (self._held + data).rpartition(_EVENT_END)
        if not end:
            return []
        self.is_done = self.is_done or _DONE in whole
        self.has_failed = self.has_failed or _ERROR in whole
        return [Token(int(number), int(stamp) / 1e9) for number, stamp in _TOKEN.findall(whole)]
