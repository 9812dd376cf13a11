from __future__ import annotations

from typing import Any

import pytest

from health.board import HealthBoard
from health.change import Change
from health.probe import ProbeKind, ProbeResult
from health.rules import HealthRules
from health.standing import Standing, StandingRules
from health.view import HealthView
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import LOCAL, Path
from transport.sample import TransportSample

PATH = Path("cn2", "openai")
ELSEWHERE = Path("cn2", "gemini")
LINES = ("cn2", "cu2", "cmi")
TIMEOUT = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT)
BROKEN = Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED)
REFUSED = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.CONNECTION_REFUSED)
ADMITTED, EJECTED, PROBATION = Standing.ADMITTED, Standing.EJECTED, Standing.PROBATION


def board(*lines: str, **rules: Any) -> HealthBoard:
    made = HealthBoard()
    made.configure(HealthRules(**rules), lines, 0.0)
    return made


def fail(board: HealthBoard, path: Path, now: float, times: int = 3, failure: Failure = BROKEN) -> None:
    for _ in range(times):
        board.failed(path, failure, now)


def line(board: HealthBoard, line: str, now: float) -> Standing:
    return board.view(now).line(line).standing


def probe(kind: ProbeKind, sequence: int, at: float, rtt: float | None = 0.2, **more: Any) -> ProbeResult:
    return ProbeResult(more.pop("path", PATH), kind, sequence, at, rtt, **more)


def sample(**more: Any) -> TransportSample:
    figures: dict[str, Any] = {
        "srtt": 0.2, "rttvar": 0.01, "retransmits": 0, "segments": 0, "delivery_rate_bps": 0.0, "unacked": 0,
        "silent_for": 0.0,
    }  # fmt: skip
    return TransportSample(**{**figures, **more})


def changes(board: HealthBoard) -> list[Change]:
    heard: list[Change] = []
    board.on_change = heard.append
    assert board.on_change == heard.append
    return heard


# --- standing ---


def test_nobody_answers_for_clients_and_ourselves() -> None:
    made = board("cn2")
    for origin in (Origin.CLIENT, Origin.EDGE):
        fail(made, PATH, 0.0, 10, Failure(origin, Verdict.UNKNOWN, Code.STREAM_RESET))
    assert made.view(0.0).paths == {}


def test_a_line_that_fails_wherever_it_is_tried_is_ejected() -> None:
    made = board(*LINES)
    fail(made, PATH, 0.0, 2)
    assert line(made, "cn2", 0.0) is ADMITTED
    fail(made, ELSEWHERE, 0.0, 1)
    assert line(made, "cn2", 0.0) is EJECTED
    assert line(made, "cu2", 0.0) is ADMITTED
    health = made.view(0.5).line("cn2")
    assert (health.reason, health.since, health.flaps) == ("connection_terminated", 0.0, 1)
    assert all(path.standing is ADMITTED for path in made.view(0.0).paths.values())  # the line bears it


def test_time_alone_brings_probation_and_two_successes_admit() -> None:
    made = board("cn2", "cu2")
    fail(made, PATH, 0.0)
    assert line(made, "cn2", 1.0) is PROBATION
    made.succeeded(PATH, 1.0)
    assert line(made, "cn2", 1.0) is PROBATION
    made.replied(PATH, 404, 1.1)
    assert line(made, "cn2", 1.1) is ADMITTED


def test_a_path_that_fails_while_its_line_and_far_end_work_elsewhere_is_ejected_alone() -> None:
    made = board(*LINES)
    heard = changes(made)
    made.succeeded(ELSEWHERE, 0.0)
    made.succeeded(Path("cu2", "openai"), 0.0)
    fail(made, PATH, 1.0)
    assert made.view(1.0).path(PATH).standing is EJECTED
    assert line(made, "cn2", 1.0) is ADMITTED
    assert made.view(1.0).endpoint("openai").standing is ADMITTED
    assert made.wants_fast_probes("cn2", 1.0)  # is it the line after all?
    assert [(c.kind, c.id) for c in heard] == [("path", "cn2/direct/openai")]
    made.tick(2.0)
    made.succeeded(PATH, 2.0)
    made.succeeded(PATH, 2.0)
    assert made.view(2.0).path(PATH).standing is ADMITTED
    assert [c.after for c in heard] == ["ejected", "probation", "admitted"]


