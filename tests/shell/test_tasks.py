"""transport.aio.tasks: what is started ends with its owner."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from transport.aio import tasks
from transport.aio.tasks import TaskOwner


async def test_what_runs_is_cancelled_and_waited_for() -> None:
    owner, told = TaskOwner("test"), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            told.append("over")

    owner.start(work())
    await asyncio.sleep(0)
    assert len(owner) == 1
    await owner.close()
    assert told == ["over"]
    assert len(owner) == 0
    await owner.close()


async def test_a_cancellation_that_is_swallowed_comes_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "PATIENCE", 0.02)
    owner = TaskOwner("test")

    async def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    owner.start(work())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await owner.close()
    assert len(owner) == 0
    assert "1 tasks go on although they were cancelled" in caplog.text


async def test_a_failure_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    owner = TaskOwner("test")

    async def work() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait([owner.start(work())])
        await asyncio.sleep(0)
    assert owner.failures == 1
    assert "test failed" in caplog.text
    assert "broken" in caplog.text
