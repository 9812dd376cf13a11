"""What providers say of their rate limits, and which (endpoint, model) has none left for now.

A refusal says when to come back: `retry-after-ms` (Azure and OpenAI), `retry-after` in seconds or as a date (RFC 9110
§10.2.3). Replies that are served say how much is left:

    x-ratelimit-limit-requests, -remaining-requests, -reset-requests (and -tokens): OpenAI, Azure, Groq, Mistral, xAI…
        https://platform.openai.com/docs/guides/rate-limits; resets are durations: "1s", "6m0s", "20ms"
    anthropic-ratelimit-requests-limit, -remaining, -reset (and tokens, input-tokens, output-tokens)
        https://docs.anthropic.com/en/api/rate-limits; resets are RFC 3339 times

Both vendors' limits are buckets that fill continuously, and "reset" is when the bucket is full again. So when it is
nearly empty, only as long a pause is taken as it needs to hold a little more than nothing.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import datetime
from email.utils import parsedate_to_datetime

from transport.message import Headers, header

LONGEST = 300.0  # seconds; what a provider asks for beyond that is asked again then
LOW = 0.01  # of the limit; what is left when others are preferred, for many requests may be under way
BUCKETS = (  # the names of what is left, the limit, and when it is full again
    *(
        tuple(b"x-ratelimit-%b-%b" % (field, what) for field in (b"remaining", b"limit", b"reset"))
        for what in (b"requests", b"tokens")
    ),
    *(
        tuple(b"anthropic-ratelimit-%b-%b" % (what, field) for field in (b"remaining", b"limit", b"reset"))
        for what in (b"requests", b"tokens", b"input-tokens", b"output-tokens")
    ),
)
_DURATION = re.compile(rb"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS = (86_400.0, 3600.0, 60.0, 1.0, 0.001)


def retry_after(headers: Headers, utc: float) -> float | None:
    """Seconds after which the provider wants to be asked again, at most LONGEST; None if it didn't say. `utc`: now,
    seconds since the epoch."""
    exact = plain_number(header(headers, b"retry-after-ms"))
    if exact is not None:
        return min(exact / 1000, LONGEST)
    value = header(headers, b"retry-after")
    seconds = plain_number(value)
    if seconds is None and value is not None:
        seconds = _until_date(value, utc)
    return None if seconds is None else min(seconds, LONGEST)


def exhausted_for(headers: Headers, utc: float) -> float | None:
    """Seconds for which, by its own account, the provider has next to nothing left for us; None: it has enough, or
    didn't say."""
    fields = dict(headers)
    longest = 0.0
    for left, limit, reset in BUCKETS:
        remaining = fields.get(left)
        if remaining is not None:
            longest = max(longest, _pause(remaining, fields.get(limit), fields.get(reset, b""), utc))
    return min(longest, LONGEST) if longest else None


def _pause(remaining: bytes, limit: bytes | None, reset: bytes, utc: float) -> float:
    """Seconds until this bucket holds a little more than nothing; 0 if it does."""
    left, full = plain_number(remaining), plain_number(limit) or 0.0
    low = LOW * full
    if left is None or left > low:
        return 0.0
    seconds = reset_in(reset, utc) or 0.0
    missing = full - left
    return seconds * min(1.0, (low + 1.0 - left) / missing) if missing > 0 else seconds


def reset_in(value: bytes, utc: float) -> float | None:
    """Seconds: of a duration ("1m30s", "12ms", plain seconds), or until a time (RFC 3339); None: it is neither."""
    plain = plain_number(value)
    if plain is not None:
        return plain
    spoken = _DURATION.fullmatch(value.strip())
    if spoken and any(spoken.groups()):
        return sum(float(part or 0) * unit for part, unit in zip(spoken.groups(), _UNITS, strict=True))
    try:
        return max(0.0, datetime.fromisoformat(value.decode("ascii")).timestamp() - utc)
    except (ValueError, OverflowError):
        return None


def plain_number(value: bytes | None) -> float | None:
    """A number ≥ 0, or None."""
    try:
        number = float(value or b"")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until_date(value: bytes, utc: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(value.decode("ascii")).timestamp() - utc)
    except (ValueError, OverflowError):
        return None


class Throttles:
    """Until when each (endpoint, model) wants no more requests with the node's own credentials. Monotonic seconds.

    Limits are per model at most providers; a request without a model has a limit of its own. Callers' own credentials
    have limits of their own, so they are nobody else's business and aren't kept here.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def note(self, endpoint: str, model: str | None, until: float, now: float) -> None:
        """It said so. Of several words the one that holds longest counts."""
        self._until = {key: end for key, end in self._until.items() if end > now}
        key = (endpoint, model)
        self._until[key] = max(until, self._until.get(key, until))

    def until(self, endpoint: str, model: str | None, now: float) -> float | None:
        """When it may be asked again; None: now."""
        end = self._until.get((endpoint, model))
        return end if end is not None and end > now else None
