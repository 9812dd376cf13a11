"""Where the question stands, its group, vectors, reports."""

from __future__ import annotations

from typing import Any

import pytest

from cache.policy import Decision, judge
from cache.rules import Rule, Rules
from cache.similar.asked import Asked, asked_of
from cache.similar.group import (
    BLOCKED_SECONDS,
    EMPTY,
    MOST_BLOCKED,
    MOST_CANDIDATES,
    Candidate,
    Group,
    alike,
    as_bytes,
    group_of,
    nearest,
    reported,
    with_candidate,
)
from cache.similar.place import NoQuestion, place_of
from cache.similar.reports import Answered, Answers
from cache.similar.vectors import NotAVector, cosines, lexical, packed
from tests.support.cache_values import key, question

RULES = Rules((Rule(what="all", similar="semantic"),))
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def ask(text: Any, **changes: Any) -> dict[str, Any]:
    return {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": text}], **changes}


def seen(body: dict[str, Any], **changes: Any) -> Asked:
    asked = question(body, **changes)
    found = asked_of(asked, judge(asked, RULES))
    assert isinstance(found, Asked), found
    return found


@pytest.mark.parametrize(
    ("dialect", "operation", "document"),
    [
        ("openai", "chat", ask("Q")),
        ("openai", "chat", ask([{"type": "text", "text": "Q"}, PICTURE])),
        ("anthropic", "messages", ask([{"type": "text", "text": "Q"}])),
        ("openai", "responses", {"input": "Q"}),
        ("openai", "responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Q"}]}]}),
        ("gemini", "generate", {"contents": [{"parts": [{"text": "Q"}]}]}),
        ("gemini", "stream", {"contents": [{"role": "user", "parts": [{"text": "Q"}]}]}),
    ],
)
def test_places(dialect: str, operation: str, document: dict[str, Any]) -> None:
    before = repr(document)
    place = place_of(dialect, operation, document)
    assert place.text == "Q"
    assert repr(place.replaced("R")) == before.replace("'Q'", "'R'")
    assert repr(document) == before


@pytest.mark.parametrize(
    ("operation", "document", "why"),
    [
        ("embeddings", {"input": "Q"}, "no conversation"),
        ("chat", {}, "no conversation"),
        ("chat", {"messages": []}, "no conversation"),
        ("chat", {"messages": ["Q"]}, "no conversation"),
        ("chat", {"messages": [{"role": "assistant", "content": "Q"}]}, "not the user's turn"),
        ("chat", {"messages": [{"content": "Q"}]}, "not the user's turn"),
        ("chat", ask(None), "not one text"),
        ("chat", ask([PICTURE]), "not one text"),
        ("chat", ask([{"type": "text", "text": "Q"}] * 2), "not one text"),
        ("chat", ask([{"type": "tool_result", "text": "Q"}]), "not one text"),
    ],
)
def test_no_place(operation: str, document: dict[str, Any], why: str) -> None:
    with pytest.raises(NoQuestion) as error:
        place_of("openai", operation, document)
    assert error.value.args == (why,)


def test_wordings_that_the_guards_find_alike_share_a_group() -> None:
    one, other = seen(ask("How do I cancel my order?")), seen(ask("how can i cancel an order"))
    assert one.group == other.group
    assert one.text != other.text
    assert one.group.digest != seen(ask("How do I change my order?")).group.digest