def test_it_was_the_line_after_all() -> None:
    made = board(*LINES)
    made.succeeded(ELSEWHERE, 0.0)
    fail(made, PATH, 1.0)
    fail(made, ELSEWHERE, 1.2, 1)
    assert line(made, "cn2", 1.2) is EJECTED
    assert made.view(1.2).path(PATH).standing is ADMITTED


def test_a_far_end_to_which_all_lines_fail_that_work_elsewhere_is_ejected_and_they_are_acquitted() -> None:
    made = board("cn2", "cu2")
    heard = changes(made)
    fail(made, PATH, 1.0)
    assert line(made, "cn2", 1.0) is EJECTED
    fail(made, Path("cu2", "openai"), 1.1, 2)
    made.tick(1.15)
    assert made.view(1.15).endpoint("openai").standing is ADMITTED
    made.succeeded(Path("cu2", "gemini"), 1.2)
    made.tick(1.25)
    assert made.view(1.25).endpoint("openai").standing is ADMITTED  # cn2 may be dead
    made.probed(probe(ProbeKind.ICMP, 1, 1.2), 1.4)
    made.tick(1.45)
    view = made.view(1.45)
    assert view.endpoint("openai").standing is EJECTED
    assert (view.line("cn2").standing, view.line("cu2").standing) == (PROBATION, ADMITTED)
    assert ("endpoint", "openai", "ejected") in [(c.kind, c.id, c.after) for c in heard]
    assert not view.is_panic
    fail(made, Path("cu2", "openai"), 3.0)  # on probation: its fault again
    assert made.view(3.0).endpoint("openai").standing is EJECTED
    assert line(made, "cu2", 3.0) is ADMITTED
    made.succeeded(PATH, 8.0)
    made.succeeded(PATH, 8.0)
    assert made.view(8.0).endpoint("openai").standing is ADMITTED
    made.tick(8.1)
    made.succeeded(Path("cu2", "openai"), 8.2)
    made.tick(8.3)


def test_single_failures_of_many_lines_prove_nothing_about_the_far_end() -> None:
    made = board("cn2", "cu2")
    for each in ("cn2", "cu2"):
        fail(made, Path(each, "openai"), 1.0, 1)
        made.succeeded(Path(each, "gemini"), 2.0)
    made.tick(2.1)
    assert made.view(2.1).endpoint("openai").standing is ADMITTED


def test_a_dead_line_never_ejects_a_far_end() -> None:
    made = board("cn2", "cu2")
    made.succeeded(Path("cu2", "openai"), 0.0)
    fail(made, PATH, 1.0, 20)
    made.tick(1.1)
    assert made.view(1.1).endpoint("openai").standing is ADMITTED


def test_refusals_of_a_far_end_eject_it_unless_it_works_over_another_line() -> None:
    made = board("cn2", "cu2")
    fail(made, PATH, 0.0, 3, REFUSED)
    view = made.view(0.0)
    assert view.endpoint("openai").standing is EJECTED
    assert (view.line("cn2").standing, view.path(PATH).standing) == (ADMITTED, ADMITTED)
    made = board("cn2", "cu2")
    made.succeeded(Path("cu2", "openai"), 0.0)
    fail(made, PATH, 1.0, 3, REFUSED)
    view = made.view(1.0)
    assert view.endpoint("openai").standing is ADMITTED
    assert view.path(PATH).standing is EJECTED


def test_5xx_never_eject_a_line_but_the_far_end_after_five_in_a_row() -> None:
    made = board("cn2")
    for _ in range(4):
        made.replied(PATH, 500, 0.0)
    made.replied(PATH, 200, 0.0)
    for _ in range(5):
        made.replied(PATH, 502, 1.0)
    view = made.view(1.0)
    assert view.line("cn2").standing is ADMITTED
    assert view.endpoint("openai").standing is EJECTED
    assert view.endpoint("openai").reason == "replies 502"
    assert view.endpoint("openai").success_ratio == pytest.approx(0.1)
    made.replied(PATH, 200, 2.0)
    made.replied(PATH, 200, 2.0)
    assert made.view(2.0).endpoint("openai").standing is ADMITTED


