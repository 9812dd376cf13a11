"""What has happened on this node, for those who watch: health, controls, reloads. (Shell.)"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Any
from typing import Protocol as Interface

from edge.control.reasons import parts
from edge.control.times import rfc3339

KEPT = 2000


class HealthChange(Interface):
    """A standing or suspicion that changed (health/change.py). `at`: monotonic seconds."""

    @property
    def at(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...
    @property
    def reason(self) -> str: ...


class Events:
    """The latest events in memory. Ids grow, also over restarts: they begin at the time in microseconds."""

    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._last = 0
        self._news = asyncio.Event()
        self.is_closed = False

    def publish(self, type: str, about: dict[str, Any], at: float | None = None) -> None:
        """`at`: seconds since the epoch; now, if left out and not in `about`."""
        utc = time.time()
        self._last = max(self._last + 1, int(utc * 1e6))
        self._events.append({"at": rfc3339(utc if at is None else at), **about, "id": self._last, "type": type})
        self.wake()

    def health(self, change: HealthChange) -> None:
        """A health board's `on_change`."""
        about = {
            "kind": change.kind,
            "subject": change.id,
            "before": change.before,
            "after": change.after,
            "reason": change.reason,
            "reason_parts": parts(change.reason),
        }
        self.publish("health", about, time.time() - (time.monotonic() - change.at))

    @property
    def last(self) -> int:
        """The newest event's id; 0 if there is none."""
        return self._last

    def since(self, id: int, types: Iterable[str] = ()) -> list[dict[str, Any]]:
        """What came after the event `id`, oldest first; only of `types`, if any are named."""
        wanted = frozenset(types)
        return [event for event in self._events if event["id"] > id and (not wanted or event["type"] in wanted)]

    async def wait(self, id: int, seconds: float) -> bool:
        """Until there is something after `id`, or `wake` was called; False after so many seconds without either."""
        if self._last > id or self.is_closed:
            return True
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Whoever waits is woken."""
        self.is_closed = True
        self.wake()

    def wake(self) -> None:
        """Whoever waits looks again."""
        self._news.set()
        self._news = asyncio.Event()
