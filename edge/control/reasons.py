"""The node's sentences as codes with arguments, for those who say them in another language.

The sentences are made where things are judged (health, routing, links) and stay what they are; here each is known by
its pattern. What isn't known comes as {"code": "other", "args": {"text": …}}: a quotation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Part = dict[str, Any]

SENTENCES = {
    "unanswered": "silent: no answer to {n} questions in {ms} ms",
    "relay_silent": "silent for {ms} ms over all lines",
    "silent": "silent for {ms} ms",
    "silent_to_relay": "silent on the way to relay {relay}",
    "rtt_high": "round trip {ms} ms",
    "replies_5xx": "{n} of {of} replies 5xx",
    "many_failed": "{n} of {of} failed in {seconds} s",
    "probes_lost": "{n} probes lost while the line works",
    "far_end": "fails over all lines, and they work elsewhere",
    "replies": "replies {status}",
    "heard_again": "heard again",
    "works_again": "works again",
    "no_session_yet": "no session yet",
    "session_stands": "the session stands",
    "no_line_now": "no line leads to it now",
    "loading": "loading its model",
    "draining_because": "draining: {why}",
    "session_over_because": "session over: {why}",
    "session_over": "session over",
    "no_session": "no session: {text}",
    # what is noted at a path, or why it isn't used
    "pinned": "pinned by operators",
    "over": "over {ways}",
    "tier": "tier {n}",
    "unmeasured": "not measured yet: figures are the others' median",
    "turns": "takes turns",
    "equals": "in use, among equals",
    "ejected_because": "ejected: {why}",
    "suspected_because": "suspected: {why}",
    "probation_because": "on probation: {why}",
    "probation": "on probation",
    "penalised": "its endpoint asked for less traffic",
    "spare": "weight 0",
    "avoided": "avoided at this hour",
    "spill": "at {percent} % of its capacity",
    "region": "region {region}: only {allowed} allowed",
    "names_line": "the request names {line}",
    "relays_off": "relays are off for {priority} requests",
    "relay_not_for": "the relay is not for {provider}",
    "no_relay_line": "none of its lines takes requests",
    # how the choice was made
    "turn": "its turn by weight",
    "sticky": "sticky: the endpoint where this conversation lives",
    "trial": "trial: one request a second tries what is on probation",
    "exploring": "exploring: nothing has been measured there yet",
    "panic": "panic: too much is ejected to believe it, the least bad is used",
    "no_line": "no line takes new requests: {text}",
    "no_region": "no endpoint of {provider} is in a region allowed here ({regions})",
}
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_NESTED = "why"
_FIGURES = ("n", "of", "ms", "seconds", "percent", "status")
_FIGURE = r"[\d.]+"


def _pattern(sentence: str) -> re.Pattern[str]:
    def argument(name: re.Match[str]) -> str:
        return f"(?P<{name[1]}>{_FIGURE if name[1] in _FIGURES else '.+'})"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", argument, re.escape(sentence)))


_PATTERNS = {code: _pattern(sentence) for code, sentence in SENTENCES.items()}


def parts(text: str) -> list[Part]:
    """Its sentences, which stand between semicolons, each as a code with arguments. An empty text has none."""
    return [dict(each) for each in _parts(text)]


@lru_cache(maxsize=1024)
def _parts(text: str) -> tuple[Part, ...]:
    whole = _part(text)
    if whole is not None:
        return (whole,)
    return tuple(_part(each) or {"code": "other", "args": {"text": each}} for each in text.split("; ") if each)


def _part(text: str) -> Part | None:
    if _WORD.fullmatch(text):
        return {"code": text, "args": {}}
    for code, pattern in _PATTERNS.items():
        found = pattern.fullmatch(text)
        if found and "; " not in text:
            return {"code": code, "args": {name: _argument(name, value) for name, value in found.groupdict().items()}}
    return None


def _argument(name: str, value: str) -> Any:
    return parts(value) if name == _NESTED else value


def with_parts(ranking: Mapping[str, Any]) -> dict[str, Any]:
    """A ranking's document with its notes' parts beside them."""

    def noted(path: Mapping[str, Any]) -> dict[str, Any]:
        return {**path, "note_parts": parts(path["note"])}

    return {
        **ranking,
        "note_parts": parts(ranking["note"]),
        "paths": [noted(each) for each in ranking["paths"]],
        "excluded": [noted(each) for each in ranking["excluded"]],
    }
