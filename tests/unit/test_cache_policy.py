from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cache.directives import BadDirective, Directives, Wish, directives_of, parse_control
from cache.policy import Decision, Reply, is_usable, judge, refusal
from cache.rules import DEFAULT_RULES, NOTHING, Rule, Rules
from tests.support.cache_values import CHAT, entry, question

RULES = Rules()
ALL = Rules((Rule(what="all", outside=True),))
DRAWN = {name: value for name, value in CHAT.items() if name != "temperature"}
GOOD = Reply(200, [(b"content-type", b"application/json")], 100, is_complete=True)


def control(value: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"cache-control", value)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Directives()),
        ([(b"accept", b"x")], Directives()),
        ([(b"x-farline-cache", b" Bypass ")], Directives(Wish.BYPASS)),
        ([(b"x-farline-cache", b"refresh")], Directives(Wish.REFRESH)),
        ([(b"x-farline-cache", b"only")], Directives(Wish.ONLY)),
        (control(b"no-store"), Directives(Wish.BYPASS)),
        (control(b"No-Cache"), Directives(Wish.REFRESH)),
        (control(b"max-age=0"), Directives(Wish.REFRESH, 0)),
        (control(b'max-age="60", min-fresh=5'), Directives(Wish.USE, 60, 5)),
        (control(b"max-age=x"), Directives(Wish.REFRESH, 0)),
        (control(b"max-age"), Directives(Wish.REFRESH, 0)),
        (control(b"min-fresh=x"), Directives(Wish.USE, None, 2**31)),
        (control(b"max-age=" + b"9" * 15), Directives(Wish.USE, 2**31)),
        (control(b"only-if-cached"), Directives(Wish.ONLY)),
        (control(b"only-if-cached, no-store"), Directives(Wish.BYPASS)),
        (control(b"no-transform") + control(b"no-cache"), Directives(Wish.REFRESH)),
        ([(b"pragma", b"no-cache")], Directives(Wish.REFRESH)),
        ([(b"pragma", b"x")], Directives()),
        ([(b"pragma", b"no-cache"), *control(b"max-age=60")], Directives(Wish.USE, 60)),
        ([(b"x-farline-cache", b"refresh"), *control(b"no-store")], Directives(Wish.BYPASS)),
        ([(b"x-farline-cache", b"only"), *control(b"max-age=9")], Directives(Wish.ONLY, 9)),
    ],
)
def test_directives(headers: list[tuple[bytes, bytes]], expected: Directives) -> None:
    assert directives_of(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-farline-cache", b"yes")],
        [(b"x-farline-cache", b"only"), (b"x-farline-cache", b"refresh")],
        [(b"x-farline-cache", b"refresh"), (b"cache-control", b"only-if-cached")],
    ],
)
def test_bad_directives(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BadDirective):
        judge(question(headers=headers), RULES)


def test_parse_control() -> None:
    assert parse_control(b'a, B="x, y",c=1, a=2') == {b"a": None, b"b": b"x, y", b"c": b"1"}


ANTHROPIC = {"dialect": "anthropic", "operation": "messages"}
GEMINI = {"dialect": "gemini", "operation": "generate"}
SEEDED = {"generationConfig": {"seed": 1}}

