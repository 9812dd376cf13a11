"""The policies' price of a path: what a request sent now would wait for, in milliseconds, term by term.

    rtt         one round trip: a request on a warm connection and the first token back
    loss        the chance that one of the packets that matter is lost × what its retransmission takes
    jitter      how much later than usual a packet may be, as far as the class minds
    load        waiting behind others on the line: grows without bound towards its capacity
    in_flight   requests under way on the line: the only sign of load where its capacity isn't known
    first_byte  what the endpoint takes beyond the round trip to begin a reply: regions differ
    upload      the prompt itself, at the path's throughput
    failures    what a failed attempt costs × how often the line and the endpoint fail
    price       the line's price against the dearest line's; only batch minds

The sum is divided by the operators' weights (of the line, of the endpoint), 100 being neutral: a line of weight 50
has twice the cost. A figure nobody knows is taken to be the median of those known: neither best nor worst.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from msgspec import Struct

from edge.config.model import Endpoint
from edge.routing.ask import SIZES
from edge.routing.scene import LineState, Scene
from health.view import EndpointHealth, LossFigures, PathHealth, RttFigures
from transport.path import Path

TermRow = tuple[str, float, str, float]  # name, value, unit, cost

UNKNOWN_RTT = 250.0  # ms, where no path's is known
RETRANSMISSION = 1.2  # round trips until a lost packet of a thin stream is there after all
LOSS_WEIGHTS = (0.3, 0.5, 0.2)  # of the last 10 s, 60 s, 5 min: quick to see, slow to forget
LONGEST_BURST = 9.0  # losses in a row; its square root multiplies the delay
QUEUE = 20.0  # ms × use² / (1 − use): 10 ms at half the capacity, 64 at 80 %, 162 at 90 %
FULLEST = 0.98
EACH_IN_FLIGHT = 0.1  # ms
FAILED_ATTEMPT = 500.0  # ms until another attempt has made good for it


@dataclass(frozen=True, slots=True)
class Taste:
    """What a class of requests minds."""

    packets: int  # whose loss would be noticed
    jitter: float  # × jitter
    first_byte: float  # × the endpoint's own time
    price: float  # ms that the dearest line costs more than a free one


TASTES = {
    "realtime": Taste(packets=16, jitter=4.0, first_byte=1.0, price=0.0),
    "interactive": Taste(packets=6, jitter=1.0, first_byte=1.0, price=0.0),
    "batch": Taste(packets=2, jitter=0.0, first_byte=0.2, price=300.0),
}


class Figures(Struct, gc=False):
    """What is known of one path, in ms; None: not yet filled in."""

    is_known: bool
    rtt: float | None
    jitter: float | None
    loss: float | None
    burst: float
    throughput_bps: float | None
    own_time: float | None  # the endpoint's, beyond the round trip


class Candidate(Struct):
    """One path that a request might take, with all that its cost depends on."""

    path: Path
    endpoint: Endpoint
    state: LineState
    health: PathHealth
    far_end: EndpointHealth
    figures: Figures


Price = Callable[[Sequence[Candidate]], list[tuple[TermRow, ...]]]


def candidates(scene: Scene, pairs: Sequence[tuple[LineState, Endpoint]]) -> list[Candidate]:
    """The pairs as paths with their figures; what isn't known is filled in from the others."""
    found = []
    for state, endpoint in pairs:
        path = state.path(endpoint.id)
        health = scene.view.path(path)
        figures = _figures(state, health)
        found.append(Candidate(path, endpoint, state, health, scene.view.endpoint(endpoint.id), figures))
    _fill_own_times(found)
    all_figures = [each.figures for each in found]
    _fill(all_figures, "rtt", UNKNOWN_RTT)
    _fill(all_figures, "jitter", 0.0)
    _fill(all_figures, "loss", 0.0)
    _fill(all_figures, "throughput_bps", None)
    return found


def best_terms(priority: str, size: int, found: Sequence[Candidate]) -> list[tuple[TermRow, ...]]:
    """The terms of each candidate; their costs add up to its cost."""
    taste = TASTES[priority]
    dearest = max((each.state.line.cost_per_gb for each in found), default=0.0)
    return [_terms(each, taste, size, dearest) for each in found]


