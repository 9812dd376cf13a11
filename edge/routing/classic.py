"""The classic score, as many operators know it, normalised: every part is 0 to 1 and more is better.

    a line      0.4 latency + 0.3 load + 0.3 bandwidth, × (1 − loss)
    an endpoint 0.5 round trip + 0.3 success + 0.2 load

    latency     the smallest round trip of all / this one: no unit, no scale that swamps the rest
    load        requests in flight, against the line with the most
    bandwidth   the part of its capacity that is free; half, where that isn't known

A path's cost is 100 / (the line's score × the endpoint's), in points: 100 would be perfect. Weights divide it too.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.routing.cost import Candidate, TermRow, weight_terms

FEW_IN_FLIGHT = 10  # up to here it isn't load
WORST = 0.01  # no score is below: costs stay finite


def classic_terms(found: Sequence[Candidate]) -> list[tuple[TermRow, ...]]:
    """The terms of each candidate: the parts of the scores, and the cost in points that they lead to."""
    quickest = min((_rtt(each) for each in found), default=1.0)
    line_most = max([each.state.health.in_flight for each in found] + [FEW_IN_FLIGHT])
    loads: dict[str, int] = {}
    for each in found:
        loads[each.endpoint.id] = loads.get(each.endpoint.id, 0) + each.health.in_flight
    endpoint_most = max([*loads.values(), FEW_IN_FLIGHT])
    return [_terms(each, quickest / _rtt(each), line_most, loads[each.endpoint.id] / endpoint_most) for each in found]


def _terms(each: Candidate, latency: float, line_most: int, endpoint_load: float) -> tuple[TermRow, ...]:
    health, use = each.state.health, each.state.use
    load = 1.0 - health.in_flight / line_most
    bandwidth = 0.5 if use is None else max(0.0, 1.0 - use)
    kept = 1.0 - (each.figures.loss or 0.0)
    line = max(WORST, (0.4 * latency + 0.3 * load + 0.3 * bandwidth) * kept)
    ratio = each.far_end.success_ratio
    endpoint = max(WORST, 0.5 * latency + 0.3 * (1.0 if ratio is None else ratio) + 0.2 * (1.0 - endpoint_load))
    cost = 100.0 / (line * endpoint)
    rows: list[TermRow] = [
        ("latency", latency, "score", 0.0),
        ("load", load, "score", 0.0),
        ("bandwidth", bandwidth, "score", 0.0),
        ("loss", 1.0 - kept, "ratio", 0.0),
        ("line_score", line, "score", 100.0 / line),
        ("endpoint_score", endpoint, "score", cost - 100.0 / line),
    ]
    return (*rows, *weight_terms(each, cost))


def _rtt(each: Candidate) -> float:
    return max(each.figures.rtt or 0.0, 0.01)
