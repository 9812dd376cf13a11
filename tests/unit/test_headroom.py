"""What is left of credentials' limits: read from replies, kept in bounds, joined over workers."""

from __future__ import annotations

from typing import Any

from edge.config.model import Endpoint, Provider, Secret, Snapshot
from edge.control.credentials import credential_documents, newest, shown
from edge.policy.headroom import MOST, Headrooms, Limit, limits

UTC = 1_790_000_000.0  # 2026-09-21T14:13:20Z
OPENAI = [
    (b"x-ratelimit-limit-requests", b"500"),
    (b"x-ratelimit-remaining-requests", b"499"),
    (b"x-ratelimit-reset-requests", b"120ms"),
    (b"x-ratelimit-limit-tokens", b"30000"),
    (b"x-ratelimit-remaining-tokens", b"28150"),
    (b"x-ratelimit-reset-tokens", b"3.7s"),
]
ANTHROPIC = [
    (b"anthropic-ratelimit-input-tokens-limit", b"40000"),
    (b"anthropic-ratelimit-input-tokens-remaining", b"39000"),
    (b"anthropic-ratelimit-input-tokens-reset", b"2026-09-21T14:13:50Z"),
    (b"anthropic-ratelimit-output-tokens-remaining", b"8000"),
]
SECRET = Secret("env:OPENAI_API_KEY", "sk-hidden")


def test_what_a_reply_says() -> None:
    assert limits(OPENAI, UTC) == (
        Limit("requests", 499.0, 500.0, UTC + 0.12),
        Limit("tokens", 28150.0, 30000.0, UTC + 3.7),
    )
    assert limits(ANTHROPIC, UTC) == (
        Limit("input-tokens", 39000.0, 40000.0, UTC + 30),
        Limit("output-tokens", 8000.0, None, None),
    )
    assert limits([(b"x-ratelimit-remaining-requests", b"many")], UTC) == ()


def test_the_latest_word_is_kept() -> None:
    known = Headrooms()
    assert known.note("openai", "gpt-4.1", OPENAI, UTC)
    assert not known.note("openai", "gpt-4.1", [(b"content-type", b"text/plain")], UTC + 1)
    assert known.note("openai", None, [(b"x-ratelimit-remaining-tokens", b"?")], UTC + 2)  # nothing that can be read
    known.note("anthropic", "claude", ANTHROPIC, UTC + 3)
    assert [(each.endpoint, each.model, each.seen) for each in known.all()] == [
        ("openai", "gpt-4.1", UTC),
        ("anthropic", "claude", UTC + 3),
    ]
    known.note("openai", "gpt-4.1", OPENAI, UTC + 4)
    assert known.all()[-1].seen == UTC + 4


def test_names_that_callers_invent_don_t_pile_up() -> None:
    known = Headrooms()
    for number in range(MOST + 50):
        known.note("openai", f"model-{number}", OPENAI, UTC)
    assert len(known.all()) == MOST
    assert known.all()[0].model == "model-50"


def snapshot() -> Snapshot:
    def endpoint(id: str, secret: Secret | None = None) -> Endpoint:
        return Endpoint(id, "p", f"https://{id}", id, 443, True, credential=secret)

    own = Provider("openai", "openai", (endpoint("openai-1"), endpoint("openai-2", Secret("file:k", "x"))), SECRET)
    return Snapshot(providers=(own, Provider("anthropic", "anthropic", (endpoint("anthropic"),))))


def documents(known: Headrooms, paused: float | None = None) -> list[dict[str, Any]]:
    return credential_documents(snapshot(), known.all(), lambda endpoint, model: paused if model else None)


def test_credentials_have_names_and_no_secrets() -> None:
    known = Headrooms()
    known.note("openai-1", "gpt-4.1", OPENAI, UTC)
    one, two = documents(known, 2.5)
    assert (one["credential"], one["endpoint"], one["model"]) == ("env:OPENAI_API_KEY", "openai-1", "gpt-4.1")
    assert (one["seen"], one["paused_for_seconds"]) == (UTC, 2.5)
    assert two == {
        "credential": "file:k",
        "provider": "openai",
        "endpoint": "openai-2",
        "model": None,
        "seen": None,
        "limits": [],
        "paused_for_seconds": None,
    }
    assert "hidden" not in str((one, two))


def test_of_several_workers_the_newest_word_and_the_longest_pause_count() -> None:
    older, newer, deaf = Headrooms(), Headrooms(), Headrooms()
    older.note("openai-1", "gpt-4.1", OPENAI, UTC)
    newer.note("openai-1", "gpt-4.1", [(b"x-ratelimit-remaining-requests", b"7")], UTC + 1)
    for order in ((older, newer, deaf), (deaf, newer, older)):
        told = [each for known in order for each in documents(known, 9.0 if known is older else None)]
        joined = newest(told)
        assert [(each["endpoint"], each["model"]) for each in joined] == [
            *([("openai-1", "gpt-4.1"), ("openai-2", None)] if order[0] is older else [("openai-2", None)]),
            *([] if order[0] is older else [("openai-1", "gpt-4.1")]),
        ]
        found = next(each for each in joined if each["model"])
        assert (found["seen"], found["paused_for_seconds"], found["limits"][0]["remaining"]) == (UTC + 1, 9.0, 7.0)


def test_as_the_api_tells_it() -> None:
    known = Headrooms()
    known.note("openai-1", "gpt-4.1", OPENAI, UTC)
    one, two = (shown(each, UTC + 1) for each in documents(known))
    assert one["seen"] == "2026-09-21T14:13:20Z"
    assert [limit["full_in_seconds"] for limit in one["limits"]] == [0.0, 2.7]
    assert (two["seen"], two["limits"]) == (None, [])
    known.note("openai-1", "gpt-4.1", [(b"x-ratelimit-remaining-requests", b"7")], UTC)
    assert shown(documents(known)[0], UTC)["limits"][0]["full_in_seconds"] is None