def test_refusals_for_load_are_a_penalty_that_passes() -> None:
    made = board("cn2")
    for _ in range(20):
        made.replied(PATH, 429, 0.0)
        made.replied(PATH, 503, 0.0)
    made.penalise("openai", 5.0, 0.0)
    made.penalise("openai", 1.0, 1.0)
    assert made.view(4.9).endpoint("openai").penalised_until == 5.0
    assert made.view(5.0).endpoint("openai").penalised_until is None
    assert made.view(5.0).endpoint("openai").standing is ADMITTED
    assert made.view(5.0).endpoint("openai").success_ratio is None


def test_when_all_are_out_it_is_panic_and_ends_for_all_when_it_ends_for_one() -> None:
    made = board(*LINES, base_ejection_seconds=10.0)
    for each in LINES:
        fail(made, Path(each, "openai"), 0.0)
    view = made.view(0.0)
    assert view.is_panic
    assert all(view.line(each).standing is EJECTED for each in LINES)
    made.rules = StandingRules(base_ejection=1.0)
    made._all.lines["cn2"].record.try_again(5.0)
    made.succeeded(PATH, 5.0)
    made.tick(5.0)
    assert {line(made, each, 5.0) for each in LINES} == {PROBATION}
    assert not made.view(5.0).is_panic


def test_the_single_line_too() -> None:
    made = board("direct")
    fail(made, Path("direct", "openai"), 0.0)
    assert made.view(0.0).is_panic


def test_timeouts_right_after_our_own_stall_are_nobodys_fault() -> None:
    made = board("cn2")
    made.tick(1.0, lag=0.3)
    fail(made, PATH, 1.05, 3, TIMEOUT)
    assert line(made, "cn2", 1.05) is ADMITTED
    fail(made, PATH, 1.05, 3, BROKEN)
    assert line(made, "cn2", 1.05) is EJECTED


# --- quality ---


def test_too_many_failures_in_five_minutes_eject() -> None:
    made = board(*LINES)
    for number in range(60):
        now = float(number)
        made.succeeded(PATH, now)
        if number % 15 == 14:
            made.failed(PATH, BROKEN, now)
    assert made.view(60.0).line("cn2").success_ratio == pytest.approx(60 / 64)
    made.tick(60.0)
    health = made.view(60.0).line("cn2")
    assert (health.standing, health.reason) == (EJECTED, "4 of 64 failed in 300 s")
    made.succeeded(PATH, 61.0)
    made.succeeded(PATH, 61.0)
    made.tick(62.0)
    assert line(made, "cn2", 62.0) is ADMITTED  # judged anew from here


def test_enough_success_or_too_little_to_tell_keeps_it() -> None:
    made = board("cn2", "cu2", least_volume=50)
    for number in range(95):
        made.succeeded(PATH, 1.0 + number / 1000)
    fail(made, PATH, 2.0, 2)
    made.succeeded(PATH, 2.0)
    fail(made, PATH, 2.0, 2)
    fail(made, Path("cu2", "openai"), 2.0, 2)
    made.tick(3.0)
    assert {line(made, each, 3.0) for each in ("cn2", "cu2")} == {ADMITTED}


def test_a_line_slower_than_two_seconds_is_ejected_but_never_the_last_half() -> None:
    made = board(*LINES)
    for number in range(20):
        for each in LINES:
            made.round_trip(Path(each, "openai"), 2.5, float(number))
    made.tick(20.0)
    assert [line(made, each, 20.0) for each in LINES] == [EJECTED, ADMITTED, ADMITTED]
    assert made.view(20.0).line("cn2").reason == "round trip 2500 ms"
    made.tick(20.5)
    made.round_trip(PATH, 2.5, 21.5)
    made.tick(21.5)
    assert line(made, "cn2", 21.5) is EJECTED  # on probation and still slow
    made.tick(40.0)
    assert line(made, "cn2", 40.0) is PROBATION  # nothing new is known
    assert not made.view(40.0).is_panic


