"""Endpoints that want no more for now: who says so, who is asked instead, and who waits until one of them does.

Only with the node's own credentials: a caller's own limits are that caller's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic, time

from edge.attempts.attempt import REFUSALS
from edge.config.model import Limits, Provider
from edge.observe.record import RequestRecord
from edge.policy.headroom import Headrooms
from edge.policy.ratelimit import Throttles, exhausted_for, retry_after
from edge.serve.waiting import WaitingRoom, WaitingRoomFull
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Headers
from transport.path import Path


class Throttling:
    """One per node."""

    def __init__(self, room: WaitingRoom) -> None:
        self.room = room
        self.headrooms = Headrooms()
        self._throttles = Throttles()

    @property
    def is_quiet(self) -> bool:
        """Is nobody throttled, and does nobody wait?"""
        return not self._throttles and not self.room.queue.waiting

    def heard(self, endpoint: str, model: str | None, status: int, headers: Headers) -> None:
        """A reply's head to a request with the node's own credentials."""
        utc = time()
        says = self.headrooms.note(endpoint, model, headers, utc)
        if status in REFUSALS:
            pause = retry_after(headers, utc)
        else:
            pause = exhausted_for(headers, utc) if says else None
        if pause:
            now = monotonic()
            self._throttles.note(endpoint, model, now + pause, now)

    def paused_for(self, endpoint: str, model: str | None) -> float | None:
        """Seconds for which an endpoint wants no more of a model; None: it takes requests."""
        now = monotonic()
        end = self._throttles.until(endpoint, model, now)
        return None if end is None else round(end - now, 1)

    def avoided(self, candidates: Sequence[Path], model: str | None) -> tuple[Path, ...]:
        """The candidates, with endpoints that have nothing left for this model behind those that have."""
        now = monotonic()
        return tuple(sorted(candidates, key=lambda path: self._throttles.until(path.endpoint, model, now) or 0.0))

    def until(self, provider: Provider, model: str | None) -> float | None:
        """When the first of the provider's endpoints takes requests for this model again; None: now."""
        now, first = monotonic(), None
        for endpoint in provider.endpoints:
            end = self._throttles.until(endpoint.id, model, now)
            if end is None:
                return None
            first = end if first is None else min(first, end)
        return first

    def is_worth_waiting(
        self, provider: Provider, model: str | None, limits: Limits, record: RequestRecord, patience: float | None
    ) -> bool:
        """Every endpoint has refused: will one take the request while its caller still waits?"""
        until = self.until(provider, model)
        return until is not None and until <= monotonic() + _may_wait(limits, record, patience)

    async def take_turn(
        self,
        provider: Provider,
        model: str | None,
        limits: Limits,
        record: RequestRecord,
        patience: float | None,
        on_wait: Callable[[asyncio.Future[None]], None],
    ) -> bool:
        """Stands in the queue if every endpoint is throttled, or others stand there already; was there a wait?

        Raises:
            TransportError: it would take, or took, longer than it may; or too many wait.
        """
        lane, until = (provider.id, model), self.until(provider, model)
        if limits.queue_seconds == 0 or (until is None and not self.room.queue.has_lane(lane)):
            return False
        seconds = _may_wait(limits, record, patience)
        if until is not None and until > monotonic() + seconds:
            raise self._limited(until, "every endpoint has asked for less traffic")
        try:
            await self.room.wait(
                lane,
                record.priority,
                limit=limits.queue_requests,
                seconds=seconds,
                throttled_until=lambda: self.until(provider, model),
                on_wait=on_wait,
            )
        except WaitingRoomFull:
            raise self._limited(until, "too many requests wait for this provider") from None
        except TimeoutError:
            raise self._limited(self.until(provider, model), "no endpoint took the request in time") from None
        return True

    def _limited(self, until: float | None, detail: str) -> TransportError:
        pause = None if until is None else until - monotonic()
        return TransportError(Failure(Origin.ENDPOINT, Verdict.SAFE, Code.RATE_LIMITED, detail, pause))


def _may_wait(limits: Limits, record: RequestRecord, patience: float | None) -> float:
    """Seconds that the queue may still cost: less than the caller's patience."""
    seconds = limits.queue_seconds if patience is None else min(limits.queue_seconds, patience / 2)
    return max(0.0, seconds - (monotonic() - record.received_at))
