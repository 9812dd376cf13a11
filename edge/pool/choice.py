"""The order in which servers are asked: the less loaded of two drawn at random, then the others by load.

Two at random, because several edges read the same metrics a second apart and would all run to the same one
(Mitzenmacher, The power of two choices, 2001). With one or two servers it is plainly the least loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.pool.board import Backend
from health.standing import Standing

_TIGHT = 0.8  # share of the KV cache from which on a server begins to evict and recompute
_FULL_COSTS = 4.0  # what a full cache adds to the cost, in multiples of it


def cost(backend: Backend) -> float:
    """Requests at the server, one more included, per place; a cache that fills up makes it dearer.

    `others` is a second old, our own in flight are of now: so a burst of ours counts before the metrics show it.
    """
    busy = (backend.others + backend.in_flight + 1) / (backend.pool.max_in_flight * backend.pool.weight)
    tight = max(0.0, (backend.load.cache_ratio or 0.0) - _TIGHT) / (1.0 - _TIGHT)
    return busy * (1.0 + _FULL_COSTS * tight)


def order(backends: Sequence[Backend], now: float, draw: Callable[[], float]) -> list[Backend]:
    """Those that may be used, best first; servers on probation or warming up behind those that are admitted.

    `draw` gives a random number from 0 to 1 (1 excluded).
    """
    usable = [backend for backend in backends if backend.standing(now) is not Standing.EJECTED]
    ranked = sorted(usable, key=lambda backend: (backend.standing(now) is not Standing.ADMITTED, cost(backend)))
    good = [backend for backend in ranked if backend.standing(now) is Standing.ADMITTED]
    if len(good) > 2:
        one = int(draw() * len(good))
        other = int(draw() * (len(good) - 1))
        first = good[min(one, other + (other >= one))]  # they are sorted: the lower index is the less loaded
        ranked.remove(first)
        ranked.insert(0, first)
    return ranked