def test_a_far_end_of_whose_replies_half_are_5xx_is_not_asked_first() -> None:
    made = board("cn2")
    for number in range(30):
        made.replied(PATH, 200, number / 10)
        made.replied(PATH, 500, number / 10)
    made.replied(PATH, 500, 3.0)
    made.tick(3.0)
    health = made.view(3.0).endpoint("openai")
    assert (health.standing, health.reason) == (EJECTED, "31 of 61 replies 5xx")
    for number in range(60):
        made.replied(PATH, 500, 3.1 + number / 1000)
    made.tick(4.0)
    assert made.view(4.0).endpoint("openai").standing is EJECTED


# --- silence ---


def heard(made: HealthBoard, now: float, lines: tuple[str, ...] = LINES) -> None:
    for each in lines:
        made.probed(probe(ProbeKind.ICMP, int(now * 10), now - 0.2, path=Path(each, "openai")), now)


def go_silent(made: HealthBoard, since: float, until: float, silent: tuple[str, ...]) -> None:
    """Probes ten a second on all lines, answered where the line isn't silent; ticks."""
    step = 0
    while (now := since + step / 20) < until:
        for each in LINES:
            if step % 2 == 0:
                made.asked(Path(each, "openai"), ProbeKind.ICMP, now)
        if step % 2 == 1:
            heard(made, now, tuple(each for each in LINES if each not in silent))
        made.tick(now)
        step += 1


def watched() -> HealthBoard:
    """Three lines that answer; the last answer came at 599.9."""
    made = board(*LINES)
    for number in range(1200):
        heard(made, number / 2 + 0.4)
        made.tick(number / 2 + 0.45)
    return made


def test_a_silent_line_is_suspected_then_ejected_and_comes_back() -> None:
    made = watched()
    told = changes(made)
    go_silent(made, 600.0, 600.6, ("cn2",))
    health = made.view(600.6).line("cn2")
    assert (health.is_suspected, health.standing) == (True, ADMITTED)
    assert health.reason.startswith("silent for ")
    assert made.wants_fast_probes("cn2", 600.6)
    go_silent(made, 600.6, 605.0, ("cn2",))
    health = made.view(605.0).line("cn2")
    assert (health.is_suspected, health.standing) == (True, EJECTED)
    assert health.reason.startswith("silent")
    down = next(change for change in told if change.after == "ejected")
    assert down.id == "cn2"
    assert down.reason.startswith("silent: no answer to ")
    assert down.at < 602.5
    assert {line(made, each, 605.0) for each in ("cu2", "cmi")} == {ADMITTED}
    go_silent(made, 605.0, 608.0, ())
    health = made.view(608.0).line("cn2")
    assert (health.is_suspected, health.standing, health.flaps) == (False, ADMITTED, 1)
    assert [change.after for change in told if change.id == "cn2"] == [
        "suspected", "ejected", "relieved", "probation", "admitted",
    ]  # fmt: skip


def test_when_all_are_silent_nobody_is_ejected_but_it_is_panic() -> None:
    made = watched()
    go_silent(made, 600.0, 606.0, LINES)
    view = made.view(606.0)
    assert view.is_panic
    assert all(view.line(each).is_suspected for each in LINES)
    assert {view.line(each).standing for each in LINES} == {ADMITTED}
    go_silent(made, 606.0, 606.4, ("cn2",))  # two come back: the third is judged anew
    assert line(made, "cn2", 606.4) is ADMITTED
    go_silent(made, 606.4, 612.0, ("cn2",))
    view = made.view(612.0)
    assert (view.line("cn2").standing, view.line("cu2").standing, view.is_panic) == (EJECTED, ADMITTED, False)


def test_our_own_stall_is_no_silence() -> None:
    made = watched()
    for each in LINES:
        for tenth in range(3):
            made.asked(Path(each, "openai"), ProbeKind.ICMP, 600.0 + tenth / 10)
    made.tick(603.0, lag=2.7)
    assert not any(made.view(603.0).line(each).is_suspected for each in LINES)


def test_a_kind_of_probe_that_is_never_answered_proves_nothing() -> None:
    made = board("cn2", "cu2")
    made.succeeded(PATH, 0.0)
    for number in range(100):
        now = 1.0 + number / 10
        made.asked(PATH, ProbeKind.ICMP, now)
        made.probed(probe(ProbeKind.ICMP, number, now - 1.0, None), now)
        made.tick(now)
    view = made.view(11.0)
    assert (view.line("cn2").is_suspected, view.line("cn2").loss) == (False, None)
    assert not made.wants_fast_probes("nowhere", 0.0)


