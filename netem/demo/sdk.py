"""What the openai SDK (3.x) does when a line is bad, with its defaults except for the time-out to read.

Before the reply's head every time-out and connection error is tried again, up to `retries` times, after a back-off of
0.5 s, doubled each time up to 8 s, less a random quarter. Statuses 408, 409, 429 and 5xx are tried again too, after
`Retry-After` if there is one. After the head nothing is: a stream that breaks raises. Idle connections are dropped
after five seconds.
"""

from dataclasses import dataclass

EDGE_FIRST_BYTE = 3.0
"""How long the demo's edge waits for a reply's first byte before it asks elsewhere, in seconds (its default is 60)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, and how many times more. By default the SDK would read for 600 s: too long to look at."""

    connect: float = 5.0
    read: float = 10.0
    retries: int = 2
    keep_idle: float = 5.0

    def in_words(self) -> str:
        """For the screen."""
        sdk = f"connect {self.connect:g}, read {self.read:g} s, {self.retries} retries"
        return f"both: openai SDK ({sdk}) · edge: first byte {EDGE_FIRST_BYTE:g} s"


def back_off(taken: int, draw: float, retry_after: float | None = None) -> float:
    """How long to wait before the next try, after `taken` retries; `draw` is random, 0 to 1."""
    if retry_after is not None and 0 < retry_after <= 120:
        return retry_after
    return float(min(0.5 * 2.0**taken, 8.0) * (1 - 0.25 * draw))


def is_retried(status: int) -> bool:
    """Would the SDK try again after this status?"""
    return status in (408, 409, 429) or status >= 500


def read_retry_after(text: str) -> float | None:
    """Seconds of a `Retry-After` header; None if there is none that is a number."""
    try:
        return float(text)
    except ValueError:
        return None
