"""This worker's own answers, and those of all workers of the node together. (Shell: clocks and peers.)"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote, urlencode

from edge.control.events import Events
from edge.control.figures import figures, relay_documents
from edge.control.inside import Inside
from edge.control.peers import Peers
from edge.control.requests import Wanted, document, documents, sentence
from edge.control.together import together


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
            "pools": [{**pool, "worker": self.number} for pool in inside.pools()],
            "relays": [{**relay, "worker": self.number} for relay in relays],
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
        told = document(record, _utc_offset())
        return {**told, "worker": self.number, "why": sentence(told, ranking), "ranking": ranking}

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
        return {**together(by_worker), **own, "workers": sorted(by_worker)}

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

    async def _ask(self, path: str) -> dict[int, Any]:
        return await self._peers.ask(path) if self._peers is not None else {}


def _utc_offset() -> float:
    """What to add to monotonic seconds for seconds since the epoch."""
    return time.time() - time.monotonic()
