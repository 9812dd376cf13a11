"""transport/fallback.py: what is dialed after failures, and what Alt-Svc allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.fallback import Alternative, Fallback, FallbackPolicy, Plan, parse_alt_svc
from transport.path import Protocol

H1, H2, H3 = Protocol.H1, Protocol.H2, Protocol.H3
ALL = (H3, H2, H1)
POLICY = FallbackPolicy(head_start=0.15, first_pause=30, longest_pause=100)


def test_h3_listed_first_is_tried_from_the_start_with_a_head_start() -> None:
    assert Fallback(ALL).plan(0.0) == Plan(True, (H2, H1), 0.15)
    assert Fallback((H2, H1)).plan(0.0) == Plan(False, (H2, H1))
    assert Fallback((H3,)).plan(0.0) == Plan(True, ())


def test_one_protocol_only() -> None:
    fallback = Fallback(ALL)
    assert fallback.plan(0.0, H1) == Plan(False, (H1,))
    assert fallback.plan(0.0, H3) == Plan(True, ())
    assert Fallback((H2,)).plan(0.0, H1) == Plan(False, ())


def test_failures_bar_for_longer_and_longer_until_a_success() -> None:
    fallback = Fallback(ALL, POLICY)
    fallback.failed(H3, 0)
    fallback.failed(H3, 10)  # of a dial that ran beside: counts once
    assert fallback.plan(29.9) == Plan(False, (H2, H1))
    assert fallback.plan(30).quic
    fallback.failed(H3, 30)
    assert not fallback.plan(89.9).quic
    fallback.failed(H3, 90)
    assert not fallback.plan(189.9).quic
    assert fallback.plan(190).quic
    fallback.succeeded(H3)
    fallback.succeeded(H3)
    fallback.failed(H3, 200)
    assert fallback.plan(230).quic


def test_h2_that_breaks_its_rules_leaves_http_1() -> None:
    fallback = Fallback((H2, H1), POLICY)
    fallback.failed(H2, 0)
    assert fallback.plan(1) == Plan(False, (H1,))
    assert fallback.plan(30) == Plan(False, (H2, H1))


def test_when_all_is_barred_all_is_tried() -> None:
    fallback = Fallback(ALL, POLICY)
    for protocol in ALL:
        fallback.failed(protocol, 0)
    assert fallback.plan(1) == Plan(True, (H2, H1), 0.15)


def test_h3_listed_later_waits_for_alt_svc() -> None:
    fallback = Fallback((H2, H3, H1))
    assert fallback.plan(0) == Plan(False, (H2, H1))
    assert fallback.plan(0, H3) == Plan(True, ())
    fallback.advertised(parse_alt_svc(b'h3=":443"; ma=60, h3-29=":443"'), 443, 0)
    assert fallback.plan(59).quic
    assert not fallback.plan(60).quic
    fallback.advertised(parse_alt_svc(b'h3=":443"'), 443, 100)
    fallback.advertised(parse_alt_svc(b"clear"), 443, 101)
    assert not fallback.plan(102).quic
    fallback.advertised(parse_alt_svc(b'h3="elsewhere.test:443", h3=":8443", h2=":443"'), 443, 103)
    assert not fallback.plan(104).quic


def test_alt_svc_cannot_forbid_what_the_operator_prefers() -> None:
    fallback = Fallback(ALL)
    fallback.advertised((), 443, 0)
    assert fallback.plan(1).quic


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b'h3=":443"', [Alternative("h3", "", 443, 86_400)]),
        (b'h3="a.test:8443"; ma=5; persist=1', [Alternative("h3", "a.test", 8443, 5)]),
        (b'h3=":443"; ma="7" , h2=":80"', [Alternative("h3", "", 443, 7), Alternative("h2", "", 80, 86_400)]),
        (b'w="a,b;c:443"', [Alternative("w", "a,b;c", 443, 86_400)]),
        (b'h3=":443"; ma=soon', [Alternative("h3", "", 443, 86_400)]),
        (b"clear", []),
        (b'h3=":0", h3=":70000", h3=":x", h3=443, h3', []),
        (b"", []),
    ],
)
def test_alt_svc(value: bytes, found: list[Alternative]) -> None:
    assert list(parse_alt_svc(value)) == found


@given(st.binary(max_size=80))
def test_alt_svc_takes_anything(value: bytes) -> None:
    assert all(0 < alternative.port < 65536 for alternative in parse_alt_svc(value))
