"""What requests cost at their providers, by a dated table of prices. Values only.

The price of a model is that of the row with its very name, else of the longest row that ends in `*` and begins like it;
of several with the same name, the latest whose day has come on the node's own clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, tzinfo
from typing import NamedTuple

from cache.entry import Spent
from edge.config.model import Price
from edge.dialects.facts import NO_USAGE, Usage
from edge.observe.record import RequestRecord

MOST_MODELS = 1000  # whose row is remembered


class Costs(NamedTuple):
    """In the currency of the table. `unpriced`: it has tokens, and no row says what they cost."""

    spent: float = 0.0
    saved: float = 0.0
    unpriced: bool = False


NO_COSTS = Costs()


class Prices:
    """`zone` is the node's."""

    def __init__(self, prices: Iterable[Price], zone: tzinfo) -> None:
        self._rows = sorted(((_begins(price.since, zone), price) for price in prices), key=_rank, reverse=True)
        self._known: dict[str, list[tuple[float, Price]]] = {}

    def of(self, record: RequestRecord, utc: float) -> Costs:
        """A request that is over. `utc`: now, in seconds since the epoch."""
        if not self._rows or (record.usage is NO_USAGE and record.saved is None):
            return NO_COSTS
        model = record.facts.model if record.facts is not None else None
        price = self.price(model or "", utc)
        if price is None:
            return Costs(unpriced=record.usage is not NO_USAGE)
        return Costs(cost(price, record.usage), cost(price, record.saved) if record.saved is not None else 0.0)

    def price(self, model: str, utc: float) -> Price | None:
        """None: no row is for this model, or none is yet."""
        found = self._known.get(model)
        if found is None:
            if len(self._known) >= MOST_MODELS:
                self._known.clear()
            found = self._known[model] = [row for row in self._rows if _is_for(row[1].model, model)]
        return next((price for begins, price in found if begins <= utc), None)


def cost(price: Price, tokens: Usage | Spent) -> float:
    """Cached input is a part of the input, reasoning of the output."""
    cached = tokens.cached or 0
    per_cached = price.input_per_million if price.cached_per_million is None else price.cached_per_million
    fresh = max(0, (tokens.input or 0) - cached) * price.input_per_million
    return (fresh + cached * per_cached + (tokens.output or 0) * price.output_per_million) / 1e6


def _rank(row: tuple[float, Price]) -> tuple[bool, int, float]:
    """The larger goes before."""
    begins, price = row
    return not price.model.endswith("*"), len(price.model), begins


def _is_for(row: str, model: str) -> bool:
    return model.startswith(row[:-1]) if row.endswith("*") else model == row


def _begins(since: str, zone: tzinfo) -> float:
    """Midnight of that day; "" is for ever."""
    return datetime.combine(date.fromisoformat(since), time(), zone).timestamp() if since else 0.0
