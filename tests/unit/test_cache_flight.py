from __future__ import annotations

from collections.abc import Callable

import pytest

from cache.flight import Flight, FlightLimits, Flights, Seat
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers

LOST = Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED)
HEAD: Headers = [(b"content-type", b"text/event-stream")]


class Client:
    """Notes what it is told; can act from within."""

    def __init__(self, act: Callable[[], None] | None = None) -> None:
        self.told: list[object] = []
        self.body = b""
        self.act = act

    def on_begin(self, status: int, headers: Headers) -> None:
        self.told.append(status)

    def on_data(self, data: bytes) -> None:
        self.body += data
        self.told.append(data)
        if self.act is not None:
            self.act()

    def on_end(self) -> None:
        self.told.append("end")

    def on_failure(self, failure: Failure) -> None:
        self.told.append(failure)

    def on_lagging(self) -> None:
        self.told.append("lagging")


def flight(listeners: int = 10, buffer_bytes: int = 100) -> Flight:
    return Flight(FlightLimits(listeners, buffer_bytes))


def test_everybody_gets_everything_as_it_comes() -> None:
    one, early, late = flight(), Client(), Client()
    one.join(early)
    one.begin(200, HEAD)
    one.feed(b"a")
    one.feed(b"b")
    one.join(late)
    one.feed(b"c")
    one.end()
    assert early.told == [200, b"a", b"b", b"c", "end"]
    assert late.told == [200, b"ab", b"c", "end"]
    assert (one.joined, one.listeners, one.is_over) == (2, 0, True)


def test_before_the_head_nothing_is_told() -> None:
    one, client = flight(), Client()
    one.join(client)
    assert client.told == []
    one.begin(200, HEAD)
    assert client.told == [200]


def test_a_slow_client_catches_up_and_slows_nobody() -> None:
    one, slow, quick = flight(), Client(), Client()
    seat = one.join(slow)
    one.join(quick)
    one.begin(200, HEAD)
    one.feed(b"a")
    seat.pause()
    one.feed(b"b")
    one.feed(b"c")
    assert quick.body == b"abc" and slow.body == b"a"
    seat.resume()
    one.feed(b"d")
    assert slow.told == [200, b"a", b"bc", b"d"]
    seat.pause()
    one.feed(b"e")
    one.end()
    assert slow.told[-1] == b"d" and quick.told[-1] == "end"
    seat.resume()
    assert slow.told[-2:] == [b"e", "end"]
    seat.resume()
    assert slow.told[-2:] == [b"e", "end"]


def test_paused_from_within_its_own_data() -> None:
    one = flight()
    client = Client()
    seat = one.join(client)
    client.act = seat.pause
    one.begin(200, HEAD)
    one.feed(b"a")
    one.feed(b"b")
    assert client.body == b"a"
    seat.resume()
    one.end()
    assert client.body == b"ab" and client.told[-1] == "end"


def test_a_client_that_leaves_is_told_nothing_more() -> None:
    one = flight()
    client, other = Client(), Client()
    seat = one.join(client)
    one.join(other)
    client.act = seat.leave
    one.begin(200, HEAD)
    one.feed(b"a")
    one.feed(b"b")
    one.end()
    assert client.told == [200, b"a"]
    assert other.told[-1] == "end"
    seat.leave()


def test_one_that_leaves_while_others_are_being_told() -> None:
    one, first, second = flight(), Client(), Client()
    one.join(first)
    seat = one.join(second)
    first.act = seat.leave
    one.begin(200, HEAD)
    one.feed(b"a")
    assert second.body == b""


def test_a_client_that_leaves_while_it_catches_up() -> None:
    one, client = flight(), Client()
    seat: list[Seat] = []
    one.begin(200, HEAD)
    seat.append(one.join(client))
    seat[0].pause()
    one.feed(b"a")
    one.end()
    client.act = seat[0].leave
    seat[0].resume()
    assert client.told == [200, b"a"]


def test_failure_reaches_all_at_once() -> None:
    one, waiting, paused = flight(), Client(), Client()
    one.join(waiting)
    seat = one.join(paused)
    one.begin(200, HEAD)
    seat.pause()
    one.feed(b"a")
    one.fail(LOST)
    assert waiting.told == [200, b"a", LOST]
    assert paused.told == [200, LOST]
    assert one.is_over and not one.is_joinable
    seat.resume()
    assert paused.told == [200, LOST]


def test_the_leaders_client_leaves_and_the_exchange_goes_on() -> None:
    abandoned: list[bool] = []
    one, client = flight(), Client()
    one.on_abandoned = lambda: abandoned.append(True)
    seat = one.join(client)
    one.begin(200, HEAD)
    assert not one.may_abandon()
    one.feed(b"a")
    assert client.body == b"a" and not abandoned
    seat.leave()
    assert abandoned == [True]


