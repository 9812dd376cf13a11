"""Links of an edge to relays in memory: real sessions, whose packets cross the event loop."""

from __future__ import annotations

from collections.abc import Collection

from edge.config.model import Relay
from tests.support.sessions import Wires
from transport.path import Line
from transport.session.live import LiveSession, SessionListener
from transport.session.values import Code


class MemoryLink:
    """A link whose relay's side is heard by `far`. Its session begins with `start`, or with `begin` again."""

    def __init__(self, relay: Relay, lines: tuple[Line, ...], listener: SessionListener, far: SessionListener) -> None:
        self.relay = relay
        self.lines = tuple(line.id for line in lines)
        self.used: list[tuple[str, ...]] = []
        self.problems: dict[str, str] = {}
        self.wires: Wires | None = None
        self.is_closed = False
        self.does_begin = True
        self._listener, self._far = listener, far

    @property
    def session(self) -> LiveSession | None:
        return self.wires.edge if self.wires is not None else None

    def start(self) -> None:
        if self.does_begin:
            self.begin()

    def begin(self) -> None:
        self.wires = Wires(self._listener, self._far, lines=self.lines)

    def use(self, lines: Collection[str]) -> None:
        self.used.append(tuple(lines))

    def break_off(self, code: int = Code.EXPIRED) -> None:
        """The session is over, on both sides."""
        wires, self.wires = self.wires, None
        assert wires is not None
        wires.edge.core.close(code, "", 0.0)
        wires.edge._turn()
        wires.end()

    async def close(self) -> None:
        self.is_closed = True
        if self.wires is not None:
            self.wires.end()
            self.wires = None
