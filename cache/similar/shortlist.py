"""The questions that were asked in one scope, and which of them is like a new one.

A scope is everything but the question (cache/similar/asked.py), so a shortlist never crosses tenants, models, system
prompts, tools or histories. The nearest come first; the guards decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from cache.similar.guards import Features, disagreement
from cache.similar.vectors import cosines

Score = Callable[[bytes, Sequence[bytes]], Sequence[float]]

MOST_CANDIDATES = 256
"""Of one scope. The one that was used longest ago goes first."""

MOST_BLOCKED = 1024
_MOST_LOOKED_AT = 32
_MOST_REFUSED_TOLD = 3


class Candidate(Struct, frozen=True, array_like=True):
    """A question with an answer in the cache. `entry` and `normal` are digests: the exact key's and the normal form's."""

    entry: bytes
    normal: bytes
    text: str
    features: Features
    vector: bytes
    expires_at_utc: float


class Page(Struct, array_like=True):
    """A shortlist as it is stored. `embedder` names who made the vectors: others' aren't comparable."""

    embedder: str
    candidates: list[Candidate]
    blocked: list[tuple[bytes, bytes]]


class Verdict(Struct, frozen=True):
    """`refused`: (text, similarity, why) of those that were near enough, but not the same, nearest first."""

    found: Candidate | None = None
    similarity: float = 0.0
    refused: tuple[tuple[str, float, str], ...] = ()


class Shortlist:
    """One scope's. `now_utc` is the wall clock, as what is stored outlives the process."""

    def __init__(self, embedder: str, score: Score = cosines, most: int = MOST_CANDIDATES) -> None:
        self.is_changed = False  # since `page` was last called
        self._embedder, self._score, self._most = embedder, score, most
        self._candidates: dict[bytes, Candidate] = {}  # by normal form, the latest use last
        self._blocked: dict[tuple[bytes, bytes], None] = {}

    def __len__(self) -> int:
        return len(self._candidates)

    def put(self, candidate: Candidate) -> None:
        """Adds it, in the place of an earlier one with the same normal form."""
        self._candidates.pop(candidate.normal, None)
        self._candidates[candidate.normal] = candidate
        if len(self._candidates) > self._most:
            del self._candidates[next(iter(self._candidates))]
        self.is_changed = True

    def drop(self, entry: bytes) -> None:
        """No candidate answers with this entry any more."""
        every = [normal for normal, candidate in self._candidates.items() if candidate.entry == entry]
        for normal in every:
            del self._candidates[normal]
            self.is_changed = True

    def block(self, one: bytes, other: bytes) -> None:
        """These two normal forms never answer each other again."""
        self._blocked[_pair(one, other)] = None
        if len(self._blocked) > MOST_BLOCKED:
            del self._blocked[next(iter(self._blocked))]
        self.is_changed = True

    def is_blocked(self, one: bytes, other: bytes) -> bool:
        return _pair(one, other) in self._blocked

    def best(self, asked: Candidate, similarity: float, now_utc: float) -> Verdict:
        """The nearest one of at least `similarity` that no guard and no report speaks against. `asked` is the question
        in the form that it would have as a candidate itself."""
        known = [candidate for candidate in self._candidates.values() if candidate.expires_at_utc > now_utc]
        scores = self._score(asked.vector, [candidate.vector for candidate in known])
        near = sorted(
            ((score, at) for at, score in enumerate(scores) if score >= similarity), key=lambda pair: -pair[0]
        )
        refused: list[tuple[str, float, str]] = []
        for score, at in near[:_MOST_LOOKED_AT]:
            why = self._objection(asked, known[at])
            if why is None:
                return Verdict(known[at], min(1.0, score), tuple(refused[:_MOST_REFUSED_TOLD]))
            refused.append((known[at].text, score, why))
        return Verdict(refused=tuple(refused[:_MOST_REFUSED_TOLD]))

    def used(self, candidate: Candidate) -> None:
        """It answered: it goes last."""
        if self._candidates.pop(candidate.normal, None) is not None:
            self._candidates[candidate.normal] = candidate

    def page(self, now_utc: float) -> Page:
        """What is to be stored."""
        self.is_changed = False
        fresh = [candidate for candidate in self._candidates.values() if candidate.expires_at_utc > now_utc]
        return Page(self._embedder, fresh, list(self._blocked))

    def merge(self, page: Page) -> None:
        """Takes in what was stored, by this node before or by another; what is known here is newer."""
        mine = self._candidates
        theirs: Iterable[Candidate] = page.candidates if page.embedder == self._embedder else ()
        new = {candidate.normal: candidate for candidate in theirs if candidate.normal not in mine}
        self._candidates = dict(list((new | mine).items())[-self._most :])
        blocked = dict.fromkeys(page.blocked) | self._blocked
        self._blocked = dict(list(blocked.items())[-MOST_BLOCKED:])

    def _objection(self, asked: Candidate, candidate: Candidate) -> str | None:
        if self.is_blocked(asked.normal, candidate.normal):
            return "reported as wrong"
        return disagreement(asked.features, candidate.features)


def _pair(one: bytes, other: bytes) -> tuple[bytes, bytes]:
    return (one, other) if one <= other else (other, one)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Page).decode


def page_as_bytes(page: Page) -> bytes:
    return _encode(page)


def page_of(data: bytes) -> Page | None:
    """None if it is none."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return None
