from __future__ import annotations

import pytest

from edge.policy.ratelimit import LONGEST, Throttles, exhausted_for, retry_after

UTC = 1_790_000_000.0  # 2026-09-21T14:13:20Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "86400"}, LONGEST),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:32 GMT"}, 12.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 21 Sep 2026 99:13:00 GMT"}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "1"}, 1.0),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after([(name.encode(), value.encode()) for name, value in headers.items()], UTC)
    assert found == (None if seconds is None else pytest.approx(seconds))


def said(**fields: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-ratelimit-" + name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"content-type", b"text/plain")], None),
        (said(limit_requests="60", remaining_requests="59", reset_requests="1s"), None),
        # 60 in a minute: one is back after a second, and 1 % of 60 is kept free
        (said(limit_requests="60", remaining_requests="0", reset_requests="1m0s"), 1.6),
        (said(limit_requests="5000", remaining_requests="50", reset_requests="59.4s"), 0.012),
        (said(limit_requests="5000", remaining_requests="51", reset_requests="59.4s"), None),
        (said(limit_tokens="1000", remaining_tokens="0", reset_tokens="10s"), 0.11),
        (said(remaining_requests="0", reset_requests="7"), 7.0),  # no limit known: all of it
        (said(remaining_requests="0"), None),  # nor when
        (said(limit_requests="10", remaining_requests="0", reset_requests="0s"), None),
        (said(limit_requests="0", remaining_requests="0", reset_requests="20ms"), 0.02),
        (said(limit_requests="1", remaining_requests="0", reset_requests="1h1m1s1ms"), 300.0),
        (said(limit_requests="10", remaining_requests="many", reset_requests="1s"), None),
        (said(limit_requests="10", remaining_requests="0", reset_requests="later"), None),
        (said(limit_requests="10", remaining_requests="0", reset_requests=""), None),
        (said(limit_requests="2", remaining_requests="0", reset_requests="4s", limit_tokens="2",
              remaining_tokens="0", reset_tokens="40s"), 20.4),
        (said(limit_requests="ten", remaining_requests="0", reset_requests="3s"), 3.0),
    ],
)  # fmt: skip
def test_what_is_left(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    found = exhausted_for(headers, UTC)
    assert found == (None if seconds is None else pytest.approx(seconds, rel=0.01))


def test_anthropics_words() -> None:
    headers = [
        (b"anthropic-ratelimit-input-tokens-limit", b"100"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"0"),
        (b"anthropic-ratelimit-input-tokens-reset", b"2026-09-21T14:13:30Z"),
        (b"anthropic-ratelimit-requests-limit", b"50"),
        (b"anthropic-ratelimit-requests-remaining", b"49"),
        (b"anthropic-ratelimit-requests-reset", b"2026-09-21T14:13:21Z"),
    ]
    assert exhausted_for(headers, UTC) == pytest.approx(0.2)


def test_throttles_end_by_themselves() -> None:
    throttles = Throttles()
    throttles.note("one", "gpt", 5.0, 0.0)
    throttles.note("one", "gpt", 3.0, 0.0)
    assert throttles.until("one", "gpt", 4.9) == 5.0
    assert throttles.until("one", "other", 0.0) is None
    assert throttles.until("one", "gpt", 5.0) is None
    throttles.note("two", None, 9.0, 6.0)
    assert len(throttles) == 1
