"""transport.session.table: who may join which session."""

from __future__ import annotations

import pytest

from tests.support.session_pair import config
from transport.session.frames import Hello
from transport.session.table import Refused, SessionTable
from transport.session.values import CarrierKind, Code, Limits, Role

A, B, TOKEN = b"a" * 16, b"b" * 16, b"t" * 32


def hello(session: bytes = A, token: bytes = TOKEN, carrier: int = 1, role: Role = Role.EDGE) -> Hello:
    return Hello((1, 1), session, token, role, carrier, "bj-1", Limits(), 0)


def refused(table: SessionTable, wanted: Hello, peer: str = "edge") -> Code:
    with pytest.raises(Refused) as caught:
        table.join(wanted, peer, 1.0)
    return caught.value.code


def test_carriers_of_one_edge_meet_in_one_session() -> None:
    table = SessionTable(config("sjc"))
    core, is_new = table.join(hello(), "edge", 0.0)
    assert is_new and core.role is Role.RELAY and core.config.name == "sjc" and core.config.token == TOKEN
    core.carrier_up(1, CarrierKind.QUIC, "", 1200, 0.0)
    assert table.join(hello(carrier=2), "edge", 0.0) == (core, False)
    assert table.join(hello(B), "edge", 0.0)[0] is not core and len(table) == 2


def test_strangers_are_refused() -> None:
    table = SessionTable(config("sjc"), max_sessions_per_peer=1)
    core, _ = table.join(hello(), "edge", 0.0)
    core.carrier_up(1, CarrierKind.QUIC, "", 1200, 0.0)
    assert refused(table, hello(carrier=2), "other") is Code.REFUSED
    assert refused(table, hello(token=bytes(32))) is Code.REFUSED
    assert refused(table, hello(carrier=1)) is Code.REFUSED
    assert refused(table, hello(B)) is Code.STREAM_LIMIT
    assert refused(table, hello(B, role=Role.RELAY), "other") is Code.REFUSED
    assert not core.is_closed


def test_sessions_that_are_over_are_forgotten_once_all_is_said() -> None:
    table = SessionTable(config("sjc", linger=1.0))
    core, _ = table.join(hello(), "edge", 0.0)
    assert table.sweep() == []
    core.handle_timer(2.0)
    assert refused(table, hello()) is Code.EXPIRED
    assert table.sweep() == [core] and len(table) == 0
    assert table.join(hello(), "edge", 3.0)[1]


def test_a_session_that_is_forgotten_is_not_made_anew() -> None:
    table = SessionTable(config("sjc"))
    resuming = Hello((1, 1), A, TOKEN, Role.EDGE, 2, "bj-1", Limits(), 0, True)
    assert refused(table, resuming) is Code.EXPIRED and len(table) == 0
    table.join(hello(), "edge", 0.0)
    assert not table.join(resuming, "edge", 0.0)[1]
    assert table.knows(A) and not table.knows(B)


def test_an_edge_may_have_limits_of_its_own() -> None:
    table = SessionTable(config("sjc"))
    core, _ = table.join(hello(), "edge", 0.0, Limits(max_streams=123))
    assert core.config.limits.max_streams == 123
