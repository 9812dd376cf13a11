from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.policy.queue import FIRST_PAUSE, RANKS, SHORTEST_PAUSE, Queue, Ticket

LANE = ("openai", "gpt-4.1")


def join(queue: Queue, priority: str = "interactive", lane: object = LANE) -> Ticket:
    ticket = queue.join(lane, priority, 100)  # type: ignore[arg-type]  # any hashable
    assert ticket is not None
    return ticket


def test_nobody_goes_before_the_throttle_ends_and_then_one_by_one() -> None:
    queue = Queue()
    first, second = join(queue), join(queue)
    assert queue.release(LANE, 3.0, 1.0) is None
    assert queue.due_at(LANE) == 3.0
    assert queue.release(LANE, None, 3.0) is first
    assert queue.release(LANE, None, 3.0) is None
    assert queue.due_at(LANE) == 3.0 + FIRST_PAUSE
    assert queue.release(LANE, None, 3.1) is second
    assert not queue.has_lane(LANE)
    assert queue.release(LANE, None, 3.2) is None
    assert queue.due_at(LANE) is None
    assert queue.waiting == 0


def test_classes_first_then_arrival() -> None:
    queue = Queue()
    late = join(queue, "batch")
    normal = join(queue)
    voice = join(queue, "realtime")
    gone = [queue.release(LANE, None, float(now)) for now in range(3)]
    assert gone == [voice, normal, late]


def test_lanes_are_independent_but_share_the_bound() -> None:
    queue = Queue()
    one = join(queue)
    other = join(queue, lane="other")
    assert queue.join(LANE, "realtime", 2) is None
    assert queue.release(LANE, 9.0, 1.0) is None
    assert queue.release("other", None, 1.0) is other
    queue.leave(LANE, one)
    assert queue.waiting == 0
    assert not queue.has_lane(LANE)


def test_who_left_is_passed_over() -> None:
    queue = Queue()
    first, second = join(queue), join(queue)
    queue.leave(LANE, first)
    assert queue.has_lane(LANE)
    assert queue.release(LANE, None, 0.0) is second


def test_pauses_shrink_until_the_next_refusal() -> None:
    queue = Queue()
    for _ in range(100):
        join(queue)
    now, pauses = 0.0, []
    for _ in range(60):
        assert queue.release(LANE, None, now) is not None
        at = queue.due_at(LANE)
        assert at is not None
        pauses.append(at - now)
        now = at
    assert pauses == sorted(pauses, reverse=True)
    assert abs(pauses[-1] - SHORTEST_PAUSE) < 1e-9
    assert queue.release(LANE, now + 1.0, now) is None
    assert queue.release(LANE, None, now + 1.0) is not None
    assert abs((queue.due_at(LANE) or 0.0) - (now + 1.0 + FIRST_PAUSE)) < 1e-9


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "release"]), st.integers(0, 9)), max_size=60))
def test_everybody_goes_once_in_order(script: list[tuple[str, int]]) -> None:
    queue, waiting, now = Queue(), list[Ticket](), 0.0
    for what, pick in script:
        now += 1.0
        if what == "join":
            waiting.append(join(queue, list(RANKS)[pick % 3]))
        elif what == "leave" and waiting:
            queue.leave(LANE, waiting.pop(pick % len(waiting)))
        elif what == "release":
            assert queue.release(LANE, None, now) is (min(waiting) if waiting else None)
            if waiting:
                waiting.remove(min(waiting))
        assert queue.waiting == len(waiting)
        assert queue.has_lane(LANE) is bool(waiting)
