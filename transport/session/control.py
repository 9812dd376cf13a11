"""Control frames that must arrive: each is sent until a packet with it is acknowledged, or a newer one replaces it."""

from __future__ import annotations

from transport.session.frames import Frame
from transport.session.wire import encode

Key = tuple[str, int]


class ControlFrames:
    """At most one frame per key, say ("credit", stream): the newest one counts."""

    __slots__ = ("_due", "_frames")

    def __init__(self) -> None:
        self._frames: dict[Key, bytes] = {}
        self._due: dict[Key, None] = {}

    def __len__(self) -> int:
        """How many aren't acknowledged."""
        return len(self._frames)

    def put(self, key: Key, frame: Frame) -> None:
        """To be sent, in place of an older one."""
        self._frames[key] = encode(frame)
        self._due[key] = None

    def take_due(self) -> list[tuple[Key, bytes]]:
        """Those to send now; what you send of them you must later `ack` or `lose`."""
        if not self._due:
            return []
        due = [(key, self._frames[key]) for key in self._due]
        self._due.clear()
        return due

    def ack(self, key: Key, frame: bytes) -> None:
        """The peer has this frame."""
        if self._frames.get(key) is frame:
            del self._frames[key]
            self._due.pop(key, None)

    def lose(self, key: Key, frame: bytes) -> None:
        """This frame did not arrive."""
        if self._frames.get(key) is frame:
            self._due[key] = None

    def drop(self, key: Key) -> None:
        """It doesn't matter any more."""
        self._frames.pop(key, None)
        self._due.pop(key, None)
