"""The lines, what is in force on them, and the keys that change it."""

from dataclasses import dataclass, replace

from netem.demo.script import HEAL, PROFILE, Order
from netem.link.conditions import Profile
from netem.profiles import profile

CYCLE = ("cn2", "cmi-evening", "internet-evening", "internet-bad", "grid-5", "clean")
"""The profiles that the key `p` goes through."""
PAUSE, QUIT, NEXT_LINE = " ", "q", "\t"
_FAULT_KEYS = {"b": "brown-out", "r": "rtt-step"}


@dataclass(frozen=True, slots=True)
class LineState:
    """One line: its profile's name and the faults on top of it, in the order in which they came."""

    id: str
    profile: str
    weight: int = 100
    faults: tuple[Order, ...] = ()

    def has(self, kind: str) -> bool:
        """Is a fault of that kind in force?"""
        return any(fault.kind == kind for fault in self.faults)

    def in_force(self) -> Profile:
        """The profile with all its faults."""
        found = profile(self.profile)
        for fault in self.faults:
            event = fault.event()
            found = replace(found, up=event.bend(found.up), down=event.bend(found.down))
        return found

    def obey(self, order: Order) -> "LineState":
        """The line after the order. A fault that is there already is replaced."""
        if order.kind == HEAL:
            return replace(self, faults=())
        if order.kind == PROFILE:
            return replace(self, profile=order.profile)
        others = tuple(fault for fault in self.faults if fault.kind != order.kind)
        return replace(self, faults=(*others, order))

    def without(self, kind: str) -> "LineState":
        """The line with the faults of that kind ended."""
        return replace(self, faults=tuple(fault for fault in self.faults if fault.kind != kind))


class Board:
    """All lines. The keys b, r and p go to the line last chosen, with its number or with tab."""

    def __init__(self, lines: tuple[LineState, ...]) -> None:
        self.lines = list(lines)
        self.chosen = 0
        self.is_paused = False
        self.wants_to_quit = False

    def obey(self, order: Order) -> LineState:
        """Do what a script says; returns the line as it is now."""
        number = next(number for number, line in enumerate(self.lines) if line.id == order.line)
        return self._put(number, self.lines[number].obey(order))

    def press(self, key: str) -> LineState | None:
        """Do what a key says; returns the line that is other than before, if one is."""
        if key.isdigit() and 0 < int(key) <= len(self.lines):
            self.chosen = int(key) - 1
            return self._toggle("blackhole")
        if key in _FAULT_KEYS:
            return self._toggle(_FAULT_KEYS[key])
        if key == "p":
            line = self.lines[self.chosen]
            return self._put(self.chosen, replace(line, profile=_after(line.profile)))
        if key == NEXT_LINE:
            self.chosen = (self.chosen + 1) % len(self.lines)
        elif key == PAUSE:
            self.is_paused = not self.is_paused
        elif key == QUIT:
            self.wants_to_quit = True
        return None

    def _toggle(self, kind: str) -> LineState:
        line = self.lines[self.chosen]
        changed = line.without(kind) if line.has(kind) else line.obey(Order(kind, line.id))
        return self._put(self.chosen, changed)

    def _put(self, number: int, line: LineState) -> LineState:
        self.lines[number] = line
        return line


def _after(name: str) -> str:
    return CYCLE[(CYCLE.index(name) + 1) % len(CYCLE)] if name in CYCLE else CYCLE[0]
