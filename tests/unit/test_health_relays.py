"""What the board makes of relays: records of their own, endpoints judged through them, lines left alone."""

from __future__ import annotations

import pytest

from health.board import HealthBoard
from health.change import Change
from health.rules import HealthRules
from health.standing import Standing
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path, relay_end
from transport.sample import TransportSample

SJC, FRA = Path("a+b", "us", "sjc"), Path("a+b", "us", "fra")
BROKEN = Failure(Origin.RELAY, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED)
REFUSED = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.CONNECTION_REFUSED)


@pytest.fixture
def changes() -> list[Change]:
    return []


@pytest.fixture
def board(changes: list[Change]) -> HealthBoard:
    made = HealthBoard()
    made.configure(HealthRules(), ("a", "b"), 0.0, ("us",), ("sjc", "fra"))
    made.on_change = changes.append
    return made


def sample(srtt: float = 0.15, heard_ago: float = 0.0) -> TransportSample:
    return TransportSample(srtt, 0.01, 1, 100, 0.0, 0, 0.0, segments_received=100, out_of_order=2, heard_ago=heard_ago)


def test_ready_and_not(board: HealthBoard, changes: list[Change]) -> None:
    assert board.view(1.0).relay("sjc").why_not == "no session yet"
    board.relay("sjc", "", 1.0)
    assert board.view(1.0).relay("sjc").why_not == ""
    board.relay("sjc", "", 1.1)
    board.relay("sjc", "draining: moves", 2.0, is_draining=True)
    assert board.view(2.0).relay("sjc").is_draining
    board.relay("nobody", "", 2.0)
    told = [(each.kind, each.id, each.before, each.after, each.reason) for each in changes]
    assert told == [
        ("relay", "sjc", "not ready", "ready", "the session stands"),
        ("relay", "sjc", "ready", "not ready", "draining: moves"),
    ]


def test_failures_are_the_relays_own(board: HealthBoard, changes: list[Change]) -> None:
    for _ in range(3):
        board.began(SJC)
        board.failed(SJC, BROKEN, 5.0)
        board.ended(SJC, False, 5.0)
    view = board.view(5.0)
    assert view.relay("sjc").way.standing is Standing.EJECTED
    assert view.way(SJC).reason == Code.CONNECTION_TERMINATED
    assert view.relay("sjc").way.success_ratio == 0.0
    assert view.way(Path("a", "us")).standing is view.way(Path("b", "us")).standing is Standing.ADMITTED
    assert view.relay("fra").way.standing is view.endpoint("us").standing is Standing.ADMITTED
    assert changes[-1].after == "ejected"
    until = 5.0 + HealthRules().standing.base_ejection
    board.tick(until)
    assert board.view(until).relay("sjc").way.standing is Standing.PROBATION
    for second in range(3):
        board.replied(SJC, 200, until + second)
    assert board.view(until + 3).relay("sjc").way.standing is Standing.ADMITTED
    assert changes[-1].reason == "works again"


def test_what_a_relay_tells_of_an_endpoint(board: HealthBoard) -> None:
    for _ in range(3):
        board.failed(SJC, REFUSED, 5.0)
    view = board.view(5.0)
    assert view.endpoint("us").standing is Standing.EJECTED
    assert view.relay("sjc").way.standing is Standing.ADMITTED


@pytest.mark.parametrize("elsewhere", [Path("a", "us"), FRA])
def test_an_endpoint_that_answers_elsewhere_is_not_to_blame(board: HealthBoard, elsewhere: Path) -> None:
    board.succeeded(elsewhere, 4.0)
    for _ in range(5):
        board.failed(SJC, REFUSED, 5.0)
    view = board.view(5.0)
    assert view.endpoint("us").standing is Standing.ADMITTED
    assert view.path(SJC).standing is Standing.EJECTED
    assert view.path(FRA).standing is Standing.ADMITTED


def test_requests_and_first_bytes(board: HealthBoard) -> None:
    board.relay_round_trip("sjc", 0.15, 1.0)
    board.relay_round_trip("nobody", 0.15, 1.0)
    board.began(SJC)
    board.began(SJC)
    board.first_byte(SJC, "gpt", 0.4, 1.0)
    view = board.view(1.5)
    assert (view.relay("sjc").way.in_flight, view.path(SJC).in_flight) == (2, 2)
    assert view.path(SJC).first_byte_p50 == pytest.approx(0.4, rel=0.1)
    assert view.path(SJC).rtt is not None
    assert view.relay("sjc").way.rtt is not None
    board.ended(SJC, True, 2.0)
    board.carried(SJC, 1000, 1000, 2.0)
    assert board.view(3.0).relay("sjc").way.in_flight == 1
    assert board.first_bytes.quantile(SJC, "gpt", 0.5, 2.0, 0.5) is not None


