"""transport/pool.py: which connection, how many dials, what to retire."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from transport.path import Protocol
from transport.pool import PoolPolicy, ProtocolCount, Shelf

H1, H2, H3 = Protocol.H1, Protocol.H2, Protocol.H3


class Fake:
    """A connection as the decisions see it."""

    def __init__(self, protocol: Protocol, limit: int = 1) -> None:
        self.protocol = protocol
        self.limit = limit
        self.in_flight = 0
        self.alive = True

    def has_slot(self) -> bool:
        return self.alive and self.in_flight < self.limit


def shelf(*protocols: Protocol, floor: int = 0, ceiling: int = 4, **policy: Any) -> Any:
    return Shelf(protocols, floor, ceiling, PoolPolicy(**policy))


def test_those_that_were_silent_for_a_while_are_suspects() -> None:
    pool = shelf(H2, H1)
    quiet, fresh, mux = Fake(H1), Fake(H1), Fake(H2, 2)
    pool.add(mux, 0)
    pool.add(quiet, 0)
    pool.add(fresh, 100)
    assert pool.suspects(100.1) == [quiet, mux]


def test_h1_hands_out_the_one_used_last() -> None:
    pool = shelf(H1)
    a, b = Fake(H1), Fake(H1)
    pool.add(a, 0)
    pool.add(b, 1)
    assert pool.take(None, 2) is b
    pool.freed(b, 3)
    assert pool.take(H1, 4) is b
    assert pool.take(H1, 4) is a
    assert pool.take(H1, 4) is None
    assert pool.take(H2, 4) is None


def test_h1_skips_the_dead_and_never_hands_out_the_stale() -> None:
    pool = shelf(H1, h1_idle=50)
    a, b = Fake(H1), Fake(H1)
    pool.add(a, 0)
    pool.add(b, 10)
    b.alive = False
    assert pool.take(None, 20) is a
    pool.freed(a, 30)
    assert pool.take(None, 80) is None
    assert pool.retire(79) == []
    assert pool.retire(80) == [a]
    assert pool.retire(99) == []


def test_the_peers_idle_timeout_is_believed_with_a_margin() -> None:
    pool = shelf(H1, h1_idle=50, margin=2)
    pool.learn_idle(5)
    a = Fake(H1)
    pool.add(a, 0)
    assert pool.retire(2.9) == []
    assert pool.retire(3) == [a]
    pool.learn_idle(1)
    pool.add(a, 0)
    assert pool.retire(0.5) == [a]
    pool.learn_idle(300)
    pool.add(a, 0)
    assert pool.retire(49) == []


def test_the_fullest_multiplexed_connection_that_has_a_slot() -> None:
    pool = shelf(H2, H1, streams=3)
    a, b, c = Fake(H2, 10), Fake(H2, 10), Fake(H2, 2)
    for connection in (a, b, c):
        pool.add(connection, 0)
    a.in_flight, b.in_flight, c.in_flight = 1, 2, 2
    assert pool.take(None, 1) is b
    b.in_flight = 3
    assert pool.take(None, 1) is a
    assert pool.take(H2, 1) is a
    a.in_flight = 3
    assert pool.take(None, 1) is None
    one = Fake(H1)
    pool.add(one, 1)
    assert pool.take(None, 2) is one


def test_drained_connections_are_handed_out_no_more() -> None:
    pool = shelf(H2, H1)
    two, one = Fake(H2, 5), Fake(H1)
    pool.add(two, 0)
    pool.add(one, 0)
    assert pool.take(H2, 0) is two
    pool.drained(two)
    pool.drained(two)
    pool.freed(two, 1)
    assert pool.take(H2, 1) is None
    pool.drained(one)
    pool.freed(one, 1)
    assert pool.take(None, 1) is None
    other = Fake(H2, 5)
    pool.add(other, 2)
    pool.drained(other)
    assert pool.counts() == []


def test_dials_for_those_who_wait() -> None:
    pool = shelf(H1, ceiling=3)
    assert pool.dials_wanted(None, 2) == 2
    pool.dial_began(None)
    assert pool.dials_wanted(None, 2) == 1
    assert pool.dials_wanted(None, 9) == 2
    pool.dial_ended(None)
    pool.add(Fake(H1), 0)
    assert pool.dials_wanted(None, 9) == 2


def test_one_multiplexed_dial_for_many_until_it_turns_out_to_be_h1() -> None:
    pool = shelf(H2, H1, ceiling=50, streams=10)
    assert pool.dials_wanted(None, 10) == 1
    assert pool.dials_wanted(None, 11) == 2
    assert pool.dials_wanted(H1, 3) == 3
    pool.add(Fake(H1), 0)
    assert pool.dials_wanted(None, 11) == 11
    assert pool.share(None) == 1
    assert pool.share(H2) == 10


def test_the_floor_counts_what_is_ready_or_on_its_way() -> None:
    pool = shelf(H2, H1, floor=3, ceiling=4)
    assert pool.floor_missing() == 3
    two = Fake(H2, 1)
    pool.add(two, 0)
    pool.dial_began(None)
    assert pool.floor_missing() == 1
    two.in_flight = 1
    assert pool.floor_missing() == 2
    pool.ceiling = 1
    assert pool.floor_missing() == 0


def test_idle_multiplexed_connections_retire_down_to_the_floor() -> None:
    pool = shelf(H2, floor=1, mux_idle=300)
    a, b, c = Fake(H2, 2), Fake(H2, 2), Fake(H2, 2)
    for connection in (a, b, c):
        pool.add(connection, 0)
    assert pool.take(None, 0) is a
    a.in_flight = 2
    pool.freed(a, 1)
    assert pool.retire(299) == []
    assert pool.retire(300) == [b, c]
    a.in_flight = 0
    pool.freed(a, 310)
    assert pool.retire(9999) == []


def test_a_busy_newcomer_is_counted_as_busy() -> None:
    pool = shelf(H2, ceiling=9)
    busy, idle = Fake(H2, 5), Fake(H2, 5)
    busy.in_flight = 1
    pool.add(busy, 0)
    pool.add(idle, 0)
    pool.dial_began(None)
    pool.dial_began(H1)
    assert pool.counts() == [ProtocolCount(H1, 0, 0, 1), ProtocolCount(H2, 1, 1, 1)]
    assert pool.retire(9999) == [idle]


class PoolLife(RuleBasedStateMachine):
    """Whatever happens in whatever order: nothing is handed out twice, dead, or beyond the ceiling."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.pool: Any = Shelf((H2, H1), 1, 3)
        self.all: list[Fake] = []

    @rule(protocol=st.sampled_from([H1, H2]))
    def dial(self, protocol: Protocol) -> None:
        if self.pool.dials_wanted(None, 1):
            self.pool.dial_began(None)
            self.pool.dial_ended(None)
            connection = Fake(protocol, 1 if protocol is H1 else 2)
            self.all.append(connection)
            self.pool.add(connection, self.now)

    @rule(only=st.sampled_from([None, H1, H2]))
    def take(self, only: Protocol | None) -> None:
        connection = self.pool.take(only, self.now)
        if connection is not None:
            assert connection.has_slot()
            assert only in (None, connection.protocol)
            connection.in_flight += 1

    @precondition(lambda self: any(connection.in_flight for connection in self.all))
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from([connection for connection in self.all if connection.in_flight]))
        connection.in_flight -= 1
        if connection.alive:
            self.pool.freed(connection, self.now)

    @precondition(lambda self: self.all)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.all))
        connection.alive = False
        self.pool.drained(connection)

    @rule(seconds=st.sampled_from([0.1, 10.0, 60.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for connection in self.pool.retire(self.now):
            assert connection.in_flight == 0
            connection.alive = False

    @invariant()
    def counts_hold(self) -> None:
        for count in self.pool.counts():
            live = [c for c in self.all if c.alive and c.protocol is count.protocol]
            assert count.idle + count.active == len(live) <= 3
            assert count.idle == sum(c.in_flight == 0 for c in live)


PoolLife.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestPoolLife = PoolLife.TestCase