def _terms(each: Candidate, taste: Taste, size: int, dearest: float) -> tuple[TermRow, ...]:
    figures, state = each.figures, each.state
    rtt, loss, jitter = figures.rtt or 0.0, figures.loss or 0.0, figures.jitter or 0.0
    rows: list[TermRow] = [("rtt", rtt, "ms", rtt)]
    if loss:
        noticed = 1.0 - (1.0 - loss) ** taste.packets
        rows.append(("loss", loss, "ratio", noticed * RETRANSMISSION * rtt * sqrt(figures.burst)))
    if jitter and taste.jitter:
        rows.append(("jitter", jitter, "ms", jitter * taste.jitter))
    if state.use:
        use = min(state.use, FULLEST)
        rows.append(("load", state.use, "ratio", QUEUE * use * use / (1.0 - use)))
    if state.health.in_flight:
        rows.append(("in_flight", state.health.in_flight, "requests", state.health.in_flight * EACH_IN_FLIGHT))
    if figures.own_time:
        rows.append(("first_byte", figures.own_time, "ms", figures.own_time * taste.first_byte))
    if size and figures.throughput_bps:
        rows.append(("upload", figures.throughput_bps, "bit/s", SIZES[size] * 8000.0 / figures.throughput_bps))
    failing = _failing(state.health.success_ratio) + _failing(each.far_end.success_ratio)
    if failing:
        rows.append(("failures", failing, "ratio", failing * FAILED_ATTEMPT))
    if taste.price and dearest:
        rows.append(("price", state.line.cost_per_gb, "per GB", taste.price * state.line.cost_per_gb / dearest))
    if state.weight != 100.0 or each.endpoint.weight != 100.0:
        rows += weight_terms(each, sum([row[3] for row in rows]))
    return tuple(rows)


def _failing(success: float | None) -> float:
    return 0.0 if success is None else 1.0 - success


def weight_terms(each: Candidate, cost: float) -> list[TermRow]:
    """What the operators' weights make of `cost`. Weight 0 is a mark, not a cost."""
    rows: list[TermRow] = []
    for name, weight in (("line_weight", each.state.weight), ("endpoint_weight", each.endpoint.weight)):
        if weight != 100.0 and weight > 0:
            more = cost * (100.0 / weight - 1.0)
            rows.append((name, weight, "", more))
            cost += more
    return rows


def median(values: list[float]) -> float | None:
    """The middle one, the lower of two; None without any."""
    return sorted(values)[(len(values) - 1) // 2] if values else None


def _figures(state: LineState, health: PathHealth) -> Figures:
    rtt = health.rtt or state.health.rtt
    loss = health.loss or state.health.loss
    return Figures(
        is_known=rtt is not None,
        rtt=None if rtt is None else rtt.estimate * 1000.0,
        jitter=None if rtt is None else rtt.jitter * 1000.0,
        loss=None if loss is None else loss_ratio(loss),
        burst=1.0 if loss is None else min(max(loss.mean_burst or 1.0, 1.0), LONGEST_BURST),
        throughput_bps=health.throughput_bps,
        own_time=None if rtt is None else _own_time(health, rtt),
    )


def _own_time(health: PathHealth, rtt: RttFigures) -> float | None:
    first_byte = health.first_byte_p50
    return None if first_byte is None else max(0.0, first_byte - rtt.median) * 1000.0


def loss_ratio(loss: LossFigures) -> float | None:
    """One ratio out of those of the three windows, as far as they are known."""
    total = weights = 0.0
    for ratio, weight in zip((loss.ratio_10s, loss.ratio_60s, loss.ratio_300s), LOSS_WEIGHTS, strict=True):
        if ratio is not None:
            total += ratio * weight
            weights += weight
    return total / weights if weights else None


def _fill_own_times(found: list[Candidate]) -> None:
    """An endpoint's own time doesn't depend on the line: the median of what its paths show, for all of them."""
    by_endpoint: dict[str, list[float]] = {}
    for each in found:
        if each.figures.own_time is not None:
            by_endpoint.setdefault(each.endpoint.id, []).append(each.figures.own_time)
    known = {endpoint: median(times) for endpoint, times in by_endpoint.items()}
    elsewhere = median([time for time in known.values() if time is not None])
    for each in found:
        each.figures.own_time = known.get(each.endpoint.id, elsewhere)


def _fill(all_figures: list[Figures], name: str, otherwise: float | None) -> None:
    values = [getattr(figures, name) for figures in all_figures]
    if None in values:
        middle = median([value for value in values if value is not None])
        for figures, value in zip(all_figures, values, strict=True):
            if value is None:
                setattr(figures, name, otherwise if middle is None else middle)
