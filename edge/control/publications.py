"""Published configurations as the admin API tells of them, and what callers want to publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.cluster.registry import NodeNote
from edge.config.kinds import IDENTIFIER
from edge.config.publication import shared_layer
from edge.config.published import MOST_BYTES, Version
from edge.control.changes import Refused
from edge.control.times import rfc3339

_MEMBERS = ("channel", "text", "again", "note", "nodes", "number", "public", "signature", "dry_run")
_NOTE = 256  # characters
_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller sent. One of `text` and `again` is set. `number` 0: whatever comes next."""

    channel: str
    text: str | None
    again: int
    note: str
    nodes: tuple[str, ...]
    number: int
    public: str
    signature: str
    is_trial: bool


def wanted(document: Mapping[str, Any]) -> Wanted:
    """Raises Refused."""
    for name in document:
        if name not in _MEMBERS:
            raise Refused("invalid", f"unknown; expected {', '.join(_MEMBERS)}", f"/{name}")
    text = document.get("text")
    if (text is None) == (document.get("again") is None):
        raise Refused("invalid", "expected either text, or again with the number of an older version")
    if text is not None and (not isinstance(text, str) or len(text.encode("utf-8", "replace")) > MOST_BYTES):
        raise Refused("invalid", f"expected TOML text of at most {MOST_BYTES // 1024} KiB", "/text")
    nodes = document.get("nodes", [])
    if not isinstance(nodes, list) or not all(isinstance(each, str) and IDENTIFIER.fullmatch(each) for each in nodes):
        raise Refused("invalid", "expected an array of nodes' names", "/nodes")
    is_trial = document.get("dry_run", False)
    if not isinstance(is_trial, bool):
        raise Refused("invalid", "expected true or false", "/dry_run")
    channel = _text(document, "channel", 64)
    if channel and not IDENTIFIER.fullmatch(channel):
        raise Refused("invalid", "expected letters, digits, dot, dash and underscore", "/channel")
    return Wanted(
        channel,
        text,
        _number(document, "again"),
        _text(document, "note", _NOTE),
        tuple(dict.fromkeys(nodes)),
        _number(document, "number"),
        _text(document, "public", 1000),
        _text(document, "signature", 1000),
        is_trial,
    )


def _number(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not (1 if name in document else 0) <= value < 10**15:
        raise Refused("invalid", "expected the number of a version", f"/{name}")
    return value


def _text(document: Mapping[str, Any], name: str, most: int) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > most or not (value.isprintable() or not value):
        raise Refused("invalid", f"expected text of at most {most} characters on one line", f"/{name}")
    return value


def drafted(question: Wanted, channel: str, text: str, number: int, who: str, at: float) -> Version:
    """The version that would be published. `number`: what comes next. Raises Refused: the caller expected another."""
    if question.number not in (0, number):
        detail = f"the next version is {number}: somebody has published meanwhile"
        raise Refused("conflict", detail, "/number")
    return Version(
        channel,
        number,
        text,
        round(at, 3),
        who,
        question.note,
        question.nodes,
        question.again,
        question.public,
        question.signature,
    )


def refused_by(version: Version) -> list[str]:
    """Why no node at all could take it."""
    return list(map(str, shared_layer(version)[1]))


def in_words(faults: Sequence[str]) -> str:
    """One per line."""
    more = [f"… and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []
    return "\n".join([*faults[:_MOST_FAULTS], *more])


def head_document(version: Version, notes: Sequence[NodeNote]) -> dict[str, Any]:
    """All but the text. `notes`: of the nodes on its channel."""
    return {
        "version": version.number,
        "channel": version.channel,
        "at": rfc3339(version.at),
        "who": version.who,
        "note": version.note,
        "digest": version.digest,
        "bytes": len(version.text.encode()),
        "nodes": list(version.nodes),
        "again": version.again or None,
        "signed_by": version.signer or None,
        "running": [note.name for note in notes if note.config is not None and note.config.number == version.number],
        "refused": {
            note.name: note.config.why
            for note in notes
            if note.config is not None and note.config.refused == version.number
        },
    }


def node_document(note: NodeNote) -> dict[str, Any]:
    """What a node runs."""
    return {"name": note.name, **(config_document(note) or {})}


def config_document(note: NodeNote) -> dict[str, Any] | None:
    """None: it takes no published configuration."""
    config = note.config
    if config is None:
        return None
    refused = {"version": config.refused, "why": config.why} if config.refused else None
    return {"channel": config.channel, "version": config.number, "digest": config.digest, "refused": refused}
