"""From what the node measures to samples, and from notices to text."""

from __future__ import annotations

from edge.alerts.figures import Figures, LineFigures, joined, samples
from edge.alerts.message import body, line, title
from edge.alerts.node import NodeFigures, is_good
from edge.dialects.facts import Facts
from edge.observe.record import RequestRecord
from edge.observe.tally import Tally
from health.alert_rules import default
from health.alerts import Measure, Notice, Rule, Severity, Told
from health.standing import Standing
from health.view import HealthView, LineHealth, LossFigures, RttFigures
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import LOCAL, Line, Path


def rule(name: str) -> Rule:
    found = default(name)
    assert found is not None
    return found


def test_a_tally_forgets() -> None:
    tally = Tally(10.0, 3)
    tally.add(True, 5.0)
    tally.add(False, 15.0)
    assert tally.counts(29.0) == (1, 1)
    assert tally.counts(30.0) == (0, 1)
    tally.add(True, 35.0)
    assert tally.counts(1000.0) == (0, 0)


def record(status: int = 200, **fields: object) -> RequestRecord:
    made = RequestRecord("1", 0.0, "peer", "POST", "/", status=status)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_what_a_good_reply_is() -> None:
    cut = Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TERMINATED)
    own_fault = Failure(Origin.CLIENT, Verdict.SAFE, Code.HTTP_REQUEST_ERROR)
    assert [is_good(record(status)) for status in (200, 429, 500, 503)] == [True, True, False, False]
    assert not is_good(record(200, failure=cut))
    assert is_good(record(400, failure=own_fault))


def test_the_nodes_figures() -> None:
    figures = NodeFigures(0.0)
    chat = Facts("chat", streaming=True)
    for _ in range(25):
        figures.count(record(first_byte_at=0.5, facts=chat, path=Path("cn2", "openai")), 1.0)
    figures.count(record(facts=Facts("chat"), first_byte_at=0.1, path=Path(LOCAL, "gpu")), 1.0)
    figures.count(record(502), 1.0)
    figures.count(record(499, client_left=True), 1.0)
    view = HealthView(
        {
            "cn2": LineHealth(
                Standing.EJECTED,
                rtt=RttFigures(0.2, 0.1, 0.1, 0.2, 0.01, 5, 0.0),
                loss=LossFigures(0.0, 0.02, 0.01),
                up_bps=3e6,
                down_bps=4e6,
                flaps=2,
            )
        }
    )
    found = figures.at(2.0, (Line("cn2", capacity_mbps=8.0), Line("cu2")), view, 7)
    assert found.lines["cn2"] == LineFigures(0.2, 0.02, 4e6, 8e6, True, 2)
    assert found.lines["cu2"] == LineFigures()
    assert (found.good_5min, found.bad_5min, found.good_24h, found.bad_24h) == (26, 1, 26, 1)
    assert found.ttft_p95 is not None
    assert abs(found.ttft_p95 - 0.5) < 0.02
    assert (found.in_flight, found.pool_requests) == (7, 1)
    assert NodeFigures(0.0).at(1.0, (), view, 0).ttft_p95 is None


def test_several_processes_as_one() -> None:
    one = Figures({"cn2": LineFigures(0.2, None, 3e6, 8e6, True, 1)}, 10, 1, 100, 2, 0.5, 4, 1)
    other = Figures({"cn2": LineFigures(0.3, 0.01, 4e6, 8e6, False, 0), "cu2": LineFigures()}, 5, 0, 50, 1, None, 3)
    assert joined([one, other]) == Figures(
        {"cn2": LineFigures(0.3, 0.01, 7e6, 8e6, False, 1), "cu2": LineFigures()}, 15, 1, 150, 3, 0.5, 7, 1
    )


def test_samples() -> None:
    figures = Figures({"cn2": LineFigures(0.2, 0.01, 4e6, 8e6, True, 3), "cu2": LineFigures()}, 10, 10, 3, 1)
    found = {(sample.measure, sample.subject): sample.value for sample in samples(figures, 20)}
    assert found[(Measure.LINES_USABLE, "")] == 1.0
    assert (found[(Measure.SUCCESS, "")], found[(Measure.AVAILABILITY, "")]) == (0.5, None)
    assert found[(Measure.LINE_UTILISATION, "cn2")] == 0.5
    assert found[(Measure.LINE_UTILISATION, "cu2")] is None
    assert (found[(Measure.LINE_DOWN, "cn2")], found[(Measure.LINE_FLAPS, "cn2")]) == (1.0, 3.0)
    assert {measure for measure, _ in found} == set(Measure)


def test_texts() -> None:
    notices = [
        Notice(Told.RESOLVED, rule("line-rtt"), "cu2", 0.2, 0.0, 9000.0),
        Notice(Told.FIRED, rule("line-rtt"), "cn2", 2.5, 0.0, 30.0),
        Notice(Told.STILL, rule("success"), "", 0.912, 0.0, 900.0),
    ]
    assert title("bj-1", notices) == "farline bj-1: 2 firing (1 critical), 1 resolved"
    assert body(notices).splitlines() == [
        "CRITICAL still success: good replies in 5 min 91.2 %, limit 95 %, for 15 min (runbook: success)",
        "WARNING line-rtt cn2: round trip 2500 ms, limit 2000 ms, for 30 s (runbook: line-rtt)",
        "RESOLVED line-rtt cu2: round trip, 200 ms now, after 2.5 h",
    ]
    assert title("bj-1", notices[:1]) == "farline bj-1: 1 resolved"
    assert title("bj-1", notices[1:2]) == "farline bj-1: 1 firing"
    gone = Notice(Told.RESOLVED, rule("line-down"), "cn2", None, 0.0, 60.0)
    assert line(gone) == "RESOLVED line-down cn2: line ejected, no longer there, after 60 s"
    down = Notice(Told.FIRED, rule("line-down"), "cn2", 1.0, 0.0, 60.0)
    assert line(down) == "WARNING line-down cn2: line ejected, for 60 s (runbook: line-down)"
    many = Notice(Told.FIRED, rule("sessions"), "", None, 0.0, 10.0)
    assert "unknown, limit 8000" in line(many)
    assert Severity.INFO not in {each.rule.severity for each in notices}
