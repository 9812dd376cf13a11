"""Questions in which the guards read the same: the only ones that can answer each other.

A group lies in the cache's store under a key made of the scope and of what the guards read (cache/similar/asked.py). So
no list is searched, nothing crosses tenants, models, system prompts, tools or histories, nodes that share a store share
groups, and a purge finds them. Most groups have one or two members.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

MOST_CANDIDATES = 32
MOST_BLOCKED = 64
BLOCKED_SECONDS = 90 * 86_400.0


class Candidate(Struct, frozen=True, array_like=True):
    """A question in its normal form; `entry` is the digest under which its answer is stored."""

    text: str
    entry: bytes
    expires_at_utc: float


class Block(Struct, frozen=True, array_like=True):
    """Two questions, in normal form, that somebody said have different answers."""

    one: str
    other: str
    until_utc: float


class Group(Struct, frozen=True, array_like=True):
    """Both lists have the newest last."""

    candidates: tuple[Candidate, ...] = ()
    blocked: tuple[Block, ...] = ()

    @property
    def ends_at_utc(self) -> float:
        """When nothing in it is of use any more."""
        ends = [candidate.expires_at_utc for candidate in self.candidates]
        return max([*ends, *(block.until_utc for block in self.blocked)], default=0.0)


EMPTY = Group()


def with_candidate(group: Group, new: Candidate, now_utc: float) -> Group:
    """`new` in the place of what had the same text; what has expired is left out."""
    kept = [old for old in group.candidates if old.text != new.text and old.expires_at_utc > now_utc]
    blocked = tuple(block for block in group.blocked if block.until_utc > now_utc)
    return Group((*kept, new)[-MOST_CANDIDATES:], blocked)


def reported(group: Group, asked: str, candidate: str, now_utc: float) -> Group:
    """Without the candidate, and without the two ever answering each other again; for 90 days."""
    kept = tuple(old for old in group.candidates if old.text != candidate)
    block = Block(asked, candidate, now_utc + BLOCKED_SECONDS)
    return Group(kept, (*group.blocked, block)[-MOST_BLOCKED:])


def alike(group: Group, asked: str, now_utc: float) -> list[Candidate]:
    """Those that may answer: the same normal form first, then the newest. No blocked and no expired ones."""
    barred = {frozenset((block.one, block.other)) for block in group.blocked if block.until_utc > now_utc}
    may = [
        candidate
        for candidate in reversed(group.candidates)
        if candidate.expires_at_utc > now_utc and frozenset((asked, candidate.text)) not in barred
    ]
    return sorted(may, key=lambda candidate: candidate.text != asked)


def nearest(
    candidates: Iterable[Candidate], similarities: Sequence[float], least: float
) -> tuple[Candidate, float] | None:
    """The one with the greatest similarity, if that is at least `least`; at most 1 is told."""
    pairs = list(zip(candidates, similarities, strict=True))
    found, similarity = max(pairs, key=lambda pair: pair[1], default=(None, 0.0))
    return (found, min(1.0, similarity)) if found is not None and similarity >= least else None


as_bytes = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Group).decode


def group_of(data: bytes) -> Group:
    """EMPTY for what is none: of another version, or damaged."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return EMPTY
