"""Over all texts: decoration doesn't matter, and no two questions with different guards ever meet."""

from __future__ import annotations

import contextlib

from hypothesis import assume, given
from hypothesis import strategies as st

from cache.policy import judge
from cache.rules import Rule, Rules
from cache.similar.asked import Asked, asked_of
from cache.similar.group import group_of
from cache.similar.guards import GUARDS, disagreement, features
from cache.similar.normal import NotPlain, normal, spaced, trimmed
from tests.bench.similar import FILES, intents
from tests.support.cache_values import question

RULES = Rules((Rule(similar="semantic"),))
WORDINGS = [text for name in FILES for intent in intents(name) for text in intent.wordings]
NEAR = [
    (near, text) for name in FILES for intent in intents(name) for _, near in intent.near for text in intent.wordings
]
WORDS = st.sampled_from(
    ["怎么", "取消", "订单", "不", "吗", "3", "三", "天", "你好", "谢谢", "请问", "how", "can't", "I", "cancel",
     "order", "A1", "please", "hi", ",", "?", "。", " ", "\n", "US", "呢", "啊", "了", "没", "$", "20", "%", "-", "."]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=12).map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def form(text: str) -> str | None:
    with contextlib.suppress(NotPlain):
        return normal(text)
    return None


def group(text: str) -> Asked | None:
    asked = question({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": text}]})
    found = asked_of(asked, judge(asked, RULES))
    return found if isinstance(found, Asked) else None


@given(TEXTS)
def test_reading_never_fails_and_is_the_same_each_time(text: str) -> None:
    try:
        usual = trimmed(text)
        spaced(usual)
    except NotPlain:
        return
    assert features(usual) == features(usual)
    assert disagreement(features(usual), features(usual)) is None


@given(TEXTS)
def test_every_character_of_a_text_without_a_list_is_read(text: str) -> None:
    """A letter or digit more always makes another question."""
    assume(form(text) is not None)
    try:
        one, other = features(trimmed(text)), features(trimmed(f"{text} zyx9"))
    except NotPlain:
        return
    assert one != other


@given(TEXTS, TEXTS)
def test_texts_with_different_guards_never_meet(one: str, other: str) -> None:
    left, right = group(one), group(other)
    assume(left is not None and right is not None)
    assert left is not None and right is not None
    differ = disagreement(features(trimmed(one)), features(trimmed(other)))
    assert (left.group.digest == right.group.digest) == (differ is None)


@given(
    st.sampled_from(NEAR),
    st.sampled_from(["你好,", "hi, ", "请问", ""]),
    st.sampled_from(["?", "", "!", ",谢谢", ", thanks"]),
)
def test_near_misses_never_meet_however_they_are_decorated(pair: tuple[str, str], before: str, after: str) -> None:
    near, wording = pair
    left, right = group(before + near + after), group(wording)
    assert left is not None and right is not None
    assert left.group.digest != right.group.digest


@given(
    st.sampled_from(WORDINGS),
    st.sampled_from(["", "  ", "你好,", "hello, ", "请问", "please "]),
    st.sampled_from(["", " ", "~", ",谢谢", ", thanks!"]),
)
def test_decoration_does_not_matter(text: str, before: str, after: str) -> None:
    plain, decorated = group(text), group(before + text + after)
    assert plain is not None and decorated is not None
    assert plain == decorated


@given(st.binary(max_size=60))
def test_groups_are_read_from_any_bytes(data: bytes) -> None:
    assert group_of(data) is not None


def test_guards_are_named_once() -> None:
    assert len(set(GUARDS)) == len(GUARDS)
