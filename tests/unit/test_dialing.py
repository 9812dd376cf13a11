"""transport/dialing.py: errno to blame and code."""

from __future__ import annotations

import errno

import pytest

from transport.dialing import endpoint_fault, errno_fault, line_fault, most_telling, proxy_fault
from transport.failure import Code, Origin, Verdict


@pytest.mark.parametrize(
    ("number", "origin", "code"),
    [
        (errno.EADDRNOTAVAIL, Origin.LINE, Code.DESTINATION_IP_UNROUTABLE),
        (errno.ENETUNREACH, Origin.LINE, Code.DESTINATION_IP_UNROUTABLE),
        (errno.EHOSTUNREACH, Origin.LINE, Code.DESTINATION_IP_UNROUTABLE),
        (errno.ENETDOWN, Origin.LINE, Code.DESTINATION_IP_UNROUTABLE),
        (errno.ENODEV, Origin.LINE, Code.DESTINATION_IP_UNROUTABLE),
        (errno.ETIMEDOUT, Origin.LINE, Code.CONNECTION_TIMEOUT),
        (errno.ECONNRESET, Origin.LINE, Code.CONNECTION_TERMINATED),
        (None, Origin.LINE, Code.CONNECTION_TERMINATED),
        (errno.ECONNREFUSED, Origin.ENDPOINT, Code.CONNECTION_REFUSED),
        (errno.EMFILE, Origin.EDGE, Code.PROXY_INTERNAL_ERROR),
    ],
)
def test_errno(number: int | None, origin: Origin, code: str) -> None:
    failure = errno_fault(number, "why")
    assert (failure.origin, failure.verdict, failure.code, failure.detail) == (origin, Verdict.SAFE, code, "why")


def test_the_attempt_that_got_farthest_tells_most() -> None:
    unroutable = line_fault(Code.DESTINATION_IP_UNROUTABLE, "v6")
    refused = endpoint_fault(Code.CONNECTION_REFUSED, "v4")
    timeout = line_fault(Code.CONNECTION_TIMEOUT, "v4")
    assert most_telling([unroutable, refused, timeout]) is refused
    assert most_telling([timeout, unroutable]) is timeout
    proxy = proxy_fault("no")
    assert most_telling([proxy, refused]) is proxy
    assert (proxy.origin, proxy.code) == (Origin.LINE, Code.LINE_PROXY_ERROR)
