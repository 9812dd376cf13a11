from __future__ import annotations

from collections import Counter

import pytest

from edge.routing.sticky import conversation, home, named_conversation


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"model":"m","prompt_cache_key":"chat-7","input":[]}', b'"chat-7"'),
        (b'{"metadata": {"user_id" : "u-1"}}', b'"u-1"'),
        (b'{"cachedContent":"cachedContents/xyz"}', b'"cachedContents/xyz"'),
        (b'{"prompt_cache_key":"one","metadata":{"user_id":"two"}}', b'"one"'),
        (b'{"prompt_cache_key":7,"metadata":{"user_id":"two"}}', b'"two"'),
        (b'{"prompt_cache_key":"cut off', None),
        (b'["prompt_cache_key"]', None),
        (b'{"messages":[{"content":"say \\"user_id\\": \\"x\\""}]}', None),
        (b"", None),
        (b'{"input":"' + b"x" * 9000 + b'","prompt_cache_key":"late"}', b'"late"'),
        (b'{"user_id":"early","input":"' + b"x" * 9000 + b'"}', b'"early"'),
        (b'{"input":"' + b"x" * 4000 + b'","user_id":"within","more":"' + b"x" * 4000 + b'"}', None),
    ],
)
def test_what_a_body_says_that_belongs_together(body: bytes, name: bytes | None) -> None:
    assert named_conversation(body) == name


def test_modes() -> None:
    body = b'{"model":"m"}'
    assert conversation("off", b"x", b'{"user_id":"u"}', "k", "m") is None
    assert conversation("key", None, body, "k", "m") is None
    assert conversation("key", b"x", body, "k", "m") is not None
    assert conversation("prefix", None, body, "k", "m") is not None
    assert conversation("prefix", None, b"", "k", "m") is None
    assert conversation("prefix", None, b"x" * 1024 + b"y", "k", "m") == conversation(
        "prefix", None, b"x" * 1030, "k", "m"
    )


def test_tenants_and_models_never_share_a_conversation() -> None:
    digests = {conversation("key", b"x", b"", key, model) for key in ("k1", "k2") for model in ("m", "n", None)}
    assert len(digests) == 6


def test_homes_follow_the_weights() -> None:
    shares = [("us", 100.0), ("eu", 300.0)]
    found = Counter(home(str(number).encode(), shares) for number in range(4000))
    assert found["eu"] == pytest.approx(3000, abs=120)


def test_when_one_leaves_only_its_own_move() -> None:
    ends = [(name, 100.0) for name in ("a", "b", "c", "d")]
    talks = [str(number).encode() for number in range(2000)]
    before = {talk: home(talk, ends) for talk in talks}
    after = {talk: home(talk, ends[:3]) for talk in talks}
    moved = {talk for talk in talks if before[talk] != after[talk]}
    assert moved == {talk for talk in talks if before[talk] == "d"}
    assert len(moved) == pytest.approx(500, abs=80)
    assert home(b"x", ends) == home(b"x", ends[::-1])