NATURES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    # (members of the body, changes of the question, reason; a wish's name means: the cache takes part)
    ({}, {}, "use"),
    ({"temperature": 0.0}, {}, "use"),
    ({"temperature": 0.7}, {}, "not deterministic"),
    ({"temperature": False}, {}, "not deterministic"),
    ({"temperature": None}, {}, "not deterministic"),
    ({"temperature": 0.7, "seed": 42}, {}, "use"),
    ({"temperature": 0.7, "seed": None}, {}, "not deterministic"),
    ({"temperature": 1, "top_k": 1}, {}, "use"),
    ({"temperature": 1, "top_k": 5}, {}, "not deterministic"),
    ({"generationConfig": {"temperature": 0}}, GEMINI, "use"),
    ({"generationConfig": {"temperature": 1, "topK": 1}}, {"dialect": "gemini", "operation": "stream"}, "use"),
    ({"generation_config": {"seed": 1}}, {"dialect": "gemini", "operation": "stream"}, "use"),
    ({"temperature": 0}, GEMINI, "not deterministic"),
    ({"temperature": 1}, {"operation": "embeddings"}, "use"),
    ({"file_id": "x"}, {"operation": "count_tokens"}, "a file or URL"),
    ({"store": False}, {}, "store: false"),
    ({"store": True}, {}, "use"),
    ({"background": True}, {"operation": "responses"}, "background"),
    ({"background": False}, {"operation": "responses"}, "use"),
    ({"conversation": "conv_1"}, {"operation": "responses"}, "conversation"),
    ({"container": "c"}, {"operation": "messages", "dialect": "anthropic"}, "container"),
    ({"previous_response_id": "resp_1"}, {"operation": "responses"}, "previous_response_id"),
    ({"previous_response_id": None}, {"operation": "responses"}, "use"),
    ({"prompt": {"id": "pmpt_1"}}, {"operation": "responses"}, "prompt"),
    ({"prompt": "Once upon"}, {"operation": "completions"}, "use"),
    ({"web_search_options": {}}, {}, "web_search_options"),
    ({"mcp_servers": [{}]}, ANTHROPIC, "mcp_servers"),
    ({"cachedContent": "cachedContents/x", **SEEDED}, GEMINI, "cachedContent"),
    ({"messages": [{"image_url": {"url": "https://x/y.png"}}]}, {}, "a file or URL"),
    ({}, {"model": "gpt-4o-search-preview"}, "a searching model"),
    ({"tools": [{"type": "function", "function": {}}]}, {}, "use"),
    ({"functions": [{"name": "f"}]}, {}, "use"),
    ({"tools": [{"type": "web_search"}]}, {}, "a tool of the provider"),
    ({"tools": [{"name": "f", "input_schema": {}}]}, ANTHROPIC, "use"),
    ({"tools": [{"type": "bash_20250124"}]}, ANTHROPIC, "use"),
    ({"tools": [{"type": "web_fetch_20250910"}]}, ANTHROPIC, "a tool of the provider"),
    ({"tools": [{"googleSearch": {}}], **SEEDED}, GEMINI, "a tool of the provider"),
    ({"tools": [{"functionDeclarations": []}], **SEEDED}, GEMINI, "use"),
    ({"tools": ["x"]}, {}, "a tool of the provider"),
    ({"tools": {"x": 1}}, {}, "a tool of the provider"),
    ({"tools": []}, {}, "use"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "changes", "reason"), NATURES)
def test_natures(members: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    decision = judge(question(CHAT | members, **changes), RULES)
    assert decision.reason == reason
    assert (decision.key is not None) == (reason == "use")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"headers": control(b"no-store")}, "bypass"),
        ({"is_sensitive": True}, "sensitive"),
        ({"is_zero_retention": True}, "zero retention"),
        ({"tenant": "bank+abc"}, "zero retention"),
        ({"method": b"GET"}, "operation"),
        ({"operation": "images"}, "operation"),
        ({"body": b"not JSON"}, "not JSON"),
        ({"body": b'{"temperature":0,"a":1,"a":2}'}, "duplicate members"),
        ({"model": "o5-mini"}, "rule"),
        ({"tenant": "small"}, "request too large"),
    ],
)
def test_excluded(changes: dict[str, Any], reason: str) -> None:
    rules = Rules(
        (Rule(models=("o?-*",), what="none"), Rule(tenants=("small",), largest_request_bytes=10), Rule(what="all")),
        zero_retention=frozenset(("bank",)),
    )
    decision = judge(question(**changes), rules)
    assert (decision.reason, decision.key) == (reason, None)
    assert not (decision.may_look_up or decision.may_store or decision.may_share)


def test_only_is_known_even_if_the_cache_has_no_part() -> None:
    assert judge(question(DRAWN, headers=[(b"x-farline-cache", b"only")]), RULES).is_only
    assert judge(question(operation="images", headers=[(b"x-farline-cache", b"only")]), RULES).is_only


