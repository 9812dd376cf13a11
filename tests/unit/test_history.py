"""What was: sketches, cells, the recorder, blocks, rollup, columns."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dialects.facts import Usage
from edge.history import recorder as recording
from edge.history.blocks import Damaged, decode, decode_second, encode, encode_second
from edge.history.cell import Cell, State, joined
from edge.history.recorder import Recorder, nearest
from edge.history.rollup import GRACE, Rollup
from edge.history.series import COLUMNS, columns, loss, points, summary
from edge.history.sketch import add, join, quantiles
from edge.history.spans import HOURS, MINUTES, SECONDS, SPANS, TENS, TIERS
from edge.links.look import RelayLook
from edge.observe.record import AttemptTrace, RequestRecord
from edge.routing.controls import Switch
from health.probe import ProbeKind, ProbeResult
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, PathHealth, RelayHealth, RttFigures
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import LOCAL, Line, Path
from transport.session.traffic import Traffic

CN2, CU2, FAR = Path("cn2", "openai"), Path("cu2", "openai"), Path("cn2", "far")
RTT = RttFigures(0.1, 0.1, 0.1, 0.1, 0.0, 5, 1.0)


def probe(path: Path = CN2, rtt: float | None = 0.1, kind: ProbeKind = ProbeKind.TCP, **more: object) -> ProbeResult:
    return ProbeResult(path, kind, 1, 0.0, rtt, **more)  # type: ignore[arg-type]  # the fields by name


def failure(code: str, origin: Origin) -> Failure:
    return Failure(origin, Verdict.SAFE, code, "x")


# --- sketches ---


def test_quantiles_are_right_within_a_hundredth() -> None:
    chance = random.Random(1)
    samples = [chance.uniform(0.01, 2.0) for _ in range(5000)]
    sketch: dict[int, int] = {}
    for sample in samples:
        add(sketch, sample)
    ordered = sorted(samples)
    found = quantiles(sketch, (0.05, 0.5, 0.95, 1.0))
    assert found is not None
    for share, value in zip((0.05, 0.5, 0.95, 1.0), found, strict=True):
        assert value == pytest.approx(ordered[max(0, int(share * 5000) - 1)], rel=0.0102)
    assert quantiles({}, (0.5,)) is None


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 100)))
def test_two_sketches_add_up_to_that_of_all_samples(one: list[float], other: list[float]) -> None:
    parts, whole = ({}, {}), {}  # type: tuple[dict[int, int], dict[int, int]], dict[int, int]
    for part, samples in zip(parts, (one, other), strict=True):
        for sample in samples:
            add(part, sample)
            add(whole, sample)
    join(parts[0], parts[1])
    assert parts[0] == whole


# --- the recorder ---


def test_a_probe_counts_for_its_path_line_and_far_end() -> None:
    recorder = Recorder()
    recorder.probe(probe())
    recorder.probe(probe(rtt=None))
    cells = recorder.take()
    assert {name: (cell.sent, cell.lost, sum(cell.rtt.values())) for name, cell in cells.items()} == {
        "paths:cn2/direct/openai": (2, 1, 1),
        "lines:cn2": (2, 1, 1),
        "endpoints:openai": (2, 1, 1),
    }
    assert recorder.take() == {}


def test_late_answers_were_no_losses_and_repeated_ones_say_nothing() -> None:
    recorder = Recorder()
    recorder.probe(probe())
    recorder.probe(probe(rtt=None))
    recorder.probe(probe(is_late=True))
    recorder.probe(probe(is_duplicate=True))
    cell = recorder.take()["lines:cn2"]
    assert (cell.sent, cell.lost) == (2, 0)


def test_a_refusal_is_an_answer_no_way_out_is_a_loss_and_our_own_fault_says_nothing() -> None:
    recorder = Recorder()
    recorder.probe(probe(rtt=None, failure=failure(Code.CONNECTION_REFUSED, Origin.LINE)))
    recorder.probe(probe(rtt=None, failure=failure(Code.TLS_ALERT_RECEIVED, Origin.ENDPOINT)))
    recorder.probe(probe(rtt=None, failure=failure(Code.DESTINATION_IP_UNROUTABLE, Origin.LINE)))
    recorder.probe(probe(rtt=None, failure=failure(Code.PROXY_INTERNAL_ERROR, Origin.EDGE)))
    cell = recorder.take()["lines:cn2"]
    assert (cell.sent, cell.lost) == (3, 1)


def test_a_kind_that_nobody_answers_is_filtered_somewhere() -> None:
    recorder = Recorder()
    recorder.probe(probe(rtt=None, kind=ProbeKind.ICMP))  # never answered
    assert recorder.take() == {}
    recorder.probe(probe(kind=ProbeKind.ICMP))
    for _ in range(40):
        recorder.probe(probe())
        recorder.probe(probe(rtt=None, kind=ProbeKind.ICMP))
    assert recorder.take()["lines:cn2"].lost == recording.SILENT
    for _ in range(40):
        recorder.probe(probe(rtt=None))  # now nothing is answered: the line is dead, not filtered
    assert recorder.take()["lines:cn2"].lost == 40


def test_a_line_tells_the_way_to_its_nearest_far_end_and_http_is_no_round_trip() -> None:
    recorder = Recorder()
    view = HealthView(
        paths={CN2: PathHealth(rtt=replace(RTT, median=0.2)), FAR: PathHealth(rtt=RTT), CU2: PathHealth()}
    )
    assert nearest(view) == {"cn2": "far"}
    recorder.look(view, {}, None)
    recorder.take()
    recorder.probe(probe(CN2))
    recorder.probe(probe(FAR, kind=ProbeKind.HTTP))
    cells = recorder.take()
    assert (cells["lines:cn2"].sent, cells["lines:cn2"].rtt) == (2, {})
    assert sum(cells["paths:cn2/direct/openai"].rtt.values()) == 1
    assert cells["paths:cn2/direct/far"].rtt == {}


def request(**more: object) -> RequestRecord:
    record = RequestRecord("r", 10.0, "::1", "POST", "/v1", status=200, path=CN2, principal="ann", ended_at=12.0)
    for name, value in more.items():
        setattr(record, name, value)
    return record


def test_a_request_counts_for_its_key_the_node_and_every_attempts_line() -> None:
    recorder = Recorder()
    recorder.configure([Line("cn2", cost_per_gb=2.0)])
    attempts = [AttemptTrace(CU2, "failed", None, "line_down"), AttemptTrace(CN2, "committed", 200, None)]
    usage = Usage(input=7, output=None)
    record = request(attempts=attempts, bytes_in=10**9, bytes_out=10**9, sent_at=11.0, first_byte_at=11.5, usage=usage)
    recorder.request(record)
    cells = recorder.take()
    assert (cells["lines:cu2"].requests, cells["lines:cu2"].failures) == (1, 1)
    line, node = cells["lines:cn2"], cells["node"]
    assert (line.requests, line.failures, line.up, line.down, line.cost) == (1, 0, 10**9, 10**9, 4.0)
    assert (line.input_tokens, line.output_tokens) == (7, 0)
    assert quantiles(line.first_byte, (0.5,)) == [pytest.approx(0.5, rel=0.02)]
    assert quantiles(node.first_byte, (0.5,)) == [pytest.approx(1.5, rel=0.02)]
    assert (node.requests, cells["keys:ann"].requests, cells["attempts"].requests) == (1, 1, 2)


def test_requests_of_one_second_add_up() -> None:
    recorder = Recorder()
    for _ in range(3):
        recorder.request(request(attempts=[AttemptTrace(CN2, "committed", 200, None)], bytes_in=5))
    recorder.request(request(principal="ben", path=CU2, attempts=[AttemptTrace(CU2, "committed", 200, None)]))
    cells = recorder.take()
    assert [cells[name].requests for name in ("node", "attempts", "keys:ann", "keys:ben")] == [4, 4, 3, 1]
    assert (cells["lines:cn2"].requests, cells["lines:cu2"].requests) == (3, 1)
    assert (cells["node"].up, cells["keys:ann"].up, cells["lines:cn2"].up) == (15, 15, 15)
    assert recorder.take() == {}


def test_requests_that_failed_or_stayed_here() -> None:
    recorder = Recorder()
    recorder.request(request(status=503, path=None, principal=""))
    recorder.request(
        request(path=Path(LOCAL, "gpu"), attempts=[AttemptTrace(Path(LOCAL, "gpu"), "committed", 200, None)])
    )
    cells = recorder.take()
    assert (cells["node"].requests, cells["node"].failures) == (2, 1)
    assert cells.keys() == {"node", "keys:ann", "paths:local/direct/gpu"}
    recorder.request(request(first_byte_at=11.0, sent_at=None))
    assert recorder.take()["lines:cn2"].first_byte == {}


def test_states_are_the_worst_of_standing_silence_and_the_operators_word() -> None:
    recorder = Recorder()
    view = HealthView(
        {"a": LineHealth(Standing.EJECTED), "b": LineHealth(is_suspected=True), "c": LineHealth()},
        {CN2: PathHealth(Standing.PROBATION)},
        {"openai": EndpointHealth(Standing.EJECTED)},
    )
    switches = {"a": Switch.DRAINING, "b": Switch.ON, "c": Switch.OFF, "d": Switch.ON}
    recorder.look(view, switches, {"b": 0.5})
    recorder.look(view, switches, None)
    cells = recorder.take()
    states = {name.removeprefix("lines:"): State(cell.state).name for name, cell in cells.items()}
    assert states == {
        "a": "EJECTED",
        "b": "SUSPECTED",
        "c": "OFF",
        "d": "ADMITTED",
        "paths:cn2/direct/openai": "PROBATION",
        "endpoints:openai": "EJECTED",
    }
    assert (cells["lines:a"].looks, cells["lines:a"].out, cells["lines:b"].out) == (2, 2, 0)
    assert (cells["lines:b"].score, cells["lines:b"].scores, cells["lines:a"].scores) == (0.5, 1, 1)


def test_names_without_end_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_SUBJECTS", 4)
    recorder = Recorder()
    for number in range(9):
        recorder.probe(probe(Path("cn2", f"far{number}")))
    assert len(recorder.take()) == 4


# --- cells, blocks, rollup ---


def test_cells_add_up() -> None:
    one = Cell(2, 1, {3: 1}, 1, 1, {4: 2}, 5, 6, 0.5, 7, 8, int(State.ADMITTED), 0.5, 1, 9, 1)
    two = Cell(1, 0, {3: 2, 9: 1}, 2, 0, {}, 1, 1, 0.25, 1, 1, int(State.EJECTED), 1.0, 1, 1, 1)
    assert joined([one, two]) == Cell(
        3, 1, {3: 3, 9: 1}, 3, 1, {4: 2}, 6, 7, 0.75, 8, 9, int(State.EJECTED), 1.5, 2, 10, 2
    )


def test_blocks_as_bytes_and_back() -> None:
    cells = {0: Cell(1), 59: Cell(rtt={5: 2})}
    assert decode(encode(cells)) == cells
    assert decode_second(encode_second({"node": Cell(3)})) == {"node": Cell(3)}
    for damaged in (b"", b"x", encode(cells)[:-3]):
        with pytest.raises(Damaged):
            decode(damaged)
        with pytest.raises(Damaged):
            decode_second(damaged)


def test_a_second_is_in_a_block_of_every_resolution() -> None:
    rollup = Rollup()
    rollup.add(7201, {"node": Cell(1)})
    rollup.add(7202, {"node": Cell(2)})
    found = {block.tier: (block.begins, decode(block.data)) for block in rollup.changed()}
    assert found == {
        0: (7200, {1: Cell(1), 2: Cell(2)}),
        1: (7200, {0: Cell(3)}),
        2: (7200, {0: Cell(3)}),
        3: (0, {2: Cell(3)}),
    }
    assert list(rollup.changed()) == []


def test_a_closed_block_takes_no_more_and_an_open_one_is_gone_on_with() -> None:
    rollup = Rollup()
    rollup.restore(SECONDS.number, "node", 60, {0: Cell(5)})
    rollup.add(60, {"node": Cell(1)})
    (block,) = (block for block in rollup.changed() if block.tier == 0)
    assert decode(block.data) == {0: Cell(6)}
    rollup.add(61, {"node": Cell(1)})
    rollup.close(120 + GRACE)
    assert [block.tier for block in rollup.changed()] == [1, 2, 3]  # what was closed unsaved is lost
    rollup.add(62, {"node": Cell(1)})
    assert rollup.blocks(SECONDS, 0, "node") == []
    assert [block.tier for block in rollup.changed()] == [1, 2, 3]
    assert rollup.blocks(TENS, 0, "lines:") == []
    assert rollup.blocks(TENS, 700, "node") == []
    (tens,) = rollup.blocks(TENS, 0, "no")
    assert decode(tens.data) == {6: Cell(3)}


def test_every_span_fits_its_resolution() -> None:
    for span in SPANS.values():
        assert span.step % span.tier.step == 0
        assert not span.tier.kept or span.seconds <= span.tier.kept
        assert not span.sums.kept or span.seconds <= span.sums.kept
        assert 100 <= span.seconds / span.step <= 1000
    assert [tier.number for tier in TIERS] == [0, 1, 2, 3]
    assert HOURS.block == 86_400 == MINUTES.block * 24


# --- columns and sums ---


def test_columns_of_a_chart() -> None:
    sketch: dict[int, int] = {}
    for _ in range(3):
        add(sketch, 0.1)
    cells = {60: Cell(3, 0, dict(sketch), 2, 1, state=1, score=0.5, scores=1), 61: Cell(2, 5, up=100), 64: Cell()}
    found = points(cells, 2)
    assert list(found) == [60, 64]
    told = columns(found, 2, {60: 4})
    assert told.keys() == {"at", *COLUMNS}
    assert told["rtt_p50_ms"] == [pytest.approx(100, rel=0.02), None]
    assert (told["loss"], told["state"], told["share"]) == ([1.0, None], ["admitted", None], [0.5, None])
    assert (told["score"], told["up_bps"]) == ([0.5, None], [400, 0])


def test_sums_of_a_table() -> None:
    told = summary([Cell(10, 1, looks=1, requests=3, cost=0.5), Cell(10, 0, looks=1, out=1), Cell()])
    assert (told["probes"], told["loss"], told["unavailable_ratio"]) == (20, 0.05, 0.5)
    assert (told["requests"], told["cost"], told["rtt_p50_ms"]) == (3, 0.5, None)
    assert summary([])["unavailable_ratio"] is None
    assert loss(Cell(sent=0, lost=-1)) is None
    assert loss(Cell(sent=2, lost=-1)) == 0.0


# --- relays ---

THROUGH = Path("cn2+cu2", "openai", "sjc")


def test_a_second_of_a_relay_counts_for_it_its_lines_and_the_nodes_cost() -> None:
    recorder = Recorder()
    recorder.configure([Line("cn2", cost_per_gb=2.0), Line("cu2")])
    carried = {"cn2": Traffic(sent=10**9, received=10**9), "cu2": Traffic(received=5), "idle": Traffic()}
    recorder.relay("sjc", RelayLook(0.15, 100, 3, 1000, 1800, 2, 1, {0: 4, 25: 1}, carried))
    recorder.relay("sjc", RelayLook())
    cells = recorder.take()
    assert cells.keys() == {"relays:sjc", "lines:cn2", "lines:cu2", "node"}
    relay, line = cells["relays:sjc"], cells["lines:cn2"]
    assert (relay.sent, relay.lost, sum(relay.rtt.values())) == (100, 3, 1)
    assert (relay.useful, relay.streamed, relay.suspicions, relay.false_suspicions) == (1000, 1800, 2, 1)
    assert (relay.up, relay.down, relay.cost) == (10**9, 10**9 + 5, 4.0)
    assert (line.up, line.down, line.cost, cells["lines:cu2"].down, cells["node"].cost) == (10**9, 10**9, 4.0, 5, 4.0)
    assert quantiles(relay.late, (0.5, 1.0)) == [pytest.approx(0.0005, rel=0.02), pytest.approx(0.0255, rel=0.02)]


def test_a_request_through_a_relay_counts_for_one_line_but_its_time_and_bytes_for_none() -> None:
    recorder = Recorder()
    recorder.configure([Line("cu2", cost_per_gb=2.0)])
    attempts = [AttemptTrace(THROUGH, "failed", None, "stream_reset"), AttemptTrace(THROUGH, "committed", 200, None)]
    record = request(path=THROUGH, line="cu2", attempts=attempts, bytes_out=10**9, sent_at=11.0, first_byte_at=11.5)
    record.usage = Usage(input=7, output=3)
    recorder.request(record)
    cells = recorder.take()
    assert "lines:cn2" not in cells and "lines:cn2+cu2" not in cells
    relay, line, path = cells["relays:sjc"], cells["lines:cu2"], cells[f"paths:{THROUGH}"]
    assert (relay.requests, relay.failures, relay.down, relay.output_tokens) == (2, 1, 0, 3)
    assert quantiles(relay.first_byte, (0.5,)) == [pytest.approx(0.5, rel=0.02)]
    assert (line.requests, line.failures, line.down, line.first_byte, line.output_tokens) == (1, 0, 0, {}, 3)
    assert (path.down, cells["keys:ann"].cost, cells["node"].cost, cells["node"].down) == (10**9, 2.0, 0.0, 10**9)
    recorder.request(request(path=THROUGH))
    assert "lines:cu2" not in recorder.take()


def test_states_of_relays() -> None:
    def state(why_not: str = "", is_draining: bool = False, **way: object) -> str:
        recorder = Recorder()
        told = RelayHealth(LineHealth(**way), why_not, is_draining)  # type: ignore[arg-type]  # the fields by name
        recorder.look(HealthView(relays={"sjc": told}), {}, None)
        return State(recorder.take()["relays:sjc"].state).name

    assert (state(), state(is_suspected=True), state("no session")) == ("ADMITTED", "SUSPECTED", "EJECTED")
    assert state("draining", is_draining=True) == "DRAINING"
    assert state(standing=Standing.PROBATION) == "PROBATION"


def test_a_relays_columns_and_sums() -> None:
    cell = Cell(useful=100, streamed=150, suspicions=3, false_suspicions=1)
    add(cell.late, 0.02)
    told = columns({10: cell, 15: Cell()}, 5, {}, of_relay=True)
    assert told["redundancy"] == [1.5, None] and told["suspicions"] == [3, 0] and told["false_suspicions"] == [1, 0]
    assert told["late_p50_ms"] == told["late_p99_ms"] == [pytest.approx(20, rel=0.02), None]
    sums = summary([cell, cell], of_relay=True)
    assert (sums["redundancy"], sums["suspicions"]) == (1.5, 6)
    assert "redundancy" not in summary([cell]) and "redundancy" not in columns({10: cell}, 5, {})


def test_cells_of_before_relays_can_still_be_read() -> None:
    old = msgspec.msgpack.encode({3: [1, 0, {}, 2, 0, {}, 5, 6, 0.5, 7, 8, 1, 0.0, 0, 1, 0]})
    assert decode(zlib.compress(old)) == {3: Cell(1, 0, {}, 2, 0, {}, 5, 6, 0.5, 7, 8, 1, 0.0, 0, 1, 0)}