@pytest.mark.parametrize(
    "changed",
    [
        ask("怎么退款", model="other"),
        ask("怎么退款", temperature=1),
        ask("怎么退款", tools=[{"type": "function", "function": {"name": "f"}}]),
        {**ask("怎么退款"), "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "怎么退款"}]},
        ask([{"type": "text", "text": "怎么退款"}]),
    ],
)
def test_everything_else_parts_groups(changed: dict[str, Any]) -> None:
    assert seen(changed).group.digest != seen(ask("怎么退款")).group.digest


def test_tenants_never_share_a_group() -> None:
    assert seen(ask("怎么退款"), tenant="a").group != seen(ask("怎么退款"), tenant="b").group


def test_requests_without_a_part() -> None:
    off = question(ask("怎么退款"))
    assert asked_of(off, judge(off, Rules())) == "off"
    assert asked_of(off, Decision("bypass")) == "off"
    for body, why in ((ask("say hi"), "about words"), (ask([PICTURE]), "not one text")):
        asked = question(body)
        assert asked_of(asked, judge(asked, RULES)) == why


def candidate(text: str, ends: float = 100.0) -> Candidate:
    return Candidate(text, text.encode().ljust(32), ends)


def test_a_group_keeps_the_newest_of_each_text() -> None:
    group = with_candidate(with_candidate(EMPTY, candidate("a"), 0.0), candidate("b"), 0.0)
    group = with_candidate(group, candidate("a", 200.0), 0.0)
    assert [each.text for each in alike(group, "x", 0.0)] == ["a", "b"]
    assert [each.text for each in alike(group, "b", 0.0)] == ["b", "a"]
    assert [each.text for each in alike(group, "b", 150.0)] == ["a"]
    assert group.ends_at_utc == 200.0
    assert [each.text for each in with_candidate(group, candidate("c", 300.0), 150.0).candidates] == ["a", "c"]


def test_a_group_is_bounded() -> None:
    group = EMPTY
    for number in range(200):
        group = with_candidate(group, candidate(str(number)), 0.0)
        group = reported(group, "asked", f"gone {number}", 0.0)
    assert len(group.candidates) == MOST_CANDIDATES
    assert len(group.blocked) == MOST_BLOCKED


def test_a_reported_pair_is_blocked_both_ways_and_not_for_ever() -> None:
    group = reported(with_candidate(EMPTY, candidate("a"), 0.0), "b", "a", 0.0)
    assert group.candidates == ()
    assert group.ends_at_utc == BLOCKED_SECONDS
    later = with_candidate(with_candidate(group, candidate("a", 1e9), 1.0), candidate("b", 1e9), 1.0)
    assert [each.text for each in alike(later, "b", 2.0)] == ["b"]
    assert [each.text for each in alike(later, "a", 2.0)] == ["a"]
    assert len(alike(later, "a", BLOCKED_SECONDS + 1)) == 2
    assert with_candidate(later, candidate("c", 1e9), BLOCKED_SECONDS + 1).blocked == ()


def test_the_same_question_can_be_reported() -> None:
    group = reported(with_candidate(EMPTY, candidate("a"), 0.0), "a", "a", 0.0)
    assert alike(with_candidate(group, candidate("a"), 1.0), "a", 2.0) == []


def test_groups_as_bytes() -> None:
    group = reported(with_candidate(EMPTY, candidate("a"), 0.0), "b", "c", 0.0)
    assert group_of(as_bytes(group)) == group
    for data in (b"", b"\xc1", as_bytes(group)[:-3], b"\x01"):
        assert group_of(data) == Group()
    assert EMPTY.ends_at_utc == 0.0


def test_the_nearest() -> None:
    pair = [candidate("a"), candidate("b")]
    assert nearest(pair, [0.8, 1.001], 0.9) == (pair[1], 1.0)
    assert nearest(pair, [0.8, 0.7], 0.9) is None
    assert nearest([], [], 0.0) is None


def test_vectors() -> None:
    one, other = packed([3.0, 4.0]), packed([4.0, -3.0])
    assert cosines(one, [one, other, packed([1.0])]) == pytest.approx([1.0, 0.0, 0.0], abs=1e-3)
    for numbers in ([0.0, 0.0], [float("nan")], [float("inf")]):
        with pytest.raises(NotAVector):
            packed(numbers)


def test_lexical_vectors_know_characters() -> None:
    cancel, order, pay = (lexical(text) for text in ("how do i cancel", "how can i cancel", "where is it"))
    near, far = cosines(cancel, [order, pay])
    assert 0.4 < far + 0.4 < near + 0.1 <= 1.1


def test_answers_are_remembered_for_their_tenant_and_once() -> None:
    answers = Answers(2)
    answered = Answered(key(1), "a", "b", key(2))
    for id in ("r0", "r1", "r2"):
        answers.remember(id, "team", answered)
    assert answers.take("r0", "team") is None
    assert answers.take("r1", "other") is None
    assert answers.take("r1", "team") == answered
    assert answers.take("r1", "team") is None
    assert answers.take("r2") == answered
