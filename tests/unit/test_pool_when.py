"""Which requests stay here."""

from __future__ import annotations

import pytest

from edge.pool.when import CANARY_SECONDS, Canary, Reason, is_cut_off, is_too_slow, may_stand_in
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, PathHealth, RttFigures
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

A, B = Path("cn2", "openai"), Path("cu2", "openai")
EJECTED = LineHealth(Standing.EJECTED, since=100.0)


def rtt(seconds: float, at: float = 0.0) -> RttFigures:
    return RttFigures(seconds, seconds, seconds, seconds, 0.0, 1, at)


def test_what_is_unknown_counts_as_working() -> None:
    assert not is_cut_off((A, B), HealthView())
    assert is_cut_off((), HealthView())


def test_one_working_path_is_enough() -> None:
    assert not is_cut_off((A, B), HealthView(lines={"cn2": EJECTED}))
    assert is_cut_off((A, B), HealthView(lines={"cn2": EJECTED, "cu2": LineHealth(Standing.PROBATION)}))


@pytest.mark.parametrize(
    "view",
    [
        HealthView(endpoints={"openai": EndpointHealth(Standing.EJECTED)}),
        HealthView(paths={A: PathHealth(Standing.EJECTED), B: PathHealth(Standing.PROBATION)}),
    ],
)
def test_paths_and_endpoints_fail_too(view: HealthView) -> None:
    assert is_cut_off((A, B), view)


def test_the_least_bad_path_answered_after_it_was_ejected() -> None:
    lines = {"cn2": EJECTED, "cu2": EJECTED}
    assert is_cut_off((A, B), HealthView(lines=lines, paths={A: PathHealth(rtt=rtt(0.2, at=99.0))}))
    assert not is_cut_off((A, B), HealthView(lines=lines, paths={A: PathHealth(rtt=rtt(0.2, at=101.0))}))


def test_too_slow_for_the_client() -> None:
    view = HealthView(paths={A: PathHealth(first_byte_p50=3.0), B: PathHealth(rtt=rtt(2.5))})
    assert is_too_slow((A, B), view, wanted=2.0, round_trip=None)
    assert not is_too_slow((A, B), view, wanted=2.7, round_trip=None)
    assert not is_too_slow((A, B), view, wanted=None, round_trip=None)
    assert not is_too_slow((A, Path("cmi", "openai")), view, wanted=2.0, round_trip=0.1)  # that one might be fast
    assert not is_too_slow((), view, wanted=2.0, round_trip=None)


def test_too_slow_for_realtime() -> None:
    view = HealthView(paths={A: PathHealth(rtt=rtt(0.4)), B: PathHealth(rtt=rtt(0.5))})
    assert is_too_slow((A, B), view, wanted=None, round_trip=0.3)
    assert not is_too_slow((A, B), view, wanted=None, round_trip=0.45)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT), True),
        (Failure(Origin.ENDPOINT, Verdict.UNKNOWN, Code.HTTP_RESPONSE_TIMEOUT), True),
        (Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TERMINATED), True),  # nothing of it was passed on
        (Failure(Origin.CLIENT, Verdict.UNKNOWN, Code.CLIENT_GONE), False),
        (Failure(Origin.EDGE, Verdict.UNKNOWN, Code.DEADLINE), False),
    ],
)
def test_standing_in(failure: Failure, expected: bool) -> None:
    assert may_stand_in(failure) is expected


def test_binding_reasons() -> None:
    assert {reason for reason in Reason if reason.is_binding} == {Reason.SENSITIVE, Reason.REQUESTED}


def test_one_canary_a_second() -> None:
    canary = Canary()
    assert canary.may_go(10.0)
    assert not canary.may_go(10.0 + CANARY_SECONDS / 2)
    assert canary.may_go(10.0 + CANARY_SECONDS)
