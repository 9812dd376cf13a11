"""What keeps a session to one relay alive, as the edge sees it. Its listener hears of every session there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol as Interface

from edge.config.model import Relay
from transport.path import Line
from transport.session.live import LiveSession, SessionListener


class Link(Interface):
    """One relay. Sessions come and go; at most one is there at a time."""

    @property
    def session(self) -> LiveSession | None:
        """The one for new requests; it may not be open yet."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Why there is no connection, by line."""

    def start(self) -> None: ...

    async def close(self) -> None: ...

    def use(self, lines: Collection[str]) -> None:
        """The lines that may be used now. Carriers over others end in order."""


class LinkMaker(Interface):
    """Makes the link to a relay over these lines; not started yet."""

    def __call__(self, relay: Relay, lines: tuple[Line, ...], listener: SessionListener) -> Link: ...