def test_a_kind_that_stops_being_answered_while_the_line_works_is_filtered_not_lost() -> None:
    made = board("cn2", "cu2")
    for number in range(200):
        now = float(number)
        made.probed(probe(ProbeKind.ICMP, number, now - 0.2, 0.2 if number < 10 else None), now)
        made.probed(probe(ProbeKind.TCP, number, now - 0.2, 0.25), now)
    view = made.view(200.0)
    assert view.line("cn2").loss is not None
    assert view.path(PATH).loss == view.line("cn2").loss
    assert view.line("cn2").loss.ratio_10s == 0.0
    assert view.line("cn2").rtt is not None
    assert view.line("cn2").rtt.median == 0.25


def test_losses_told_only_when_their_time_is_up_are_silence_as_well() -> None:
    made = board("cn2", "cu2")
    for number in range(10):
        heard(made, float(number), ("cn2",))
    for number in range(8):
        sent = 10.0 + number / 5
        made.probed(probe(ProbeKind.ICMP, 1000 + number, sent, None), sent + 1.0)
        made.tick(sent + 1.0)
    assert made.view(12.5).line("cn2").is_suspected
    made = board("cn2", "cu2")
    heard(made, 9.0, ("cn2",))
    for number in range(8):
        sent = 10.0 + number / 5
        made.probed(probe(ProbeKind.ICMP, 1000 + number, sent, None, loop_lag=0.4), sent + 1.0)
        made.tick(sent + 1.0)
    assert not made.view(12.5).line("cn2").is_suspected


def test_segments_that_nobody_acknowledges_are_silence() -> None:
    made = board("cn2", "cu2")
    for number in range(20):
        made.kernel(PATH, sample(heard_ago=0.02), number / 10)
        made.kernel(Path("cu2", "openai"), sample(), number / 10)
    for number in range(20, 35):
        now = number / 10
        made.kernel(PATH, sample(silent_for=now - 1.9, heard_ago=now - 1.9, unacked=3), now)
        retransmits = int(number == 26)
        made.kernel(PATH, sample(silent_for=now - 2.0, heard_ago=now - 1.9, retransmits=retransmits), now)
        made.tick(now)
    assert made.view(3.5).line("cn2").is_suspected
    assert not made.view(3.5).line("cu2").is_suspected


def test_others_may_suspect_too() -> None:
    made = board("cn2")
    told = changes(made)
    made.suspect("cn2", "session is silent", 1.0)
    made.suspect("cn2", "session is silent", 1.1)
    assert (made.view(1.1).line("cn2").is_suspected, made.view(1.1).line("cn2").reason) == (True, "session is silent")
    assert made.wants_fast_probes("cn2", 1.1)
    made.tick(1.2)
    assert made.view(1.2).line("cn2").is_suspected
    made.relieve("cn2", 2.0)
    assert [(c.before, c.after, c.reason) for c in told] == [
        ("relieved", "suspected", "session is silent"),
        ("suspected", "relieved", "heard again"),
    ]


# --- probes ---


def test_a_probes_answer_ends_an_ejection_early_and_counts_on_probation() -> None:
    made = board("cn2", "cu2", base_ejection_seconds=1.0)
    for _ in range(6):  # long dead: the ejection has become long
        fail(made, PATH, 0.0)
        made._all.lines["cn2"].record.try_again(0.0)
    fail(made, PATH, 0.0)
    assert line(made, "cn2", 20.0) is EJECTED
    made.probed(probe(ProbeKind.TCP, 1, 0.5), 20.0)  # asked too soon
    assert line(made, "cn2", 20.0) is EJECTED
    made.probed(probe(ProbeKind.TCP, 2, 20.0), 20.2)
    assert line(made, "cn2", 20.2) is PROBATION
    made.probed(probe(ProbeKind.TCP, 3, 21.0), 21.2)
    assert line(made, "cn2", 21.2) is ADMITTED


