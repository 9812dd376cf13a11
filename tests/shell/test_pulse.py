"""The heartbeat on a real event loop."""

from __future__ import annotations

import asyncio
import time

from edge.observe.pulse import Pulse
from health.lag import LoopLag


async def test_it_beats_and_tells_of_our_own_stalls() -> None:
    beats: list[tuple[float, float]] = []
    pulse = Pulse(asyncio.get_running_loop(), LoopLag(), lambda now, lag: beats.append((now, lag)))
    pulse.start()
    async with asyncio.timeout(10):
        while len(beats) < 3:
            await asyncio.sleep(0.01)
    time.sleep(0.4)  # noqa: ASYNC251 - the stall is what is tested
    beats.clear()
    async with asyncio.timeout(10):
        while not beats:
            await asyncio.sleep(0.01)
    assert beats[0][1] > 0.2
    pulse.stop()
    pulse.stop()
    beats.clear()
    await asyncio.sleep(0.15)
    assert beats == []
