"""Similar questions, as the edge uses them: ask before sending, add after storing, and hear of wrong answers.

    asked = similar.asked(question, decision)            None for requests that have no part in it
    found = await similar.look_up(asked, decision, …)    after the exact cache missed
    similar.keep(asked, decision, entry, stored)         `stored` from Cache.keep

Under a rule with `is_shadow`, `look_up` finds nothing: what it would have found is looked for beside the request,
logged and counted.
"""

from __future__ import annotations

import asyncio
import logging

from msgspec import Struct

from cache.aio.cache import Cache
from cache.aio.embedder import Embedder, EmbedError, Lexical
from cache.aio.store import StoreError
from cache.entry import Entry
from cache.key import Key
from cache.policy import Decision
from cache.question import Question
from cache.similar.asked import Asked, asked_of
from cache.similar.group import EMPTY, Candidate, Group, alike, as_bytes, group_of, nearest, reported, with_candidate
from cache.similar.reports import Answered, Answers
from cache.similar.vectors import cosines
from transport.aio.tasks import TaskOwner

_log = logging.getLogger(__name__)

_MOST_WAITING = 64  # lookups in shadow, or questions being added, at a time; more are left out


class Found(Struct, frozen=True):
    """What may answer. `kind`: "normalised" (then `similarity` is 1) or "semantic"."""

    entry: Entry
    kind: str
    similarity: float


class SimilarCounts(Struct):
    """Since the start."""

    normalised: int = 0
    semantic: int = 0
    shadow_normalised: int = 0
    shadow_semantic: int = 0
    misses: int = 0
    kept: int = 0  # questions whose answers others can be given from now on
    not_comparable: int = 0  # long texts, code, questions about words, turns that aren't the user's…
    faults: int = 0  # of the embedder
    left_out: int = 0
    reported: int = 0  # as wrong


class _Match(Struct, frozen=True):
    found: Found
    answered: Answered


class Similar:
    """Beside a `Cache`, in whose store its groups lie."""

    def __init__(self, cache: Cache, embedder: Embedder | None = None) -> None:
        self.counts = SimilarCounts()
        self._cache = cache
        self._embedder = embedder or Lexical()
        self._answers = Answers()
        self._beside = TaskOwner("cache-similar")
        self._writing = asyncio.Lock()  # a group is read, changed and written

    def asked(self, question: Question, decision: Decision) -> Asked | None:
        """The request as a question that others may ask as well; None if it is none. 0.3 ms, or nothing where the
        rule says "off"."""
        if decision.key is None or decision.rule.similar == "off":
            return None
        asked = asked_of(question, decision)
        if isinstance(asked, str):
            self.counts.not_comparable += 1
            return None
        return asked

    async def look_up(self, asked: Asked, decision: Decision, request_id: str, tenant: str) -> Found | None:
        """What may answer; None in shadow, too. `tenant`: who would have to report a wrong answer."""
        if not decision.may_look_up:
            return None
        if decision.rule.is_shadow:
            self._start_shadow(asked, decision, request_id)
            return None
        match = await self._match(asked, decision)
        if match is None:
            self.counts.misses += 1
            return None
        self._answers.remember(request_id, tenant, match.answered)
        if match.found.kind == "semantic":
            self.counts.semantic += 1
        else:
            self.counts.normalised += 1
        return match.found

    def keep(self, asked: Asked, decision: Decision, entry: Entry, stored: asyncio.Task[None] | None) -> None:
        """`entry` is being stored under the decision's key (None: it isn't): as soon as it is, others may be answered
        with it."""
        if decision.key is None or stored is None:
            return
        if len(self._beside) >= _MOST_WAITING:
            self.counts.left_out += 1
            return
        candidate = Candidate(asked.text, decision.key.digest, entry.expires_at_utc)
        self._beside.start(self._add(asked.group, candidate, stored))

    async def wrong(self, request_id: str, tenant: str | None = None) -> bool:
        """The answer to this request was wrong: it is purged, and the two questions don't answer each other any
        more. False if this node gave that request no similar question's answer lately, or gave it to another tenant.
        Raises StoreError if it could not be written down."""
        answered = self._answers.take(request_id, tenant)
        if answered is None:
            return False
        async with self._writing:
            group = await self._group(answered.group)
            await self._write(
                answered.group, reported(group, answered.asked, answered.candidate, self._cache.now_utc())
            )
        await self._cache.delete(answered.entry)
        self.counts.reported += 1
        _log.warning("request %s was answered wrongly by a similar question; entry %s is purged", request_id,
                     answered.entry.name)  # fmt: skip
        return True

    async def close(self) -> None:
        """The cache stays open."""
        await self._beside.close()
        await self._embedder.close()

    def _start_shadow(self, asked: Asked, decision: Decision, request_id: str) -> None:
        if len(self._beside) >= _MOST_WAITING:
            self.counts.left_out += 1
            return
        self._beside.start(self._in_shadow(asked, decision, request_id))

    async def _in_shadow(self, asked: Asked, decision: Decision, request_id: str) -> None:
        match = await self._match(asked, decision)
        if match is None:
            self.counts.misses += 1
            return
        if match.found.kind == "semantic":
            self.counts.shadow_semantic += 1
        else:
            self.counts.shadow_normalised += 1
        _log.info("request %s would have been answered from %s (%s, similarity %.3f)", request_id,
                  match.answered.entry.name, match.found.kind, match.found.similarity)  # fmt: skip

    async def _match(self, asked: Asked, decision: Decision) -> _Match | None:
        candidates = alike(await self._group(asked.group), asked.text, self._cache.now_utc())
        if candidates and candidates[0].text == asked.text:
            if (match := await self._opened(asked, decision, candidates[0], 1.0)) is not None:
                return match
            candidates = candidates[1:]
        if not candidates or decision.rule.similar != "semantic":
            return None
        try:
            mine, *others = await self._embedder.embed([asked.text, *(candidate.text for candidate in candidates)])
        except EmbedError as error:
            self._failed(error)
            return None
        wanted = decision.rule.similarity
        least = self._embedder.least if wanted is None else wanted
        found = nearest(candidates, cosines(mine, others), least)
        return None if found is None else await self._opened(asked, decision, *found)

    async def _opened(self, asked: Asked, decision: Decision, candidate: Candidate, similarity: float) -> _Match | None:
        """The candidate's answer, if it is still there and as fresh as the caller wants."""
        key = Key(candidate.entry, asked.group.tenant, asked.group.provider, asked.group.model)
        entry = await self._cache.entry(decision, key)
        if entry is None:
            return None
        kind = "normalised" if candidate.text == asked.text else "semantic"
        return _Match(Found(entry, kind, similarity), Answered(asked.group, asked.text, candidate.text, key))

    async def _add(self, key: Key, candidate: Candidate, stored: asyncio.Task[None]) -> None:
        await asyncio.wait([stored])
        try:
            async with self._writing:
                await self._write(key, with_candidate(await self._group(key), candidate, self._cache.now_utc()))
                self.counts.kept += 1
        except StoreError as error:
            _log.debug("a question could not be added to its group: %s", error)

    async def _group(self, key: Key) -> Group:
        data = await self._cache.record(key)
        return EMPTY if data is None else group_of(data)

    async def _write(self, key: Key, group: Group) -> None:
        await self._cache.put_record(key, as_bytes(group), group.ends_at_utc - self._cache.now_utc())

    def _failed(self, error: EmbedError) -> None:
        self.counts.faults += 1
        level = logging.WARNING if self.counts.faults == 1 else logging.DEBUG
        _log.log(level, "no embedding (%s): similar questions are answered only if their normal forms agree", error)
