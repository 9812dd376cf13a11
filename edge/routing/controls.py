"""What operators have said by hand, over what the configuration says: weights, drains, switches, pins, maintenance, and
alerts they don't want to hear of.

Values only. The control plane replaces the whole `Controls` (a pointer swap); the next request sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Switch(Enum):
    """An operator's word on a line."""

    ON = "on"
    DRAINING = "draining"  # no new requests; those under way finish
    OFF = "off"  # not used, not probed


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A line drains from `begins` to `ends`, UTC seconds since the epoch."""

    line: str
    begins: float
    ends: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """Requests of `subject` go over `line` while it can be used: "*" (all), `provider:ID`, `model:NAME` or `key:ID`."""

    subject: str
    line: str


@dataclass(frozen=True, slots=True)
class LineControl:
    """`weight` None: the configured one."""

    weight: float | None = None
    switch: Switch = Switch.ON


AS_CONFIGURED = LineControl()


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of alerts of `rule` ("*": all) on `subject` ("*": all) until `ends`, UTC seconds of the epoch."""

    rule: str
    subject: str
    ends: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Controls:
    """All of it, at one moment. `version` grows with every change."""

    version: int = 0
    lines: Mapping[str, LineControl] = field(default_factory=dict)
    pins: tuple[Pin, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    silences: tuple[Silence, ...] = ()

    def line(self, line: str) -> LineControl:
        return self.lines.get(line, AS_CONFIGURED)

    def switch(self, line: str, utc: float) -> Switch:
        """The operator's word at the time `utc` (seconds since the epoch), maintenance counted in."""
        switch = self.line(line).switch
        if switch is Switch.ON and any(m.line == line and m.begins <= utc < m.ends for m in self.maintenance):
            return Switch.DRAINING
        return switch