def test_an_echo_says_nothing_about_a_line_that_was_ejected_for_failures() -> None:
    made = board("cn2", "cu2")
    fail(made, PATH, 0.0)
    for number in range(5):
        made.probed(probe(ProbeKind.ICMP, number, 2.0), 2.2)
    assert line(made, "cn2", 2.2) is PROBATION


def test_probes_lost_in_a_row_while_the_line_is_heard_eject_the_path() -> None:
    made = board("cn2", "cu2")
    made.probed(probe(ProbeKind.TLS, 0, 0.0), 0.2)
    for number in range(1, 14):
        now = float(number)
        made.probed(probe(ProbeKind.TLS, number, now, None), now + 1.0)
        made.probed(probe(ProbeKind.ICMP, number, now + 1.1), now + 1.3)
        if number == 5:
            assert made.view(now + 1.3).path(PATH).standing is ADMITTED
    view = made.view(7.5)
    assert view.path(PATH).standing is EJECTED
    assert view.path(PATH).reason == "6 probes lost while the line works"
    assert view.line("cn2").standing is ADMITTED


def test_a_probe_that_is_refused_or_cannot_be_sent_is_a_failure() -> None:
    made = board("cn2", "cu2")
    unroutable = Failure(Origin.LINE, Verdict.SAFE, Code.DESTINATION_IP_UNROUTABLE)
    for number in range(3):
        made.probed(probe(ProbeKind.TCP, number, 0.0, None, failure=unroutable), 0.0)
    assert line(made, "cn2", 0.0) is EJECTED
    assert made.view(0.0).path(PATH).loss is None
    made.probed(probe(ProbeKind.TCP, 9, 0.0, is_duplicate=True), 5.0)
    assert made.view(5.0).path(PATH).rtt is None


# --- figures ---


def test_real_traffic_outranks_probes_while_it_is_plentiful() -> None:
    made = board("cn2")
    for number in range(20):
        made.probed(probe(ProbeKind.ICMP, number, number - 0.3, 0.3), float(number))
    for number in range(3):
        made.round_trip(PATH, 0.2, 18.0 + number)
    rtt = made.view(20.0).path(PATH).rtt
    assert rtt is not None
    assert rtt.median == 0.2
    made.probed(probe(ProbeKind.ICMP, 30, 26.7, 0.3), 27.0)
    rtt = made.view(27.0).path(PATH).rtt
    assert rtt is not None
    assert rtt.median == 0.3


def test_kernel_figures() -> None:
    made = board("cn2")
    for number in range(12):
        made.kernel(
            PATH,
            sample(segments=10, retransmits=1, segments_received=20, out_of_order=2, delivery_rate_bps=4e6),
            number / 10,
        )
    made.kernel(PATH, sample(delivery_rate_bps=1e6, srtt=0.0), 2.0)
    made.kernel(PATH, sample(delivery_rate_bps=1e6, srtt=9.0, heard_ago=5.0, is_app_limited=False), 3.0)
    view = made.view(3.0)
    path = view.path(PATH)
    assert path.rtt is not None
    assert (path.rtt.median, path.rtt.samples) == (0.2, 12)
    assert path.rtt.jitter == pytest.approx(0.01)
    assert path.loss is not None
    assert (path.loss.up_ratio, path.loss.down_ratio, path.loss.ratio_60s) == (0.1, 0.1, 0.1)
    assert path.throughput_bps is not None
    assert 1e6 < path.throughput_bps < 4e6


def test_a_path_without_data_is_unknown() -> None:
    view = board("cn2").view(0.0)
    assert view.line("cn2").rtt is view.line("cn2").loss is view.line("cn2").success_ratio is None
    assert view.path(PATH).rtt is view.path(PATH).loss is view.path(PATH).throughput_bps is None


def test_requests_in_flight_and_bytes() -> None:
    made = board("cn2")
    made.began(PATH)  # never heard of
    made.succeeded(PATH, 0.0)
    made.began(PATH)
    made.began(PATH)
    made.ended(PATH, True, 1.0)
    made.ended(PATH, False, 1.0)
    made.ended(PATH, True, 1.0)
    made.began(PATH)
    made.carried(PATH, 1000, 100_000, 1.0)
    view = made.view(1.0)
    assert (view.line("cn2").in_flight, view.path(PATH).in_flight) == (1, 1)
    assert view.line("cn2").success_ratio == 0.5
    assert (view.line("cn2").up_bps, view.line("cn2").down_bps) == (pytest.approx(800.0), pytest.approx(80_000.0))
    made.ended(Path("gone", "openai"), True, 1.0)
    made.carried(Path("gone", "openai"), 1, 1, 1.0)


