from __future__ import annotations

from edge.observe.recent import Recent, is_remarkable
from edge.observe.record import RequestRecord
from tests.support.routing import Desk, named, rtts
from transport.failure import Code, Failure, Origin, Verdict


def record(number: int, **facts: object) -> RequestRecord:
    made = RequestRecord(f"r-{number}", 0.0, "peer", "POST", "/")
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def ids(recent: Recent, count: int) -> list[str]:
    return [found.id for found in recent.latest(count)]


def test_the_newest_come_first_and_the_oldest_go() -> None:
    recent = Recent(newest=3)
    for number in range(5):
        recent.add(record(number))
    assert ids(recent, 10) == ["r-4", "r-3", "r-2"]
    assert ids(recent, 2) == ["r-4", "r-3"]
    assert recent.find("r-1") is None
    assert recent.find("r-2") == (recent.latest(3)[2], None)


def test_what_failed_or_was_slow_is_kept_longer() -> None:
    recent = Recent(newest=2, kept=2)
    failure = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT)
    for number, facts in enumerate(({"status": 502}, {"failure": failure}, {"first_byte_at": 3.1}, {}, {}, {})):
        recent.add(record(number, **facts))
    assert ids(recent, 10) == ["r-5", "r-4", "r-2", "r-1"]
    assert recent.find("r-0") is None
    assert recent.find("r-1") is not None


def test_what_is_forgotten_is_held_by_nothing_else() -> None:
    recent = Recent(newest=2, kept=1, lanes=2)
    desk = Desk(named("ab"), view=rtts(a=150, b=200))
    for number in range(4):
        recent.add(record(number, choice=desk.ask(), status=500 if number < 2 else 200))
    first = recent.find("r-1")
    assert first is not None and first[1] is not None  # r-0 made room for it, and left the lane that they share
    lane = first[0].choice.lane  # type: ignore[union-attr]  # it has a ranking
    desk.view = rtts(a=1, b=2)
    for number in range(4, 9):
        recent.add(record(number, choice=desk.ask(), status=502 if number == 4 else 200))
    held = [entry for entry in recent._lanes.values() if entry[0] is lane]
    assert held == []
    assert sum(len(records) for _, records in recent._lanes.values()) == 3


def test_remarkable() -> None:
    assert not is_remarkable(record(0, status=200, first_byte_at=2.9))
    assert not is_remarkable(record(0, status=404))


def test_why_is_told_as_long_as_it_is_known() -> None:
    recent = Recent(lanes=2)
    desk = Desk(named("ab"), view=rtts(a=150, b=200))
    for number, view in enumerate((desk.view, desk.view, rtts(a=1, b=2), rtts(a=3, b=4))):
        desk.view = view
        recent.add(record(number, choice=desk.ask()))
    rankings = [found[1] for found in (recent.find(f"r-{number}") for number in range(4)) if found is not None]
    assert rankings[:2] == [None, None]
    assert rankings[2] is not None
    assert rankings[3] is not None
    assert rankings[3].paths[0].cost == 3.0
