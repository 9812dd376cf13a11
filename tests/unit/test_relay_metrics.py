"""Relays and sessions as metrics: what is unknown is absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.links.facts import RelayFacts
from edge.observe.relays import RelayMetrics
from health.board import HealthBoard
from health.correlation import LossCorrelation
from health.rules import HealthRules
from health.view import HealthView
from transport.session.values import Tally


class Sessions:
    def __init__(self, facts: Mapping[str, RelayFacts]) -> None:
        self.correlation = LossCorrelation()
        self._facts = facts

    def facts(self) -> Mapping[str, RelayFacts]:
        return self._facts

    def carriers(self) -> Iterable[tuple[str, str, str, bool]]:
        return [("sjc", "cn2", "datagram", False), ("sjc", "cu2", "tls", True)]


def values(view: HealthView, sessions: Sessions) -> dict[tuple[str, ...], float]:
    """(Sample's name, its labels…) → value."""
    families = RelayMetrics(lambda: view, sessions).collect()
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_nothing_of_nothing() -> None:
    assert values(HealthView(), Sessions({})) == {}


def test_a_relay_and_its_sessions() -> None:
    board = HealthBoard()
    board.configure(HealthRules(), ("cn2", "cu2"), 0.0, ("openai",), ("sjc", "fra"))
    board.relay("sjc", "", 1.0)
    for _ in range(4):
        board.relay_round_trip("sjc", 0.2, 1.0)
    facts = RelayFacts(sessions=2, resumes=1, tally=Tally(packets=7, first_bytes=100, copied_bytes=50))
    facts.suspicions["cn2"] = 3
    facts.relieved("cn2", 0.2)
    facts.lateness.stamped(1000, 1.0)
    facts.lateness.stamped(1000, 1.05)
    sessions = Sessions({"sjc": facts, "fra": RelayFacts()})
    for second in range(120):
        sessions.correlation.add({"cn2": second % 3 == 0, "cu2": second % 3 == 0})
    told = values(board.view(2.0), sessions)
    assert told["farline_relay_ready", "sjc"] == 1.0
    assert told["farline_relay_ready", "fra"] == 0.0
    assert told["farline_relay_standing", "sjc", "admitted"] == 1.0
    assert told["farline_relay_rtt_seconds", "sjc"] == 0.2
    assert ("farline_relay_rtt_seconds", "fra") not in told
    assert told["farline_sessions_total", "sjc"] == 2.0
    assert told["farline_session_suspicions_total", "sjc", "cn2", "false"] == 1.0
    assert told["farline_session_suspicions_total", "sjc", "cn2", "true"] == 2.0
    assert told["farline_session_redundancy_ratio", "sjc"] == 1.5
    assert ("farline_session_redundancy_ratio", "fra") not in told
    assert told["farline_token_lateness_seconds_count", "sjc"] == 2.0
    assert told["farline_session_carriers", "sjc", "cu2", "tls", "suspected"] == 1.0
    assert told["farline_line_loss_correlation", "cn2", "cu2"] > 0.9
