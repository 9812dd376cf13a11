"""What sessions carried over lines, added up once a second from the integers that they count.

A request through a relay may have gone over several lines. For the lines' shares it counts for one of them: requests
are dealt out so that each line gets as many as its part of the replies' first copies, those bytes that came over it
before they came over any other, with a half-life of twenty seconds. So the lines' requests add up to all requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transport.session.traffic import Traffic, added, since

HALF_LIFE = 20.0
"""Seconds after which what a line carried counts half for its part."""


class SessionCounts:
    """The traffic of all sessions with one relay, by line: of those that stand and of those that are over."""

    def __init__(self) -> None:
        self._standing: dict[int, Mapping[str, Traffic]] = {}
        self._over: dict[str, Traffic] = {}

    def begin(self, session: int, traffic: Mapping[str, Traffic]) -> None:
        """A session (by any number of its own) counts in `traffic`."""
        self._standing[session] = traffic

    def end(self, session: int) -> None:
        """Its counts stay."""
        self._over = _together(self._over, self._standing.pop(session, {}))

    def totals(self) -> dict[str, Traffic]:
        return _together(self._over, *self._standing.values())


def _together(*several: Mapping[str, Traffic]) -> dict[str, Traffic]:
    lines = dict.fromkeys(line for each in several for line in each)
    return {line: added(each[line] for each in several if line in each) for line in lines}


class Division:
    """How the requests through one relay are dealt out over its lines."""

    def __init__(self) -> None:
        self.is_known = False  # some reply has come
        self._weights: dict[str, float] = {}
        self._at = 0.0
        self._lines: Sequence[str] = ()  # over which the last request was dealt out
        self._parts: dict[str, float] = {}
        self._owed: dict[str, float] = {}

    def add(self, carried: Mapping[str, Traffic], now: float) -> None:
        """What the lines carried since the last call; `now`: monotonic seconds."""
        kept = 0.5 ** ((now - self._at) / HALF_LIFE) if self._at else 1.0
        self._at = now
        lines = {*self._weights, *carried}
        self._weights = {
            line: self._weights.get(line, 0.0) * kept + (carried[line].fresh if line in carried else 0)
            for line in lines
        }
        self.is_known = any(self._weights.values())
        self._parts = self.parts(self._lines)

    def parts(self, lines: Sequence[str]) -> dict[str, float]:
        """Each line's part, 0 to 1, of what goes over these; equal ones as long as nothing has come over any."""
        weights = [self._weights.get(line, 0.0) for line in lines]
        total = sum(weights)
        if not total:
            return dict.fromkeys(lines, 1.0 / max(1, len(lines)))
        return {line: weight / total for line, weight in zip(lines, weights, strict=True)}

    def deal(self, lines: Sequence[str]) -> str:
        """The line that the next request counts for; there must be one. Smooth: no line waits long for its turn."""
        if lines != self._lines:
            self._lines, self._parts, self._owed = lines, self.parts(lines), dict.fromkeys(lines, 0.0)
        owed, chosen = self._owed, lines[0]
        for line, part in self._parts.items():
            owed[line] += part
            if owed[line] > owed[chosen]:
                chosen = line
        owed[chosen] -= 1.0
        return chosen


class Ledger:
    """Of all relays. `lines`: traffic by line since the start."""

    def __init__(self) -> None:
        self.lines: dict[str, Traffic] = {}
        self._last: dict[str, dict[str, Traffic]] = {}
        self._divisions: dict[str, Division] = {}

    def take(self, relay: str, totals: dict[str, Traffic], now: float) -> dict[str, Traffic]:
        """By line, what has come since the last look at the relay's sessions."""
        carried = since(totals, self._last.get(relay, {}))
        self._last[relay] = totals
        self.lines = _together(self.lines, carried)
        self.division(relay).add(carried, now)
        return carried

    def restart(self, relay: str) -> None:
        """Its sessions are counted from 0 on again, or it is gone. What its lines carried stays."""
        self._last.pop(relay, None)

    def division(self, relay: str) -> Division:
        return self._divisions.setdefault(relay, Division())
