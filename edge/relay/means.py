"""What all executions of a relay use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from transport.aio.tasks import TaskOwner
from transport.connector import Connector


@dataclass(frozen=True, slots=True)
class Means:
    """What all executions use. `lines` in the order of preference; `total`: seconds; `resume`: seconds for which a
    stream that can be taken up goes on without anybody (`on_client_gone = "hold"`)."""

    connector: Connector
    tasks: TaskOwner
    lines: tuple[str, ...]
    total: float
    loop: asyncio.AbstractEventLoop
    resume: float = 60.0