def test_relays_that_are_no_more(board: HealthBoard) -> None:
    board.first_byte(SJC, "gpt", 0.4, 1.0)
    board.began(FRA)
    board.configure(HealthRules(), ("a",), 2.0, (), ("fra",))
    assert set(board.view(2.0).relays) == {"fra"}
    assert board.view(2.0).relay("fra").way.in_flight == 0
    assert board.first_bytes.quantile(SJC, "gpt", 0.5, 2.0) is None
    for forgotten in (SJC, Path("a+b", "us", "nobody")):
        board.succeeded(forgotten, 3.0)
        board.failed(forgotten, BROKEN, 3.0)
        board.began(forgotten)
        board.ended(forgotten, True, 3.0)
        board.first_byte(forgotten, "gpt", 0.4, 3.0)
    assert set(board.view(4.0).relays) == {"fra"}
    board.configure(HealthRules(), ("a",), 5.0, None, ("fra",))
    assert set(board.view(5.0).relays) == {"fra"}


def test_a_carrier_speaks_for_its_line(board: HealthBoard) -> None:
    for second in range(1, 9):
        board.carrier("a", "sjc", sample(), float(second))
        board.carrier("b", "sjc", sample(0.2, heard_ago=0.5), float(second))
    view = board.view(9.0)
    a, b = view.line("a"), view.line("b")
    assert a.rtt is not None
    assert b.rtt is not None
    assert a.rtt.median == pytest.approx(0.15)
    assert b.rtt.median == pytest.approx(0.2)
    assert a.loss is not None
    assert a.loss.up_ratio == pytest.approx(0.01)
    assert a.loss.down_ratio == pytest.approx(0.02)
    assert view.path(Path("a", relay_end("sjc"))).rtt is not None


def test_a_line_that_reaches_the_relay_is_not_to_blame_for_an_endpoint(board: HealthBoard) -> None:
    dead = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_REFUSED)
    for second in range(1, 9):
        board.carrier("a", "sjc", sample(heard_ago=2.0), second - 0.5)
        board.carrier("a", "sjc", sample(), second - 0.4)
        board.failed(Path("a", "us"), dead, float(second))
    assert board.view(8.0).line("a").standing is Standing.ADMITTED
    assert board.view(8.0).path(Path("a", "us")).standing is Standing.EJECTED


def test_a_session_that_breaks_is_one_fault(board: HealthBoard) -> None:
    board.relay_broke("sjc", "expired", 1.0)
    board.relay_broke("nobody", "expired", 1.0)
    assert board.view(1.0).relay("sjc").way.standing is Standing.ADMITTED
    for _ in range(2):
        board.relay_broke("sjc", "expired", 1.0)
    assert board.view(1.0).relay("sjc").way.standing is Standing.EJECTED


def test_an_endpoint_that_the_relay_is_not_for(board: HealthBoard) -> None:
    board.failed(SJC, Failure(Origin.RELAY, Verdict.SAFE, Code.HTTP_REQUEST_DENIED), 1.0)
    view = board.view(1.0)
    assert view.path(SJC).standing is Standing.EJECTED
    assert view.relay("sjc").way.standing is view.endpoint("us").standing is Standing.ADMITTED


def test_a_silent_relay_is_suspected(board: HealthBoard, changes: list[Change]) -> None:
    board.suspect_relay("sjc", "silent for 1.5 s", 1.0)
    board.suspect_relay("sjc", "silent for 1.6 s", 1.1)
    board.suspect_relay("nobody", "silent", 1.1)
    assert board.view(1.1).relay("sjc").way.is_suspected
    assert board.view(1.1).relay("sjc").way.reason == "silent for 1.5 s"
    board.suspect_relay("sjc", "", 1.2)
    assert not board.view(1.2).relay("sjc").way.is_suspected
    assert [(each.before, each.after) for each in changes] == [("relieved", "suspected"), ("suspected", "relieved")]
