"""A request as similar ones see it: its question, what the question says, and the key of everything else."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from cache.canonical import Uncacheable, read
from cache.key import Key, key_of
from cache.policy import Decision
from cache.question import Question
from cache.similar.guards import Features, features
from cache.similar.normal import NotPlain, normal, trimmed
from cache.similar.place import NoQuestion, place_of

VERSION = 1
"""Of normal forms and guards. Raise it with every change of the lists: what was stored before is not found any more."""

_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True):
    """`scope` names everything but the question: model, system prompt, tools, history, parameters, tenant. `key` names
    the scope, the question's normal form and what the guards read in it."""

    text: str  # the normal form
    features: Features
    scope: Key
    key: Key


def asked_of(question: Question, decision: Decision) -> Asked | str:
    """For a request that takes part in the exact cache under a rule that allows similar questions. If it is none that
    others could ask in other words: why, from a closed set (safe as a metrics label)."""
    if decision.key is None or decision.rule.similar == "off":
        return "off"
    try:
        document = read(question.body).document
        place = place_of(question.dialect, question.operation, document)
        text, said = normal(place.text), features(trimmed(place.text))
        rule = decision.rule
        rest = key_of(question, place.replaced(None), rule.scope == "shared", rule.headers)
    except (NoQuestion, NotPlain, Uncacheable) as why:
        return str(why)
    return Asked(text, said, _apart("scope", rest, b""), _apart("normal", rest, _encode((text, said))))


def _apart(purpose: str, key: Key, more: bytes) -> Key:
    """Keys that no request has as its exact one."""
    digest = hashlib.sha256(b"farline similar %d %s" % (VERSION, purpose.encode()) + key.digest + more).digest()
    return msgspec.structs.replace(key, digest=digest)
