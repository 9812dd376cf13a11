"""How long replies take to begin, by path and model. Clients name models, so only the latest few hundred are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from health.quantiles import Quantiles
from transport.path import Path


class FirstBytes:
    """Quantiles per (path, model); the least recently used go first."""

    __slots__ = ("_by", "_half_life", "_most")

    def __init__(self, most: int = 512, half_life: float = 300.0) -> None:
        self._by: OrderedDict[tuple[Path, str], Quantiles] = OrderedDict()
        self._most = most
        self._half_life = half_life

    def __len__(self) -> int:
        return len(self._by)

    def add(self, path: Path, model: str, seconds: float, now: float) -> None:
        key = (path, model)
        quantiles = self._by.get(key)
        if quantiles is None:
            quantiles = self._by[key] = Quantiles(self._half_life, now)
            if len(self._by) > self._most:
                self._by.popitem(last=False)
        else:
            self._by.move_to_end(key)
        quantiles.add(seconds, now)

    def quantile(self, path: Path, model: str, q: float, now: float, least: float = 1.0) -> float | None:
        """In seconds; None without at least `least` samples' worth of evidence."""
        quantiles = self._by.get((path, model))
        if quantiles is None or quantiles.count(now) < least:
            return None
        return quantiles.quantile(q, now)

    def forget(self, lines: Collection[str], relays: Collection[str] = ()) -> None:
        """Keeps only what is known of these lines and relays."""
        for key in list(self._by):
            path = key[0]
            if path.relay not in relays if path.relay is not None else path.line not in lines:
                del self._by[key]
