from __future__ import annotations

from health.board import HealthBoard
from health.standing import Standing
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

PATH = Path("cn2", "openai")
LINE = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT)


def test_only_the_lines_own_faults_eject_it() -> None:
    board = HealthBoard()
    for origin in (Origin.ENDPOINT, Origin.CLIENT, Origin.EDGE):
        for _ in range(10):
            board.failed(PATH, Failure(origin, Verdict.UNKNOWN, Code.STREAM_RESET), 0.0)
    assert board.view(0.0).line("cn2").standing is Standing.ADMITTED
    for _ in range(3):
        board.failed(PATH, LINE, 0.0)
    assert board.view(0.0).line("cn2").standing is Standing.EJECTED
    assert board.view(0.0).line("cu2").standing is Standing.ADMITTED


def test_time_alone_brings_probation_and_a_success_admits() -> None:
    board = HealthBoard()
    for _ in range(3):
        board.failed(PATH, LINE, 0.0)
    assert board.view(1.0).line("cn2").standing is Standing.PROBATION
    board.succeeded(PATH, 1.0)
    assert board.view(1.0).line("cn2").standing is Standing.ADMITTED


def test_the_view_is_the_same_object_until_something_changes() -> None:
    board = HealthBoard()
    first = board.view(0.0)
    board.succeeded(PATH, 0.5)
    assert board.view(1.0) is first
    board.failed(PATH, LINE, 1.0)
    second = board.view(1.0)
    assert second is not first
    board.succeeded(PATH, 1.0)
    assert board.view(1.0) is not second


def test_penalties_pass() -> None:
    board = HealthBoard()
    board.penalise("openai", 5.0, 0.0)
    board.penalise("openai", 1.0, 1.0)
    assert board.view(4.9).endpoint("openai").penalised_until is not None
    assert board.view(5.0).endpoint("openai").penalised_until is None


def test_removed_lines_are_forgotten() -> None:
    board = HealthBoard()
    for _ in range(3):
        board.failed(PATH, LINE, 0.0)
    board.forget(keep=["cn2"])
    assert board.view(0.0).line("cn2").standing is Standing.EJECTED
    board.forget(keep=[])
    board.failed(Path("cu2", "openai"), LINE, 0.0)
    assert board.view(0.0).line("cn2").standing is Standing.ADMITTED
