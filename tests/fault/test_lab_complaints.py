"""The classic complaints about overseas APIs, through a whole edge in the lab: real loss, real TCP, real TLS."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pytest

from netem.bench.aio.kernel import allowed
from netem.bench.aio.stage import play
from netem.bench.figures import expected_ttft_ms
from netem.bench.plan import EVENT_AT, Condition, Load, Plan
from netem.bench.record import Turn
from netem.bench.stats import median
from netem.bench.systems import adapter
from netem.bench.systems.farline import FarlineDirect
from netem.bench.systems.setup import Adapter, Place

LOAD = Load(streams=4, requests=8, tokens=20, think_ms=50)


def _turn(system: Adapter, condition: Condition, load: Load = LOAD) -> Turn:
    with allowed({system.congestion}):
        turn = play(system, condition, Plan((system.name,), (condition,), load), 0)
    assert turn.fault == ""
    assert len(turn.replies) == load.requests
    return turn


def _outcomes(turn: Turn, load: Load = LOAD) -> Counter[str]:
    return Counter(reply.outcome(load.tokens) for reply in turn.replies)


def _median_ttft_ms(turn: Turn) -> float:
    return 1000 * median([reply.ttft() for reply in turn.replies])


@pytest.mark.parametrize("name", ["grid-5", "grid-15", "internet-bad"])
def test_loss_and_congestion_cost_time_but_no_token(name: str) -> None:
    """5 and 15 % of all packets lost; the worst hours of plain internet."""
    turn = _turn(adapter("farline-2"), Condition(name))
    assert turn.packets_lost > 0
    assert _outcomes(turn) == {"complete": LOAD.requests}
    assert sum(reply.lost() + reply.repeated() for reply in turn.replies) == 0
    again = turn.executions - LOAD.requests
    if name == "internet-bad":  # its bursts silence a line for longer than suspicion waits: some are paid for twice
        assert 0 <= again <= LOAD.requests // 2
    else:  # single losses, however many, are no silence
        assert again == 0


def test_handshakes_are_paid_once_not_by_every_request() -> None:
    """A new TCP and TLS connection costs two round trips more than a warm one: 300 ms on a line of 150."""
    condition, load = Condition("clean"), replace(LOAD, requests=4)
    cold = _turn(adapter("cold-bbr"), condition, load)
    warm = _turn(adapter("farline-1"), condition, load)
    over = [
        1000 * median([reply.ttft() for reply in turn.replies]) - expected_ttft_ms(condition, LOAD)
        for turn in (cold, warm)
    ]
    assert over[0] >= 300
    assert over[1] < 150
    assert _outcomes(cold) == _outcomes(warm) == {"complete": load.requests}


@dataclass(frozen=True, slots=True)
class Impatient(FarlineDirect):
    """An edge that gives a silent provider up after seconds, not minutes, and uses both lines alike: the one that dies
    must have something to lose."""

    def configuration(self, place: Place) -> str:
        timeouts = "connect_seconds = 2\nfirst_byte_stream_seconds = 1.5\nidle_seconds = 2"
        own = f'[routing]\npolicy = "weighted"\n[timeouts]\n{timeouts}\n'
        return FarlineDirect.configuration(self, place) + own


def test_a_line_cut_for_good_takes_only_what_had_begun_on_it() -> None:
    load = Load(streams=6, requests=18, tokens=30, think_ms=400)
    turn = _turn(Impatient(2), Condition("clean", "blackhole"), load)
    cut = [reply for reply in turn.replies if reply.outcome(load.tokens) != "complete"]
    for reply in cut:
        assert reply.outcome(load.tokens) == "failed"  # never one that only looks complete
        assert reply.arrivals
        assert reply.arrivals[0] < EVENT_AT + 0.2  # it was committed before the line died
    assert 0 < len(cut) < load.requests
    started_later = [reply for reply in turn.replies if reply.planned > EVENT_AT]
    assert started_later
    assert {reply.outcome(load.tokens) for reply in started_later} == {"complete"}
    assert sum(reply.lost() + reply.repeated() for reply in turn.replies) == 0
    repeated = turn.executions - load.requests
    assert 0 <= repeated <= load.requests - len(cut)  # a request that vanished into the hole may have run
