"""Sessions written down for a while (`transport.session.qlog`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from transport.session.core import SessionCore
from transport.session.qlog import Tap, Trace, Vantage


async def traced(cores: Mapping[str, SessionCore], vantage: Vantage, seconds: float, max_bytes: int) -> Trace:
    """What these sessions, by name, do in the next so many seconds, or until the trace is full or the caller has gone.

    Raises AlreadyTapped."""
    trace = Trace(vantage, time.time() - time.monotonic(), max_bytes)
    taps: list[Tap] = []
    try:
        for name, core in cores.items():
            taps.append(Tap(trace, core, name))
        end = time.monotonic() + seconds
        while not trace.is_cut and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110 - a full trace tells nobody
            await asyncio.sleep(min(left, 0.25))
    finally:
        for tap in taps:
            tap.remove()
    return trace
