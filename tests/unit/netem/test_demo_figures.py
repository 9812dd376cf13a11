"""The demo's figures: spreads, accounts, streams."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.demo.course import CUT, DONE, FAILED, FLOWING, WAITING, Side
from netem.demo.figures import RECENT, Account
from netem.demo.sdk import Patience, back_off, is_retried, read_retry_after
from netem.demo.spread import Spread
from netem.demo.tokens import Token, TokenReader


def spread_of(*values: float) -> Spread:
    spread = Spread()
    for value in values:
        spread.add(value)
    return spread


def test_nothing_has_no_quantile() -> None:
    assert Spread().quantile(0.5) is None


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=50), st.sampled_from((0.5, 0.95, 0.99, 1.0)))
def test_a_quantile_is_true_to_one_per_cent(values: list[float], ratio: float) -> None:
    exact = sorted(values)[max(0, -int(-ratio * len(values) // 1) - 1)]
    assert spread_of(*values).quantile(ratio) == pytest.approx(exact, rel=0.0101)


def test_the_shortest_times_are_one_bin() -> None:
    assert spread_of(0.0, 0.0001).quantile(1.0) == 0.0005


def test_spreads_add_up() -> None:
    low, high = spread_of(0.1, 0.1), spread_of(1.0, 1.0)
    low.take_in(high)
    assert low.count == 4
    assert low.quantile(0.5) == pytest.approx(0.1, rel=0.01)
    assert low.quantile(1.0) == pytest.approx(1.0, rel=0.01)


def test_an_account_forgets_lately_but_not_in_all() -> None:
    account = Account()
    account.count("stalls", 0.5)
    account.time("ttft", 0.4, 0.6)
    account.count("stalls", 20.0, 2)
    assert account.recent(20.0).stalls == 3
    assert account.recent(RECENT + 5).stalls == 2  # also when nothing has been written since
    account.count("stalls", 100.0)
    assert account.recent(100.0).stalls == 1
    assert account.recent(100.0).ttft.count == 0
    assert account.total.stalls == 4
    assert account.total.plain()["ttft_p50_ms"] == pytest.approx(400, rel=0.01)
    assert account.total.plain()["gap_p99_ms"] is None
    assert account.total.plain()["stalls"] == 4


def chunk(number: int, stamp: int = 0) -> bytes:
    return b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"t%04d@%016d "}}]}\n\n' % (number, stamp)


@given(st.lists(st.integers(1, 60), max_size=12), st.randoms(use_true_random=False))
def test_tokens_come_out_however_the_body_is_cut(numbers: list[int], luck: random.Random) -> None:
    body = b": a comment\n\n" + b"".join(chunk(number, 2_500_000_000) for number in numbers) + b"data: [DONE]\n\n"
    reader, found = TokenReader(), []
    while body:
        length = luck.randint(1, 90)
        found += reader.feed(body[:length])
        body = body[length:]
    assert found == [Token(number, 2.5) for number in numbers]
    assert reader.is_done
    assert not reader.has_failed


def test_an_error_event_is_seen() -> None:
    reader = TokenReader()
    assert reader.feed(b'data: {"error": {"message": "upstream"}}\n\n') == []
    assert reader.has_failed
    assert not reader.is_done


@pytest.fixture
def side() -> Side:
    return Side(("one", "two", "three"))


def test_a_stream_that_goes_well(side: Side) -> None:
    course = side.begin(0, 1, 2, 10.0)
    assert (course.state, course.silence(10.2)) == (WAITING, pytest.approx(0.2))
    course.answered("cn2/direct/openai")
    course.token(Token(1, 10.3), 10.4)
    assert (course.state, course.silence(10.5)) == (FLOWING, pytest.approx(0.1))
    course.token(Token(2, 10.4), 10.5)
    course.end(True, 10.6)
    assert (course.state, course.silence(99.0)) == (DONE, 0.0)
    assert (course.path, side.path) == ("cn2/direct/openai", "cn2/direct/openai")
    total = side.account.total
    assert (total.requests, total.completed, total.tokens) == (1, 1, 2)
    assert (total.lost, total.repeated, total.stalls) == (0, 0, 0)
    assert total.ttft.quantile(0.5) == pytest.approx(0.4, rel=0.01)
    assert total.gaps.count == 1
    assert total.transit.quantile(1.0) == pytest.approx(0.1, rel=0.01)
    assert [scrap.text for scrap in side.scraps] == ["three", "one"]  # the second passage of two words
    side.begin(0, 2, 2, 11.0)
    assert side.scraps[-1].kind == "begin"


def test_lost_and_repeated_tokens_are_counted(side: Side) -> None:
    course = side.begin(1, 0, 10, 0.0)
    for number in (1, 4, 4, 2, 5):
        course.token(Token(number, 0.0), 0.1)
    course.end(True, 0.2)
    total = side.account.total
    assert (total.lost, total.repeated, course.received) == (2 + 5, 2, 3)
    assert not side.scraps  # only the first slot's text is shown


def test_a_stall_and_a_cut(side: Side) -> None:
    course = side.begin(0, 0, 10, 0.0)
    course.token(Token(1, 0.0), 0.1)
    assert (side.stalls(0.5), side.stalls(0.7)) == (0, 1)  # one that is going on counts already
    course.token(Token(2, 0.0), 0.7)
    assert (side.stalls(0.8), side.stalls(2.0)) == (1, 2)
    course.end(False, 3.0)
    assert side.stalls(9.0) == 2
    assert course.state == CUT
    assert (side.account.total.stalls, side.account.total.cut, side.account.total.lost) == (2, 1, 0)
    assert [scrap.kind for scrap in side.scraps] == ["word", "stall", "word", "stall", "cut"]


def test_a_request_that_gets_no_answer(side: Side) -> None:
    course = side.begin(0, 0, 10, 0.0)
    course.retry(1.0)
    course.end(False, 3.0)
    assert (course.state, course.tries) == (FAILED, 2)
    assert (side.account.total.failed, side.account.total.retries) == (1, 1)


def test_the_sdk_backs_off() -> None:
    assert [back_off(taken, 0.0) for taken in range(6)] == [0.5, 1, 2, 4, 8, 8]
    assert back_off(0, 1.0) == 0.375
    assert back_off(0, 1.0, retry_after=3) == 3
    assert back_off(0, 0.0, retry_after=1000) == back_off(0, 0.0, retry_after=0) == 0.5
    assert [is_retried(status) for status in (200, 400, 404, 408, 409, 429, 500, 503)] == [False] * 3 + [True] * 5
    assert (read_retry_after("2"), read_retry_after("tomorrow"), read_retry_after("")) == (2, None, None)
    said = "both: openai SDK (connect 5, read 10 s, 2 retries) · edge: first byte 3 s"
    assert Patience().in_words() == said
    assert len(said) <= 74  # the room there is on 80 columns