def test_one_that_only_passes_on_is_no_reason_to_go_on() -> None:
    abandoned: list[bool] = []
    one = flight()
    one.on_abandoned = lambda: abandoned.append(True)
    seat = one.join(Client())
    seat.want(False)
    assert one.may_abandon()
    seat.want(True)
    assert not one.may_abandon() and not abandoned
    seat.want(False)
    assert abandoned == [True]


def test_a_leader_alone_may_go() -> None:
    one = flight()
    assert one.may_abandon()
    one.join(Client()).leave()  # nobody to tell


def test_the_last_one_to_leave_after_the_end_abandons_nothing() -> None:
    abandoned: list[bool] = []
    one = flight()
    one.on_abandoned = lambda: abandoned.append(True)
    seat = one.join(Client())
    seat.pause()
    one.begin(200, HEAD)
    one.feed(b"a")
    one.may_abandon()
    one.end()
    seat.leave()
    assert abandoned == []


def test_the_leader_pauses_when_nobody_reads() -> None:
    one, flows = flight(), list[bool]()
    one.on_flow = flows.append
    first = one.join(Client())
    first.pause()
    assert flows == [False]
    second = one.join(Client())
    assert flows == [False, True]
    second.pause()
    first.resume()
    assert flows == [False, True, False, True]
    first.leave()
    assert flows[-1] is False
    passing_on = one.join(Client())
    assert flows[-1] is True
    passing_on.want(False)
    assert flows[-1] is False  # nobody listens behind it
    second.leave()
    assert flows[-1] is True  # nobody is left to wait for
    one.end()
    passing_on.pause()
    assert len(flows) == 8


def test_nobody_need_hear_of_the_flow() -> None:
    one = flight()
    one.join(Client()).pause()
    one.feed(b"x")
    assert one.listeners == 1


def test_fan_out_is_bounded() -> None:
    one = flight(listeners=2)
    one.join(Client())
    seat = one.join(Client())
    assert not one.is_joinable
    with pytest.raises(AssertionError):
        one.join(Client())
    seat.leave()
    assert one.is_joinable


def test_over_the_bound_nobody_joins_and_the_slowest_is_dropped() -> None:
    one, quick, slow, slower = flight(buffer_bytes=10), Client(), Client(), Client()
    one.join(quick)
    slow_seat, slower_seat = one.join(slow), one.join(slower)
    one.begin(200, HEAD)
    slower_seat.pause()
    one.feed(b"12345")
    slow_seat.pause()
    one.feed(b"67890")
    assert one.is_joinable
    one.feed(b"!")
    assert not one.is_joinable
    assert slower.told == [200, "lagging"]
    one.feed(b"?")
    slow_seat.resume()
    one.feed(b"abcdefgh" * 5)
    one.end()
    assert quick.body == slow.body == b"1234567890!?" + b"abcdefgh" * 5
    assert quick.told[-1] == slow.told[-1] == "end"


def test_large_replies_without_listeners_are_not_held() -> None:
    abandoned: list[bool] = []
    one = flight(buffer_bytes=10)
    one.on_abandoned = lambda: abandoned.append(True)
    one.begin(200, HEAD)
    for _ in range(10):
        one.feed(b"12345678")
    assert one._buffered_bytes <= 10 and sum(map(len, one._chunks)) == one._buffered_bytes
    assert abandoned == []


def test_dropping_the_last_listener_abandons() -> None:
    abandoned: list[bool] = []
    one, client = flight(buffer_bytes=10), Client()
    one.on_abandoned = lambda: abandoned.append(True)
    one.join(client).pause()
    one.begin(200, HEAD)
    one.may_abandon()
    one.feed(b"x" * 11)
    assert client.told == [200, "lagging"] and abandoned == [True]


def test_flights_are_found_by_key_until_they_land() -> None:
    flights = Flights()
    assert flights.find(b"k") is None
    one = flights.lead(b"k")
    assert flights.find(b"k") is one
    assert flights.find(b"other") is None
    one.end()
    assert flights.find(b"k") is None
    other = flights.lead(b"k")
    flights.land(b"k", one)
    assert flights.find(b"k") is other and len(flights) == 1
    flights.land(b"k", other)
    flights.land(b"k", other)
    assert len(flights) == 0


def test_after_a_failure_one_leads_and_the_others_join_it() -> None:
    flights = Flights()
    first = flights.lead(b"k")

    class Retrying(Client):
        def on_failure(self, failure: Failure) -> None:
            again = flights.find(b"k")
            if again is None:
                self.told.append(flights.lead(b"k"))
            else:
                again.join(Client())

    clients = [Retrying() for _ in range(5)]
    for client in clients:
        first.join(client)
    first.fail(LOST)
    flights.land(b"k", first)
    second = flights.find(b"k")
    assert second is not None and second.joined == 4
    assert [client.told for client in clients] == [[second], [], [], [], []]