@pytest.mark.parametrize(
    ("word", "flags"),
    [(b"", (True, True, True)), (b"refresh", (False, True, False)), (b"only", (True, False, False))],
)
def test_what_a_wish_allows(word: bytes, flags: tuple[bool, bool, bool]) -> None:
    decision = judge(question(headers=[(b"x-farline-cache", word)] if word else []), RULES)
    assert (decision.may_look_up, decision.may_store, decision.may_share) == flags
    assert decision.key is not None


def test_rules_first_fit() -> None:
    rules = Rules(
        (
            Rule(providers=("anthropic",), what="none"),
            Rule(operations=("embeddings",), ttl=1.0),
            Rule(paths=("/v1/chat/*",), tenants=("team",), ttl=2.0),
        )
    )
    assert rules.rule_for(question(provider="anthropic")).what == "none"
    assert rules.rule_for(question(operation="embeddings")).ttl == 1.0
    assert rules.rule_for(question(tenant="team+ff", target=b"/v1/chat/completions?x")).ttl == 2.0
    assert rules.rule_for(question(tenant="other")) is NOTHING
    assert Rules().rules == DEFAULT_RULES


def test_rules_allow_more() -> None:
    assert judge(question(DRAWN), ALL).key is not None
    assert judge(question(CHAT | {"web_search_options": {}}), ALL).key is not None
    assert judge(question(CHAT | {"store": False}), ALL).key is None


def test_shared_scope() -> None:
    rules = Rules((Rule(scope="shared"),))
    one, other = judge(question(tenant="a"), rules), judge(question(tenant="b"), rules)
    assert one.key == other.key is not None


@pytest.mark.parametrize(
    ("changes", "rule", "why"),
    [
        ({}, {}, None),
        ({"status": 201}, {}, "status"),
        ({"status": 429}, {}, "status"),
        ({"is_complete": False}, {}, "incomplete"),
        ({"is_substitute": True}, {}, "another model"),
        ({"is_truncated": True}, {}, "truncated"),
        ({"is_truncated": True}, {"truncated": True}, None),
        ({"has_tool_calls": True}, {}, "tool calls"),
        ({"has_tool_calls": True}, {"tool_calls": True}, None),
        ({"size_bytes": 101}, {"largest_reply_bytes": 100}, "reply too large"),
        ({"headers": [(b"content-encoding", b"gzip")]}, {}, "encoded"),
        ({"headers": [(b"content-encoding", b"identity")]}, {}, None),
        ({"headers": control(b"private, no-cache")}, {}, None),
        ({"headers": control(b"private")}, {"scope": "shared"}, "reply's Cache-Control"),
        ({"headers": control(b"private") + control(b"no-store")}, {}, "reply's Cache-Control"),
        ({"headers": control(b"no-store")}, {"obeys_reply": False}, None),
    ],
)
def test_replies(changes: dict[str, Any], rule: dict[str, Any], why: str | None) -> None:
    decision = judge(question(), Rules((Rule(**rule),)))
    assert refusal(decision, msgspec.structs.replace(GOOD, **changes)) == why


def test_a_reply_is_refused_for_the_requests_reason() -> None:
    assert refusal(judge(question(DRAWN), RULES), GOOD) == "not deterministic"
    assert refusal(judge(question(headers=[(b"x-farline-cache", b"only")]), RULES), GOOD) == "only"


@pytest.mark.parametrize(
    ("headers", "ttl", "now", "usable"),
    [
        ([], 60.0, 1000.0, True),
        ([], 60.0, 1059.9, True),
        ([], 60.0, 1060.0, False),
        ([], 10.0, 1011.0, False),  # the rule has become stricter
        (control(b"max-age=10"), 60.0, 1010.9, True),
        (control(b"max-age=10"), 60.0, 1011.0, False),
        (control(b"min-fresh=30"), 60.0, 1029.0, True),
        (control(b"min-fresh=30"), 60.0, 1030.0, False),
        ([], 60.0, 900.0, True),  # the clock went back
    ],
)
def test_usable(headers: list[tuple[bytes, bytes]], ttl: float, now: float, usable: bool) -> None:
    decision = judge(question(headers=headers), Rules((Rule(ttl=ttl),)))
    assert is_usable(decision, entry(created=1000.0, ttl=60.0), now) is usable


def test_decisions_are_values() -> None:
    assert Decision("x") == Decision("x")
