"""This worker's own answers, and those of all workers of the node together. (Shell: clocks and peers.)"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from cache.aio.store import StoreError
from cache.purge import Purge
from edge.control.cache import caches_together
from edge.control.credentials import newest
from edge.control.events import Events
from edge.control.figures import figures, relay_documents
from edge.control.inside import Inside
from edge.control.peers import PURGE_SECONDS, Peers
from edge.control.qlog import BUSY, NOTHING, merged, told
from edge.control.qlog import Wanted as TraceWanted
from edge.control.reasons import parts, with_parts
from edge.control.requests import Wanted, document, documents
from edge.control.together import together
from edge.control.why import sentence, why_parts
from transport.session.qlog import AlreadyTapped

CACHE_PATH = "/internal/cache"
WRONG_PATH = "/internal/cache/wrong"
TRACE_PATH = "/internal/qlog"
TRACE_GRACE = 10.0
"""Seconds that a worker may take to hand over what it wrote down."""


class Worker:
    """What one worker knows. `number` 0 if it is the only one."""

    def __init__(self, inside: Inside, events: Events, number: int) -> None:
        self._inside = inside
        self._events = events
        self.number = number

    def figures(self) -> dict[str, Any]:
        inside = self._inside
        own = figures(inside.snapshot(), inside.view(), inside.load(), time.monotonic())
        relays = relay_documents(inside.snapshot(), inside.view(), inside.relays(), time.monotonic())
        return {
            **own,
            "pools": [
                {**pool, "reason_parts": parts(pool["reason"]), "worker": self.number} for pool in inside.pools()
            ],
            "relays": [{**relay, "worker": self.number} for relay in relays],
            "credentials": inside.credentials(),
        }

    def requests(self, wanted: Wanted) -> list[dict[str, Any]]:
        found = documents(self._inside.requests(), wanted, _utc_offset())
        return [{**each, "worker": self.number} for each in found]

    def request(self, id: str) -> dict[str, Any] | None:
        """One request with its ranking and a sentence; None if it isn't known (any more)."""
        found = self._inside.request(id)
        if found is None:
            return None
        record, ranking = found
        known = document(record, _utc_offset())
        return {
            **known,
            "worker": self.number,
            "why": sentence(known, ranking),
            "why_parts": why_parts(known, ranking),
            "ranking": None if ranking is None else with_parts(ranking),
        }

    async def cache(self) -> dict[str, Any]:
        return await self._inside.cache()

    async def purge(self, purge: Purge) -> dict[str, Any]:
        """How many entries went; or why it can't be said that all did."""
        try:
            return {"purged": await self._inside.purge(purge), "failed": None}
        except StoreError as error:
            return {"purged": 0, "failed": str(error)}

    async def wrong(self, request_id: str) -> dict[str, Any]:
        """Was a similar question's answer to that request known here? It is purged then."""
        try:
            return {"is_known": await self._inside.wrong(request_id), "failed": None}
        except StoreError as error:
            return {"is_known": True, "failed": str(error)}

    async def trace(self, relay: str, wanted: TraceWanted) -> dict[str, Any]:
        """What this worker's sessions with the relay do; or why that can't be told."""
        try:
            found, sessions = await self._inside.trace(relay, str(self.number), wanted.seconds, wanted.max_bytes)
        except AlreadyTapped:
            return {"failed": BUSY}
        return {**told(found, sessions), "failed": None}

    def events(self, since: int) -> list[dict[str, Any]]:
        return self._events.since(since)


class Workers:
    """All of them, asked by the one with the admin listener. Who doesn't answer is left out."""

    def __init__(self, own: Worker, peers: Peers | None) -> None:
        self._own = own
        self._peers = peers

    async def figures(self) -> dict[str, Any]:
        """Together, with `workers`: the numbers of those that answered."""
        by_worker = {self._own.number: self._own.figures(), **await self._ask("/internal/figures")}
        own = {kind: [told for each in by_worker.values() for told in each[kind]] for kind in ("pools", "relays")}
        credentials = newest([told for each in by_worker.values() for told in each["credentials"]])
        return {**together(by_worker), **own, "credentials": credentials, "workers": sorted(by_worker)}

    async def requests(self, wanted: Wanted, query: dict[str, str]) -> list[dict[str, Any]]:
        """The newest of all; `query` is what `wanted` was made from."""
        told = await self._ask(f"/internal/requests?{urlencode(query)}")
        found = [*self._own.requests(wanted), *(each for answer in told.values() for each in answer)]
        return sorted(found, key=lambda each: str(each["at"]).rstrip("Z"), reverse=True)[: wanted.limit]

    async def request(self, id: str) -> dict[str, Any] | None:
        found = self._own.request(id)
        if found is not None:
            return found
        told = await self._ask(f"/internal/requests/{quote(id, safe='')}")
        return next(iter(told.values()), None)

    async def cache(self) -> dict[str, Any]:
        own = {self._own.number: await self._own.cache()}
        return caches_together({**own, **await self._ask(CACHE_PATH)})

    async def purge(self, purge: Purge, document: Mapping[str, Any]) -> dict[str, Any]:
        """In every worker; `document` is what `purge` was made from."""
        told: dict[int, Any] = {self._own.number: await self._own.purge(purge)}
        if self._peers is not None:
            told |= await self._peers.have_done(CACHE_PATH, dict(document), PURGE_SECONDS)
        answers = {
            worker: {"purged": 0, "failed": each} if isinstance(each, str) else each for worker, each in told.items()
        }
        failed = {str(worker): each["failed"] for worker, each in sorted(answers.items()) if each["failed"]}
        return {
            "purged": sum(each["purged"] for each in answers.values()),
            "workers": sorted(worker for worker, each in answers.items() if not each["failed"]),
            "failed": failed,
        }

    async def wrong(self, request_id: str) -> dict[str, Any]:
        """In every worker: one of them answered that request."""
        told: dict[int, Any] = {self._own.number: await self._own.wrong(request_id)}
        if self._peers is not None:
            told |= await self._peers.have_done(WRONG_PATH, {"request": request_id}, PURGE_SECONDS)
        answers = {
            worker: {"is_known": False, "failed": each} if isinstance(each, str) else each
            for worker, each in told.items()
        }
        failed = {str(worker): each["failed"] for worker, each in sorted(answers.items()) if each["failed"]}
        return {"is_known": any(each["is_known"] for each in answers.values()), "failed": failed}

    async def trace(self, relay: str, wanted: TraceWanted) -> dict[str, Any]:
        """All workers' sessions with the relay, side by side."""
        asked: list[Coroutine[Any, Any, Any]] = [self._own.trace(relay, wanted)]
        if self._peers is not None:
            document = {"relay": relay, **wanted.document()}
            asked.append(self._peers.have_done(TRACE_PATH, document, wanted.seconds + TRACE_GRACE))
        own, *others = await asyncio.gather(*asked)
        answers = {self._own.number: own, **(others[0] if others else {})}
        failed = {
            str(worker): each if isinstance(each, str) else each["failed"]
            for worker, each in sorted(answers.items())
            if isinstance(each, str) or each["failed"]
        }
        good = {worker: each for worker, each in sorted(answers.items()) if str(worker) not in failed}
        return {**(merged(good) if good else NOTHING), "failed": failed}

    async def _ask(self, path: str) -> dict[int, Any]:
        return await self._peers.ask(path) if self._peers is not None else {}


def _utc_offset() -> float:
    """What to add to monotonic seconds for seconds since the epoch."""
    return time.time() - time.monotonic()
