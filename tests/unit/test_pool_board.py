"""Standing, load, order, and places of the local pool's servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from edge.config.model import Pool
from edge.pool.admission import Admission, Ticket
from edge.pool.board import RULES, PoolBoard
from edge.pool.choice import cost, order
from edge.pool.load import UNKNOWN, Load, Served
from edge.pool.observer import PoolObserver
from health.standing import Standing
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import LOCAL, Path, Protocol

DEAD = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_REFUSED)


def pool(id: str, **settings: object) -> Pool:
    return Pool(id, f"http://{id}:8000", id, 8000, False, **settings)  # type: ignore[arg-type]  # keywords by name


def board(*ids: str, **settings: object) -> PoolBoard:
    return PoolBoard([pool(id, **settings) for id in ids])


def test_a_server_that_fails_twice_is_ejected_and_comes_back_by_itself() -> None:
    seen = board("a")
    seen.failed("a", "refused", 10.0)
    assert seen.standing("a", 10.0) is Standing.ADMITTED
    seen.failed("a", "refused", 10.1)
    assert seen.standing("a", 10.1) is Standing.EJECTED
    assert seen.backends["a"].reason == "refused"
    later = 10.1 + RULES.base_ejection
    assert seen.standing("a", later) is Standing.PROBATION
    seen.told("a", Load(1, 0), later)
    assert (seen.standing("a", later), seen.backends["a"].reason) == (Standing.ADMITTED, "")


def test_news_during_the_ejection_changes_nothing() -> None:
    seen = board("a")
    seen.failed("a", "refused", 10.0)
    seen.failed("a", "refused", 10.0)
    seen.succeeded("a", 10.5)
    assert seen.backends["a"].reason == "refused"


def test_loading_is_no_failure() -> None:
    seen = board("a")
    seen.loading("a")
    assert seen.standing("a", 1.0) is Standing.EJECTED
    seen.told("a", UNKNOWN, 2.0)
    assert seen.standing("a", 2.0) is Standing.ADMITTED


def test_warming_up_is_probation() -> None:
    seen = board("a")
    seen.warming("a", True)
    assert seen.standing("a", 1.0) is Standing.PROBATION
    seen.warming("a", False)
    assert seen.standing("a", 1.0) is Standing.ADMITTED


def test_what_it_serves_is_the_files_word_else_its_own() -> None:
    seen = PoolBoard([pool("a"), pool("b", models=(("qwen", "Qwen/Qwen3"),), context_tokens=100)])
    for id in ("a", "b"):
        seen.lists(id, Served(("listed",), 4096))
    assert (seen.backends["a"].models, seen.backends["a"].context_tokens) == ({"listed": "listed"}, 4096)
    assert (seen.backends["b"].models, seen.backends["b"].context_tokens) == ({"qwen": "Qwen/Qwen3"}, 100)


def test_news_of_a_server_that_is_gone() -> None:
    seen = board()
    seen.told("a", UNKNOWN, 1.0)
    seen.lists("a", Served())
    seen.loading("a")
    seen.warming("a", True)
    seen.succeeded("a", 1.0)
    seen.failed("a", "refused", 1.0)
    assert seen.standing("a", 1.0) is Standing.EJECTED


def test_a_reload_keeps_what_is_known_unless_it_is_another_server() -> None:
    seen = board("a", "b")
    seen.lists("a", Served(("m",)))
    seen.lists("b", Served(("m",)))
    other = Pool("b", "http://elsewhere:1", "elsewhere", 1, False)
    seen.update([pool("a", weight=50.0), other])
    assert seen.backends["a"].models == {"m": "m"}
    assert seen.backends["a"].pool.weight == 50.0
    assert seen.backends["b"].models == {}


def test_requests_of_others_count_and_ours_are_counted_once() -> None:
    seen = board("a", max_in_flight=10)
    admission = Admission(seen)
    tickets = [admission.ask(["a"], "batch") for _ in range(3)]
    assert None not in tickets
    seen.told("a", Load(running=4, waiting=1), 1.0)
    backend = seen.backends["a"]
    assert backend.others == 2
    assert cost(backend) == pytest.approx((2 + 3 + 1) / (10 * 100.0))
    admission.ask(["a"], "batch")  # the metrics don't show it yet
    assert cost(backend) == pytest.approx((2 + 4 + 1) / (10 * 100.0))
    backend.load = changed(backend.load, cache_ratio=1.0)
    assert cost(backend) == pytest.approx(5 * 7 / 1000)


def busy(seen: PoolBoard, **others: int) -> None:
    for id, number in others.items():
        seen.told(id, Load(running=number, waiting=0), 1.0)


def test_the_least_loaded_comes_first() -> None:
    seen = board("a", "b")
    busy(seen, a=5, b=2)
    assert [b.pool.id for b in order(list(seen.backends.values()), 1.0, lambda: 0.0)] == ["b", "a"]


@pytest.mark.parametrize(("draws", "first"), [((0.0, 0.0), "a"), ((0.99, 0.99), "c"), ((0.99, 0.0), "a")])
def test_of_three_two_are_drawn(draws: tuple[float, float], first: str) -> None:
    seen = board("a", "b", "c", "d")
    busy(seen, a=0, b=1, c=2, d=3)
    rest = iter(draws)
    ranked = [backend.pool.id for backend in order(list(seen.backends.values()), 1.0, lambda: next(rest))]
    assert ranked[0] == first
    assert sorted(ranked) == ["a", "b", "c", "d"]


def test_those_on_probation_come_last_and_ejected_ones_not_at_all() -> None:
    seen = board("a", "b", "c")
    busy(seen, a=0, b=9, c=0)
    seen.warming("a", True)
    seen.loading("c")
    assert [b.pool.id for b in order(list(seen.backends.values()), 1.0, lambda: 0.0)] == ["b", "a"]


def taken(ticket: Ticket | None) -> Ticket:
    assert ticket is not None
    return ticket


def test_the_first_choice_with_a_place() -> None:
    admission = Admission(board("a", "b", max_in_flight=1))
    first, second = taken(admission.ask(["a", "b"], "batch")), taken(admission.ask(["a", "b"], "batch"))
    assert [t.at.pool.id for t in (first, second) if t.at] == ["a", "b"]


def test_the_queue_is_short_and_by_priority() -> None:
    admission = Admission(board("a", max_in_flight=2))
    seated = [taken(admission.ask(["a"], "interactive")) for _ in range(2)]
    batch, voice = taken(admission.ask(["a"], "batch")), taken(admission.ask(["a"], "realtime"))
    assert admission.ask(["a"], "realtime") is None
    assert admission.waiting == 2
    assert admission.give(seated[0]) == [voice]
    assert admission.give(seated[1]) == [batch]
    assert admission.waiting == 0


def test_whoever_waits_for_another_server_is_in_nobodys_way() -> None:
    admission = Admission(board("a", "b", max_in_flight=1))
    admission.ask(["a"], "batch")
    waiting = taken(admission.ask(["a"], "batch"))
    assert waiting.at is None
    assert taken(admission.ask(["b"], "batch")).at is not None


def test_giving_up_ones_turn() -> None:
    admission = Admission(board("a", max_in_flight=1))
    seated, waiting = taken(admission.ask(["a"], "batch")), taken(admission.ask(["a"], "batch"))
    assert admission.give(waiting) == []
    assert admission.give(seated) == []
    assert admission.board.backends["a"].in_flight == 0


def test_moving_to_another_server() -> None:
    seen = board("a", "b", max_in_flight=1)
    admission = Admission(seen)
    ticket, other = taken(admission.ask(["a"], "batch")), taken(admission.ask(["b"], "batch"))
    admission.move(ticket, "a")
    admission.move(ticket, "gone")
    assert [seen.backends[id].in_flight for id in "ab"] == [1, 1]
    admission.move(ticket, "b")
    assert [seen.backends[id].in_flight for id in "ab"] == [0, 2]
    admission.give(ticket)
    admission.give(other)
    assert [seen.backends[id].in_flight for id in "ab"] == [0, 0]


def test_a_reload_under_a_request() -> None:
    seen = board("a")
    admission = Admission(seen)
    ticket = taken(admission.ask(["a", "gone"], "batch"))
    seen.update([Pool("a", "http://elsewhere:1", "elsewhere", 1, False)])
    admission.give(ticket)
    assert seen.backends["a"].in_flight == 0
    seen.update([])
    assert admission.ask(["a"], "batch") is None


@given(st.lists(st.tuples(st.sampled_from(["ab", "a", "b"]), st.integers(0, 9), st.booleans()), max_size=60))
def test_no_place_is_lost_or_given_twice(steps: list[tuple[str, int, bool]]) -> None:
    """In any order of asking and giving: never over the limit, nobody waits beside a free place, all come back."""
    seen = board("a", "b", max_in_flight=2)
    admission = Admission(seen)
    held: list[Ticket] = []
    for choices, number, gives in steps:
        if gives and held:
            admission.give(held.pop(number % len(held)))
        else:
            ticket = admission.ask(list(choices), "interactive")
            held += [ticket] if ticket is not None else []
        for id, backend in seen.backends.items():
            assert backend.in_flight == sum(t.at is backend for t in held) <= 2
            waiting = [t for t in held if t.at is None]
            assert not (backend.in_flight < 2 and any(id in t.choices for t in waiting))
        assert admission.waiting == sum(t.at is None for t in held)
    for ticket in held:
        admission.give(ticket)
    assert all(backend.in_flight == 0 for backend in seen.backends.values())


def test_what_traffic_teaches() -> None:
    seen = board("a")
    observer, path = PoolObserver(seen, lambda: 5.0), Path(LOCAL, "a")
    observer.on_dialed(path, Protocol.H1, 0.001, False)
    observer.on_round_trip(path, 0.001)
    observer.on_closed(path, Protocol.H1, None)
    observer.on_dial_failed(path, DEAD)
    observer.on_reply(path, 503, [])
    observer.on_reply(path, 200, [])
    observer.on_dial_failed(path, DEAD)
    assert seen.standing("a", 5.0) is Standing.ADMITTED
    observer.on_closed(path, Protocol.H1, Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED, "reset"))
    assert seen.standing("a", 5.0) is Standing.EJECTED
    assert seen.backends["a"].reason == "connection_terminated: reset"


def test_servers_as_documents() -> None:
    board = PoolBoard((Pool("gpu", "http://gpu:8000", "gpu", 8000, False, models=(("qwen", "Qwen/Qwen3"),)),))
    (told,) = board.documents(0.0)
    assert (told["id"], told["standing"], told["models"], told["in_flight"]) == ("gpu", "admitted", ["qwen"], 0)
