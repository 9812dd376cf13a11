"""A request as similar ones see it: its question in the normal form, and the key of its group."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from cache.canonical import Uncacheable, read
from cache.key import Key, key_of
from cache.policy import Decision
from cache.question import Question
from cache.similar.guards import features
from cache.similar.normal import NotPlain, spaced, trimmed
from cache.similar.place import NoQuestion, place_of

VERSION = 1
"""Of normal forms and guards. Raise it with every change of the lists: what was stored before is not found any more."""

_encode = msgspec.msgpack.Encoder().encode


class Asked(Struct, frozen=True):
    """`text` is the normal form. `group` names everything else of the request, and what the guards read in the text."""

    text: str
    group: Key


def asked_of(question: Question, decision: Decision) -> Asked | str:
    """For a request that takes part in the exact cache under a rule that allows similar questions. If it is none that
    others could ask in other words: why, from a closed set (safe as a metrics label)."""
    if decision.key is None or decision.rule.similar == "off":
        return "off"
    try:
        place = place_of(question.dialect, question.operation, read(question.body).document)
        usual = trimmed(place.text)
        text, said = spaced(usual), features(usual)
        rest = key_of(question, place.replaced(None), decision.rule.scope == "shared", decision.rule.headers)
    except (NoQuestion, NotPlain, Uncacheable) as why:
        return str(why)
    digest = hashlib.sha256(b"farline similar %d" % VERSION + rest.digest + _encode(said)).digest()
    return Asked(text, msgspec.structs.replace(rest, digest=digest))
