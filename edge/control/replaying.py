"""What if, asked of all workers: each replays the requests that it remembers, and the first one adds up. (Shell.)"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from edge.control.changes import apply
from edge.control.desk import ControlDesk
from edge.control.inside import Inside
from edge.control.peers import Peers
from edge.control.requested import Replay, replay_question
from edge.control.times import rfc3339
from edge.routing.controls import Controls
from edge.routing.replay import Replayed, joined, replay

log = logging.getLogger("farline.admin")

REPLAY_PATH = "/internal/what-if"
REPLAY_SECONDS = 15.0  # some thousand requests are chosen for anew


class Told(msgspec.Struct):
    """One worker's answer. `since`: when the oldest of its requests came in, seconds since the epoch."""

    since: float | None
    replayed: Replayed


class Replays:
    """Of one worker (`number`), and by `together` of all."""

    def __init__(self, inside: Inside, desk: ControlDesk, number: int, peers: Peers | None) -> None:
        self._inside = inside
        self._desk = desk
        self._number = number
        self._peers = peers

    async def own(self, question: Replay) -> Told:
        """Of the requests that this worker remembers. Raises Refused: there are no such lines."""
        self._desk.what_if(question.changes)
        pasts, known, now = self._inside.pasts(), self._desk.known, time.time()

        def change(old: Controls) -> Controls:
            return apply(old, question.changes, known, now) if question.changes else old

        replayed = await asyncio.to_thread(replay, pasts, change, question.policy)
        return Told(time.time() - time.monotonic() + pasts[0].choice.at if pasts else None, replayed)

    async def answer(self, document: Mapping[str, Any]) -> bytes:
        """`own` for the first worker."""
        return msgspec.json.encode(await self.own(replay_question(document)))

    async def together(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Of all workers; one that doesn't answer is left out of `workers`. Raises Refused."""
        told = {self._number: await self.own(replay_question(document))}
        if self._peers is not None:
            answers = await self._peers.have_done(REPLAY_PATH, dict(document), REPLAY_SECONDS)
            told |= {number: found for number, each in answers.items() if (found := _read(number, each)) is not None}
        replayed = joined([each.replayed for each in told.values()])
        since = min((each.since for each in told.values() if each.since is not None), default=None)
        return {
            "since": None if since is None else rfc3339(round(since, 3)),
            "moved": replayed.moved,
            "actual": replayed.actual.document(),
            "model": replayed.model.document(),
            "then": replayed.then.document(),
            "workers": sorted(told),
        }


def _read(number: int, answer: Any) -> Told | None:
    try:
        return msgspec.convert(answer, Told)
    except msgspec.ValidationError:  # a text: why there is none
        log.warning("what if: worker %d is left out: %s", number, answer)
        return None
