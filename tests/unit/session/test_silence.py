"""SessionCore when no carrier is heard: it says so once, and what joins then gets everything."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest

from tests.unit.session.test_core import Scene, Wire
from transport.session.core import SessionCore
from transport.session.live import SessionListener
from transport.session.values import AllSilent, CarrierKind, CarrierSuspected, Role

DELAY = 0.075


class Blocked(Scene):
    """Datagrams over two lines. When the edge finds all silent, TLS joins over `ways`, as a line's end has it."""

    def __init__(self, *ways: Wire) -> None:
        self.datagrams = Wire(DELAY), Wire(DELAY + 0.01)
        self.ways = list(ways)
        self.arrivals: list[tuple[float, bytes]] = []
        super().__init__(*self.datagrams)

    def _keep(self, core: SessionCore, event: object, now: float) -> None:
        super()._keep(core, event, now)
        if core is self.edge and isinstance(event, AllSilent):
            for wire in self.ways:
                self.join(len(self.offers) + 1, wire, f"line{len(self.offers) - 1}", CarrierKind.TLS)
            self.ways.clear()
        if core is self.edge:
            self.arrivals.append((now, self.text(Role.EDGE)))

    def talk(self, tokens: int, blocked_at: int, passes: set[str]) -> float:
        """A token every 20 ms, some of them after datagrams stopped; returns the reader's longest gap."""
        self.ask()
        self.run(1.0)
        for token in range(tokens):
            if token == blocked_at:
                for wire in self.datagrams:
                    wire.passes = passes
            self.reply(b"%03d" % token)
            self.run(self.now + 0.02)
        self.run(self.now + 1.0)
        assert self.text(Role.EDGE) == b"".join(b"%03d" % token for token in range(tokens))
        times = [at for (_, before), (at, text) in pairwise(self.arrivals) if text != before]
        return max(later - sooner for sooner, later in pairwise(times))


@pytest.mark.parametrize("passes", [set(), {"up"}, {"down"}])
def test_tls_takes_over_within_a_round_trip_and_a_moment(passes: set[str]) -> None:
    scene = Blocked(Wire(DELAY), Wire(DELAY))
    gap = scene.talk(150, 50, passes)
    assert gap < 2 * DELAY + 0.15 + 0.02
    assert len(scene.of(Role.EDGE, AllSilent)) == 1
    assert {event.carrier for event in scene.of(Role.RELAY, CarrierSuspected)} == {1, 2}


def test_without_another_way_silence_is_told_once_and_again_after_the_next_one() -> None:
    scene = Blocked()
    scene.talk(20, 100, set())
    for expected in (1, 2):
        for wire in scene.datagrams:
            wire.passes = set()
        scene.run(scene.now + 1.0)
        assert len(scene.of(Role.EDGE, AllSilent)) == expected
        for wire in scene.datagrams:
            wire.passes = {"up", "down"}
        scene.run(scene.now + 1.0)


def test_a_session_without_streams_is_not_silent() -> None:
    scene = Blocked()
    scene.run(1.0)
    for wire in scene.datagrams:
        wire.passes = set()
    scene.run(5.0)
    assert scene.of(Role.EDGE, AllSilent) == []


def test_a_listener_needs_no_ear_for_silence() -> None:
    SessionListener.on_all_silent(cast(Any, None), cast(Any, None))
