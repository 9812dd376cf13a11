"""Whatever is observed in whatever order: the board keeps its promises."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from health.board import HealthBoard
from health.change import Change
from health.loss import ProbeLoss, loss_figures
from health.probe import ProbeKind, ProbeResult
from health.round_trips import RoundTrips
from health.rules import HealthRules
from health.standing import Record, Standing, StandingRules
from health.suspicion import Silence, Stage, SuspicionRules
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path
from transport.sample import TransportSample

LINES, ENDS = ("cn2", "cu2", "cmi"), ("openai", "gemini")
RULES = HealthRules(longest_ejection_seconds=20.0)
paths = st.builds(Path, st.sampled_from(LINES), st.sampled_from(ENDS))
failures = st.builds(
    Failure,
    st.sampled_from(Origin),
    st.just(Verdict.UNKNOWN),
    st.sampled_from((Code.CONNECTION_TIMEOUT, Code.CONNECTION_TERMINATED, Code.CONNECTION_REFUSED)),
)
events = st.one_of(
    st.tuples(st.just("succeeded"), paths),
    st.tuples(st.just("failed"), paths, failures),
    st.tuples(st.just("replied"), paths, st.sampled_from((200, 404, 429, 500, 503))),
    st.tuples(st.just("lost"), paths, st.sampled_from(ProbeKind)),
    st.tuples(st.just("answered"), paths, st.sampled_from(ProbeKind)),
    st.tuples(st.just("kernel"), paths, st.floats(0.0, 3.0)),
    st.tuples(st.just("stall"), st.floats(0.0, 2.0)),
    st.tuples(st.just("wait"), st.floats(0.0, 30.0)),
)


def perform(board: HealthBoard, event: tuple, now: float, number: int) -> float:  # type: ignore[type-arg]
    match event:
        case ("succeeded", path):
            board.succeeded(path, now)
        case ("failed", path, failure):
            board.failed(path, failure, now)
        case ("replied", path, status):
            board.replied(path, status, now)
        case ("lost", path, kind):
            board.asked(path, kind, now)
            board.probed(ProbeResult(path, kind, number, now - 1.0, None), now)
        case ("answered", path, kind):
            board.probed(ProbeResult(path, kind, number, now - 0.2, 0.2), now)
        case ("kernel", path, silent):
            board.kernel(path, TransportSample(0.2, 0.01, 0, 5, 1e6, 1, silent, heard_ago=silent), now)
        case ("stall", lag):
            board.tick(now + lag, lag)
            return now + lag
        case ("wait", seconds):
            return now + float(seconds)
    return now


@settings(max_examples=150)
@given(st.lists(events, max_size=120))
def test_the_board_keeps_its_promises(story: list[tuple]) -> None:  # type: ignore[type-arg]
    board, now = HealthBoard(), 0.0
    board.configure(RULES, LINES, 0.0)
    told: dict[tuple[str, str], str] = {}

    def hear(change: Change) -> None:
        if change.after in ("suspected", "relieved"):
            return
        assert told.get((change.kind, change.id), "admitted") == change.before != change.after
        told[change.kind, change.id] = change.after

    board.on_change = hear
    for number, event in enumerate(story):
        now = perform(board, event, now, number) + 0.01
        board.tick(now)
        view = board.view(now)
        assert view is board.view(now)
        out = [line for line in LINES if view.line(line).standing is Standing.EJECTED]
        assert view.is_panic or len(out) < len(LINES)
        for kind, subjects in (("line", view.lines), ("endpoint", view.endpoints)):
            for name, health in subjects.items():
                assert told.get((kind, name), "admitted") == health.standing.value
                assert health.standing is Standing.ADMITTED or health.reason
                assert health.since <= now
        for path, path_health in view.paths.items():
            assert told.get(("path", str(path)), "admitted") == path_health.standing.value
        for line in LINES:
            health = view.line(line)
            assert health.success_ratio is None or 0.0 <= health.success_ratio <= 1.0
            assert health.in_flight >= 0
    now += RULES.longest_ejection_seconds
    board.tick(now)
    silent = [each for each in LINES if board.view(now).line(each).is_suspected]
    for line in LINES:  # no ejection is longer than the longest, but while silence lasts
        assert line in silent or board.view(now).line(line).standing is not Standing.EJECTED


@given(st.lists(st.tuples(st.sampled_from(("ok", "fail")), st.floats(0.0, 20.0)), max_size=80))
def test_no_ejection_is_longer_than_the_longest(story: list[tuple[str, float]]) -> None:
    rules, record, now = StandingRules(longest_ejection=8.0), Record(), 0.0
    for what, pause in story:
        now += pause
        before = record.standing(now)
        if what == "ok":
            record.succeed(now, rules)
            assert before is Standing.PROBATION or record.standing(now) is before  # a success never ejects
        else:
            record.fail(now, rules)  # never admits
            assert record.standing(now) is not Standing.ADMITTED or before is Standing.ADMITTED
        assert record.ejected_until is None or record.ejected_until <= now + 8.0
        assert 0 <= record.failures < rules.consecutive_failures


@given(st.lists(st.tuples(st.floats(0.001, 5.0), st.floats(0.0, 10.0)), min_size=1, max_size=150))
def test_round_trip_figures_are_ordered_and_the_estimate_is_never_too_low(samples: list[tuple[float, float]]) -> None:
    trips, now = RoundTrips(), 0.0
    for seconds, pause in samples:
        now += pause
        trips.add(seconds, now)
        figures = trips.figures(now)
        assert figures is not None
        assert figures.minimum <= figures.p95
        assert figures.minimum <= figures.median
        assert figures.estimate >= seconds - 1e-9
        assert 0.0 <= figures.jitter <= 5.0
        assert figures.samples <= 100


@given(st.permutations(range(40)), st.sets(st.integers(0, 39)))
def test_loss_does_not_depend_on_the_order_of_news(order: list[int], lost: set[int]) -> None:
    loss, straight = ProbeLoss(), ProbeLoss()
    path = Path("cn2", "openai")
    for counter, sequences in ((loss, order), (straight, range(40))):
        for sequence in sequences:
            rtt = None if sequence in lost else 0.2
            counter.add(ProbeResult(path, ProbeKind.ICMP, sequence, 0.0, rtt), 1.0)
    figures = loss_figures([loss], [], [], 1.0)
    assert figures is not None
    assert figures.ratio_60s == len(lost) / 40
    assert loss.runs() == straight.runs()


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=60), st.floats(0.01, 1.0), st.floats(0.0, 0.1))
def test_more_silence_is_never_less_suspicious(pauses: list[float], rtt: float, jitter: float) -> None:
    silence, now = Silence(SuspicionRules()), 0.0
    silence.heard(0.0, 0.0, rtt, jitter)
    before = Stage.HEARD
    for pause in pauses:
        now += pause
        silence.asked(now)
        stage = silence.judge(now, rtt, jitter)
        assert stage >= before
        before = stage
    silence.heard(now, now, rtt, jitter)
    assert silence.judge(now, rtt, jitter) is Stage.HEARD
