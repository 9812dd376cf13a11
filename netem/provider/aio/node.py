"""What every connection of one provider shares."""

from __future__ import annotations

import asyncio

from netem.provider.aio.player import Player, Sink
from netem.provider.aio.wheel import Wheel
from netem.provider.app import App
from netem.provider.ledger import Access
from netem.provider.request import Request


class Node:
    """The app, the clock and the timer wheel."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.loop = loop
        self.time = loop.time
        self.wheel = Wheel(loop)
        self.access = Access()

    def play(self, request: Request, sink: Sink, source: str, connection: int) -> Player:
        """A player for the request's reply, not yet started."""
        steps, record = self.app.answer(request, source, connection, self.time())
        return Player(steps, record, sink, self.wheel, self.app.ledger)
