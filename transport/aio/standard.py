"""The pools as a node uses them: HTTP/1.1, HTTP/2 and HTTP/3."""

from __future__ import annotations

from collections.abc import Iterable

from transport.aio.h1 import H1Connection
from transport.aio.h2 import H2Connection
from transport.aio.h3 import connect_h3
from transport.aio.openers import Openers
from transport.aio.pool import Pools
from transport.connector import TransportObserver
from transport.path import Line, Target


def make_pools(
    lines: Iterable[Line],
    targets: Iterable[Target],
    *,
    observer: TransportObserver | None = None,
    connect_timeout: float = 5.0,
) -> Pools:
    """Pools with every protocol that is built in. Call on the event loop; `start` them, and in the end `close` them."""
    openers = Openers(h1=H1Connection, h2=H2Connection, h3=connect_h3)
    return Pools(lines, targets, openers=openers, observer=observer, connect_timeout=connect_timeout)
