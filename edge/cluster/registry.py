"""Which nodes are alive. Each tells a beat that rises; who hasn't raised his for a while is gone.

Clocks of different machines aren't compared: the reader's own says how long a beat has stood still.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from edge.cluster.taking import ConfigNote

BEAT = 0.4
GONE_AFTER = 3.5
"""Seconds without a new beat: a node that died is out within five seconds, one that stalls for a moment is not."""
SWEPT_AFTER = 600.0


class LineNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line as its node sees it. `rtt` in seconds; None: not measured."""

    id: str
    carrier: str = ""
    standing: str = ""
    switch: str = "on"
    rtt: float | None = None
    loss: float | None = None


class NodeNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node tells of itself. `process` is another for each run, `address` is where clients reach it, `addresses`
    are its IP addresses as they see them, `location` is latitude and longitude in degrees, `uptime` in seconds.

    `penalties`: throttled endpoints (see `penalties`), seconds that are left.
    """

    name: str
    beat: int
    process: str = ""
    role: str = "edge"
    region: str = ""
    location: tuple[float, float] | None = None
    address: str = ""
    version: str = ""
    generation: int = 0
    workers: int = 1
    is_draining: bool = False
    in_flight: int = 0
    max_in_flight: int = 0
    success_ratio: float | None = None
    lines: tuple[LineNote, ...] = ()
    penalties: dict[str, float] = {}
    uptime: float = 0.0
    addresses: tuple[str, ...] = ()
    config: ConfigNote | None = None


class Known(msgspec.Struct):
    """A node and when its beat last rose, by our clock. Only a beat that was seen to rise is a life sign."""

    note: NodeNote
    heard_at: float
    has_risen: bool


class Registry:
    """The nodes of one cluster, as one of them sees them; itself included."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def heard(self, told: Mapping[str, bytes], now: float) -> list[str]:
        """All that the shared store holds, by name. Returns those to remove: unreadable, or long dead."""
        stale = []
        for name, data in told.items():
            try:
                note = msgspec.json.decode(data, type=NodeNote)
            except msgspec.MsgspecError:
                stale.append(name)
                continue
            known = self._known.get(name)
            if known is None:
                self._known[name] = Known(note, now, False)
            elif note.beat != known.note.beat:
                self._known[name] = Known(note, now, True)
            elif now - known.heard_at > SWEPT_AFTER:
                stale.append(name)
        for name in [name for name in self._known if name not in told]:
            del self._known[name]
        return stale

    def alive(self, now: float) -> list[Known]:
        """Those whose beat goes on, by name."""
        return [known for _, known in sorted(self._known.items()) if _is_alive(known, now)]

    def gone(self, now: float) -> list[Known]:
        """Those whose beat stands still, by name."""
        return [known for _, known in sorted(self._known.items()) if now - known.heard_at > GONE_AFTER]


def _is_alive(known: Known, now: float) -> bool:
    return known.has_risen and now - known.heard_at <= GONE_AFTER
