"""How the pools make connections: one factory per protocol, injected by the composition root."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from transport.aio.h1 import H1Connection
from transport.connector import ConnectionOwner
from transport.exchange import Connection
from transport.path import Path, Target


class OpenH3(Interface):
    """Brings up an HTTP/3 connection on a UDP socket, which it owns from then on."""

    async def __call__(
        self,
        *,
        sock: socket.socket,
        address: tuple[str, int],
        target: Target,
        path: Path,
        owner: ConnectionOwner,
        ticket: object | None,
        on_ticket: Callable[[object], None],
        timeout: float,
    ) -> Connection:
        """Raises TransportError, verdict SAFE, and closes the socket then."""


@dataclass(frozen=True, slots=True)
class Openers:
    """`h1` and `h2` make an asyncio protocol that is also a `transport.exchange.Connection`, given (path, owner,
    authority) and for h2 the scheme too. What is None isn't offered to far ends.
    """

    h1: Callable[[Path, ConnectionOwner, str], asyncio.Protocol] = H1Connection
    h2: Callable[[Path, ConnectionOwner, str, bytes], asyncio.Protocol] | None = None
    h3: OpenH3 | None = None
