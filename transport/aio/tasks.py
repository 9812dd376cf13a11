"""Background tasks with an owner: kept alive, counted, their failures logged, and ended with the owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds for a task to end when it is cancelled. Then it is cancelled again: a library may have swallowed it."""


class TaskOwner:
    """Tasks that live at most as long as their owner."""

    def __init__(self, name: str) -> None:
        self.failures = 0
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work`; it should handle its expected failures itself. The task is returned for who may cancel it."""
        task = asyncio.get_running_loop().create_task(work, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancels what still runs and waits for its end."""
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=PATIENCE)
            if left:
                _log.warning("%s: %d tasks go on although they were cancelled: once more", self._name, len(left))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures += 1
            _log.error("%s failed", self._name, exc_info=error)
