"""What events of one kind have in common, found without knowing any vendor.

A template is a row of fixed byte strings with a slot between each two of them. It only says where an event may be cut:
the cut is exact whatever the bytes mean, so a wrong guess costs bytes and never truth.
"""

from __future__ import annotations

import re

from transport.session.events.records import MAX_SLOTS, MAX_UNIT_BYTES

Span = tuple[int, int]

_VALUES = re.compile(
    rb':[ ]?(?:"([^"\\\r\n]*+(?:\\.[^"\\\r\n]*+)*+)"'
    rb'|(-?[0-9][0-9.eE+-]*+|\[[^\[\]{}"\r\n]*+\]|true|false|null)(?=[,}\]\r\n ]))'
)
"""Values of members: what stands between the quotes, numbers and other short ones, flat lists without strings."""
_KEPT_SHAPES = 16
_MARK_BYTES = 8
_PATIENCE = 64


class Template:
    """Fixed parts and the last values of the slots between them. Both ends keep one, and update it alike."""

    __slots__ = ("_form", "_inner", "fixed", "head", "head_bytes", "parts", "tail", "tail_bytes", "values")

    def __init__(self, parts: list[bytes], values: list[bytes]) -> None:
        """`parts`: one more than `values`."""
        self.parts = parts
        self.values = values
        self.head = parts[0]
        self.head_bytes = len(parts[0])
        self.tail = parts[-1]
        self.tail_bytes = len(parts[-1])
        self.fixed = sum(map(len, parts))
        self._inner = [(part[:_MARK_BYTES], part, len(part)) for part in parts[1:-1]]
        self._form = b"%b".join([part.replace(b"%", b"%%") for part in parts])

    def cut(self, unit: bytes) -> list[bytes] | None:
        """The slots' values if `unit` fits, else None. What ends in the middle of the last slot's line doesn't fit."""
        if len(unit) < self.fixed or not unit.startswith(self.head) or not unit.endswith(self.tail):
            return None
        if not self.values:
            return [] if len(unit) == self.fixed else None
        at, end = self.head_bytes, len(unit) - self.tail_bytes
        values = []
        for mark, part, size in self._inner:  # a short mark is found sooner than the whole part
            found = unit.find(mark, at, end)
            if found < 0 or not unit.startswith(part, found):
                return None
            values.append(unit[at:found])
            at = found + size
        if at > end or unit.find(b"\n", at, end) >= 0:
            return None
        values.append(unit[at:end])
        return values

    def fill(self, values: list[bytes]) -> bytes:
        """The event with these values in its slots, which become the last ones."""
        self.values = values
        return self._form % tuple(values)


def template_at(unit: bytes, spans: list[Span]) -> Template:
    """`unit` cut at `spans`: ordered, not overlapping, within it."""
    edges = [0, *(edge for span in spans for edge in span), len(unit)]
    parts = [unit[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
    return Template(parts, [unit[a:b] for a, b in spans])


class Learner:
    """Remembers the shapes of the last events, and tells where equal shapes differ.

    Holds hashes, no text. Gives up after `_PATIENCE` shapes in a row from which nothing was learned.
    """

    __slots__ = ("_fruitless", "_seen")

    def __init__(self) -> None:
        self._seen: dict[int, tuple[list[int], set[int]]] = {}
        self._fruitless = 0

    def saw(self, unit: bytes) -> tuple[int, list[Span]] | None:
        """Takes an event that no template fits. If its shape came before: the shape, and where its slots are."""
        if len(unit) > MAX_UNIT_BYTES or self._fruitless >= _PATIENCE:
            return None
        self._fruitless += 1
        spans = [match.span(match.lastindex or 0) for match in _VALUES.finditer(unit)]
        shape = _shape(unit, spans)
        values = [hash(unit[a:b]) for a, b in spans]
        known = self._seen.pop(shape, None)
        slots = set() if known is None else known[1]
        if known is not None:
            slots |= {i for i, (old, new) in enumerate(zip(known[0], values, strict=False)) if old != new}
        elif len(self._seen) == _KEPT_SHAPES:
            del self._seen[next(iter(self._seen))]
        self._seen[shape] = (values, slots)
        if known is None or len(slots) > MAX_SLOTS:
            return None
        self._fruitless = 0
        return shape, [spans[i] for i in sorted(slots)]


def _shape(unit: bytes, spans: list[Span]) -> int:
    """What the unit is but for its values."""
    fixed = []
    at = 0
    for start, end in spans:
        fixed.append(unit[at:start])
        at = end
    fixed.append(unit[at:])
    return hash(b"\0".join(fixed))
