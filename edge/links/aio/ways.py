"""The node's Connector: over a line it is the pools' business, through a relay that of its link."""

from __future__ import annotations

from edge.links.aio.links import Links
from transport.connector import Connector
from transport.exchange import Connection
from transport.path import Path, Protocol


class Ways(Connector):
    """`only` restricts direct paths: a session carries WebSockets as messages, whatever the relay speaks behind it."""

    def __init__(self, pools: Connector, links: Links) -> None:
        self._pools = pools
        self._links = links

    def take(self, path: Path, only: Protocol | None = None) -> Connection | None:
        if path.relay is not None:
            return self._links.take(path)
        return self._pools.take(path, only)

    async def connect(self, path: Path, only: Protocol | None = None) -> Connection:
        if path.relay is not None:
            return await self._links.connect(path)
        return await self._pools.connect(path, only)