def test_first_bytes() -> None:
    made = board("cn2")
    made.succeeded(PATH, 0.0)
    for _ in range(20):
        made.first_byte(PATH, "gpt-4.1", 0.5, 1.0)
    made.first_byte(Path("gone", "openai"), "gpt-4.1", 0.5, 1.0)
    assert made.view(1.0).path(PATH).first_byte_p50 == pytest.approx(0.5, rel=0.03)
    assert made.view(1.0).path(PATH).first_byte_p95 == pytest.approx(0.5, rel=0.03)
    assert made.first_bytes.quantile(PATH, "gpt-4.1", 0.5, 1.0) is not None


def test_a_line_is_as_far_as_its_nearest_far_end_and_as_patient_as_its_farthest() -> None:
    made = board("cn2")
    made.round_trip(PATH, 0.2, 1.0)
    made.round_trip(ELSEWHERE, 0.3, 1.0)
    rtt = made.view(1.0).line("cn2").rtt
    assert rtt is not None
    assert rtt.median == 0.2
    assert made._all.lines["cn2"].rtt == 0.3


# --- pictures ---


def test_the_view_is_the_same_object_until_something_changes_and_figures_change_seldom() -> None:
    made = board("cn2", "cu2")
    first = made.view(0.0)
    assert made.view(100.0) is first
    made.succeeded(PATH, 100.0)
    second = made.view(100.0)
    assert second is not first
    made.began(PATH)
    assert made.view(100.1) is second
    third = made.view(100.16)
    assert third is not second
    assert made.view(101.0) is third
    assert made.view(101.2) is not third  # figures age
    fourth = made.view(101.2)
    fail(made, PATH, 101.21)
    assert made.view(101.21) is not fourth  # a standing waits for nobody
    assert made.view(101.21).line("cn2").standing is EJECTED
    made.succeeded(ELSEWHERE, 102.9)
    made.view(102.9)
    made.succeeded(ELSEWHERE, 103.0)
    fail(made, PATH, 103.0)
    assert made.view(103.0).path(PATH).standing is EJECTED


def test_the_local_pool_is_not_its_business() -> None:
    made = board("cn2")
    first = made.view(0.0)
    local = Path(LOCAL, "qwen")
    made.succeeded(local, 0.0)
    fail(made, local, 0.0)
    made.replied(local, 500, 0.0)
    made.began(local)
    made.ended(local, False, 0.0)
    made.carried(local, 1, 1, 0.0)
    made.round_trip(local, 0.1, 0.0)
    made.kernel(local, sample(), 0.0)
    made.asked(local, ProbeKind.TCP, 0.0)
    made.probed(probe(ProbeKind.TCP, 1, 0.0, path=local), 0.0)
    assert made.view(0.0) is first
    assert first == HealthView(lines=first.lines)


def test_removed_lines_and_far_ends_are_forgotten() -> None:
    made = board("cn2", "cu2")
    fail(made, PATH, 0.0)
    made.succeeded(ELSEWHERE, 0.0)
    made.first_byte(ELSEWHERE, "m", 0.1, 0.0)
    made.configure(HealthRules(consecutive_failures=1), ("cn2", "cmi"), 0.0, endpoints=("gemini",))
    view = made.view(0.0)
    assert set(view.lines) == {"cn2", "cmi"}
    assert set(view.paths) == {ELSEWHERE}
    assert set(view.endpoints) == {"gemini"}
    assert made.rules.consecutive_failures == 1
    assert line(made, "cn2", 0.0) is EJECTED
    made.tick(0.1)
    made.configure(HealthRules(), (), 0.2)
    assert made.view(0.2).paths == {}
    assert set(made.view(0.2).endpoints) == {"gemini"}


def test_a_board_nobody_configured_learns_its_lines_from_what_it_hears() -> None:
    made = HealthBoard(StandingRules(consecutive_failures=1))
    made.failed(PATH, BROKEN, 0.0)
    assert line(made, "cn2", 0.0) is EJECTED


