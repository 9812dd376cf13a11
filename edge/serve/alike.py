"""Similar questions in the pipeline: a part of step 4, where a rule of the cache allows it. docs/similar.md"""

from __future__ import annotations

import asyncio
import logging

from cache.aio.similar import Found, Similar
from cache.aio.store import StoreError
from cache.entry import Entry
from cache.policy import Decision
from cache.question import Question as Asking
from cache.similar.asked import Asked
from edge.observe.record import RequestRecord
from transport.message import Headers

log = logging.getLogger("farline.cache")

WRONG = b"x-farline-wrong"
"""A caller's header: the id of a request of its own that was answered with another question's answer, wrongly."""


class Alike:
    """One request as a question that others may have asked."""

    def __init__(self, similar: Similar, asked: Asked, decision: Decision, record: RequestRecord) -> None:
        self._similar = similar
        self._asked = asked
        self._decision = decision
        self._record = record

    async def found(self) -> Found | None:
        """Another question's answer, if it may be given."""
        record = self._record
        return await self._similar.look_up(self._asked, self._decision, record.id, record.principal)

    def keep(self, entry: Entry, stored: asyncio.Task[None] | None) -> None:
        """The reply is being stored: when it is, it may answer others."""
        self._similar.keep(self._asked, self._decision, entry, stored)


def alike_of(similar: Similar, asking: Asking, decision: Decision, record: RequestRecord) -> Alike | None:
    """None where the rule says "off", as by default, and for what isn't one plain question."""
    if decision.rule.similar == "off":
        return None
    asked = similar.asked(asking, decision)
    return None if asked is None else Alike(similar, asked, decision, record)


def marks(found: Found) -> Headers:
    """What tells the client that another question was answered, and how much like its own that is."""
    return [(b"x-farline-similarity", b"%.3f" % found.similarity)]


async def report(similar: Similar, request_id: bytes, record: RequestRecord) -> None:
    """Somebody says that it was answered wrongly; the log has what became of it."""
    id = request_id.decode("latin-1")[:100]
    try:
        is_known = await similar.wrong(id, record.principal)
    except StoreError as error:
        log.warning("%s reports request %r as answered wrongly, but the store fails: %s", record.principal, id, error)
        return
    if not is_known:
        log.warning("%s reports request %r as answered wrongly, but it isn't known here", record.principal, id)
