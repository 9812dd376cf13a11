"""The node's sentences as codes: each is known again, and has words in every language of the console."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge.control import why
from edge.control.reasons import SENTENCES, parts, with_parts
from transport.failure import Code

I18N = Path(__file__).parents[2] / "edge" / "console" / "static" / "i18n"
WORDS: dict[str, dict[str, str]] = {each.stem: json.loads(each.read_text("utf-8")) for each in I18N.glob("*.json")}
SWITCHES = ("draining", "off", "ejected", "suspected", "other")


@pytest.mark.parametrize("code", SENTENCES)
def test_every_sentence_is_known_again(code: str) -> None:
    names = re.findall(r"\{(\w+)\}", SENTENCES[code])
    values = {name: "idle_timeout" if name == "why" else f"{place}7" for place, name in enumerate(names)}
    (told,) = parts(SENTENCES[code].format(**values))
    nested = {"why": [{"code": "idle_timeout", "args": {}}]} if "why" in values else {}
    assert told == {"code": code, "args": {**values, **nested}}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", []),
        ("connection_timeout", ["connection_timeout"]),
        ("silent: no answer to 19 questions in 3427 ms", ["unanswered"]),
        ("not measured yet: figures are the others' median; in use, among equals", ["unmeasured", "equals"]),
        ("ejected: 3 of 5 replies 5xx; tier 2", ["ejected_because", "tier"]),
        ("Something new; tier 2", ["other", "tier"]),
        ("no line takes new requests: cn2 is off, cu2 is draining", ["no_line"]),
    ],
)
def test_what_the_node_says(text: str, codes: list[str]) -> None:
    assert [each["code"] for each in parts(text)] == codes


def test_a_reason_within_a_reason() -> None:
    (told,) = parts("ejected: silent for 408 ms")
    assert told["args"]["why"] == [{"code": "silent", "args": {"ms": "408"}}]
    assert parts("Something new") == [{"code": "other", "args": {"text": "Something new"}}]


@pytest.mark.parametrize("language", WORDS)
def test_every_code_has_words(language: str) -> None:
    codes = [value for name, value in vars(Code).items() if name.isupper()]
    needed = {f"reason.{code}" for code in (*SENTENCES, *codes, *SWITCHES)}
    needed |= {f"why.part.{code}" for code in why.SENTENCES}
    assert needed - WORDS[language].keys() == set()


def test_all_languages_have_the_same_words_and_places() -> None:
    english, chinese = WORDS["en"], WORDS["zh"]
    assert {each for each in english if not each.endswith(".one")} == {
        each for each in chinese if not each.endswith(".one")
    }
    for key, text in chinese.items():
        assert set(re.findall(r"\{\w+\}", text)) <= set(re.findall(r"\{\w+\}", english.get(key, text))), key


RANKING: dict[str, Any] = {
    "policy": "best",
    "note": "its turn by weight",
    "paths": [
        {"path": "cn2/direct/openai", "cost": 5.0, "terms": [], "note": "pinned by operators"},
        {"path": "cu2/direct/openai", "cost": 9.0, "terms": [{"name": "rtt", "cost": 4.0}], "note": ""},
    ],
    "excluded": [{"path": "cmi/direct/openai", "cost": None, "terms": [], "note": "draining"}],
}
REQUEST = {"path": "cn2/direct/openai", "attempts": [], "detail": "", "failure": None}


def test_a_ranking_with_its_notes() -> None:
    told = with_parts(RANKING)
    assert [each["code"] for each in told["note_parts"]] == ["turn"]
    assert told["paths"][0]["note_parts"] == [{"code": "pinned", "args": {}}]
    assert told["excluded"][0]["note_parts"] == [{"code": "draining", "args": {}}]


@pytest.mark.parametrize(
    ("request_", "codes"),
    [
        ({}, []),
        ({"failure": "idle_timeout"}, ["cut"]),
        ({"path": "cu2/direct/openai"}, ["elsewhere"]),
        (
            {"path": "cu2/direct/openai", "attempts": [{"path": "cn2/direct/openai", "code": "connection_timeout"}]},
            ["elsewhere_after"],
        ),
        ({"path": None, "failure": "deadline", "attempts": [{}]}, ["failed"]),
        ({"path": None, "detail": "no room"}, ["unsent"]),
        ({"path": None}, []),
    ],
    ids=str,
)
def test_why_in_parts(request_: dict[str, Any], codes: list[str]) -> None:
    told = why.why_parts({**REQUEST, **request_}, RANKING)
    assert [each["code"] for each in told] == ["chosen", "noted", "cost", "next", "mostly", "unusable", "end", *codes]
    noted = told[1]["args"]
    assert noted == {"note": "its turn by weight", "note_parts": [{"code": "turn", "args": {}}]}
    assert why.sentence({**REQUEST, **request_}, RANKING).startswith("cn2/direct/openai was chosen by policy best (its")


def test_why_without_a_choice() -> None:
    assert [each["code"] for each in why.why_parts({**REQUEST, "path": None, "detail": "x y"}, None)] == [
        "unchosen",
        "unsent",
    ]
    bare = {**RANKING, "note": "", "excluded": [], "paths": [{"path": "cn2/direct/openai", "cost": None, "terms": []}]}
    assert [each["code"] for each in why.why_parts(REQUEST, bare)] == ["chosen", "end"]
    alone = {**bare, "paths": [{"path": "cn2/direct/openai", "cost": 1.0, "terms": []}]}
    assert [each["code"] for each in why.why_parts(REQUEST, alone)] == ["chosen", "cost", "end"]
    equal = {**bare, "paths": [*alone["paths"], {"path": "cu2/direct/openai", "cost": 1.0, "terms": []}]}
    assert [each["code"] for each in why.why_parts(REQUEST, equal)] == ["chosen", "cost", "next", "end"]


def test_a_path_that_costs_less_and_was_not_chosen() -> None:
    chosen = {"path": "cn2/direct/openai", "cost": 666.3, "terms": []}
    other = {"path": "cu2/direct/openai", "cost": 534.2, "terms": [], "note": ""}
    held = {**RANKING, "note": "", "excluded": [], "paths": [chosen, other]}
    assert why.sentence(REQUEST, held).endswith(
        "at a cost of 666.3 ms; cu2/direct/openai costs less now, 534.2 ms, and takes over if that lasts."
    )
    doubted = {**held, "paths": [chosen, {**other, "note": "suspected"}]}
    assert why.sentence(REQUEST, doubted).endswith("; next was cu2/direct/openai at 534.2 ms (suspected).")