def test_rules_from_the_configuration() -> None:
    rules = HealthRules(highest_rtt_ms=500.0, longest_silence_ms=2000.0, flap_window_seconds=60.0)
    assert rules.quality.highest_rtt == 0.5
    assert rules.suspicion.longest_silence == 2.0
    assert rules.standing.flap_window == 60.0
    assert HealthRules().standing == StandingRules()


def test_a_line_ejected_for_its_silence_is_not_acquitted_by_a_far_ends_fault() -> None:
    made = board("cn2", "cu2", base_ejection_seconds=10.0)
    made._blame.eject_line(made._all.lines["cn2"], "silent: no answer", 0.0)
    for each in ("cn2", "cu2"):
        fail(made, Path(each, "openai"), 1.0, 2)
        made.probed(probe(ProbeKind.ICMP, 1, 1.5, path=Path(each, "openai")), 1.7)
    made.tick(2.0)
    assert made.view(2.0).endpoint("openai").standing is EJECTED
    assert (line(made, "cn2", 2.0), line(made, "cu2", 2.0)) == (EJECTED, ADMITTED)


def test_a_pardon_is_for_those_who_share_the_fault() -> None:
    made = board("cn2", "cu2", base_ejection_seconds=10.0)
    for each in ("cn2", "cu2"):
        fail(made, Path(each, "openai"), 0.0)
    made._blame.eject_line(made._all.lines["cu2"], "round trip 2500 ms", 1.0)
    made._all.lines["cn2"].record.try_again(2.0)
    made.succeeded(PATH, 2.0)
    made.tick(2.0)
    assert (line(made, "cn2", 2.0), line(made, "cu2", 2.0)) == (PROBATION, EJECTED)


def test_a_far_end_that_is_out_is_not_judged_again_until_it_is_back() -> None:
    made = board("cn2", base_ejection_seconds=30.0)
    for _ in range(5):
        made.replied(PATH, 500, 0.0)
    for _ in range(60):
        made.replied(PATH, 500, 0.1)
    made.tick(1.0)
    assert made._all.endpoints["openai"].answers.ejected_until == 30.0


def test_probes_lost_on_a_line_that_is_silent_say_nothing_about_the_path() -> None:
    made = board("cn2", "cu2")
    made.probed(probe(ProbeKind.TLS, 0, 0.0), 0.2)
    for number in range(1, 14):
        made.probed(probe(ProbeKind.TLS, number, float(number), None), number + 1.0)
    assert made.view(15.0).path(PATH).standing is ADMITTED


def test_a_single_line_that_goes_silent_is_ejected_like_any_other() -> None:
    made = board("direct")
    path = Path("direct", "openai")
    made.probed(probe(ProbeKind.ICMP, 0, 0.0, path=path), 0.2)
    for tenth in range(70):
        made.asked(path, ProbeKind.ICMP, 1.0 + tenth / 10)
        made.tick(1.05 + tenth / 10)
    assert line(made, "direct", 8.0) is EJECTED
    assert made.view(8.0).is_panic


def test_timeouts_of_single_connections_say_nothing_about_a_line_that_is_heard() -> None:
    """A lossy line: idle connections lose all their keep-alives now and then, while others are answered."""
    board = HealthBoard()
    late = Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TIMEOUT)
    for second in range(10):
        board.succeeded(PATH, float(second))
        for _ in range(4):
            board.failed(PATH, late, second + 0.5)
    assert board.view(9.6).line("cn2").standing is Standing.ADMITTED
    for _ in range(3):
        board.failed(PATH, late, 12.0)
    assert board.view(12.0).line("cn2").standing is Standing.EJECTED


def test_an_admitted_line_begins_with_a_clean_record() -> None:
    board = HealthBoard(StandingRules(probation_successes=1))
    for _ in range(60):
        board.failed(PATH, Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED), 0.0)
    assert board.view(0.0).line("cn2").standing is Standing.EJECTED
    for second in (2.0, 3.0):
        board.succeeded(PATH, second)
        board.tick(second)
    assert board.view(3.0).line("cn2").standing is Standing.ADMITTED
    assert (board.view(3.0).line("cn2").success_ratio or 0.0) > 0.99
