"""The ranked paths of one request: lines in the selector's order × the provider's endpoints in their chain's order."""

from __future__ import annotations

from collections.abc import Sequence

from edge.config.model import Endpoint
from edge.routing.selector import Selector
from health.standing import Standing
from health.view import HealthView
from transport.path import Line, Path


def rank(
    selector: Selector, lines: Sequence[Line], endpoints: Sequence[Endpoint], view: HealthView
) -> tuple[Path, ...]:
    """All paths, best first: the first endpoint over every line, then the next endpoint of the chain, and so on.

    Endpoints that asked for less traffic step behind the others, but stay: they may be all there is.
    """
    ordered = selector.order(lines, view)
    chain = endpoints
    if view.endpoints:
        chain = sorted(endpoints, key=lambda endpoint: view.endpoint(endpoint.id).penalised_until is not None)
    return tuple(Path(line.id, endpoint.id) for endpoint in chain for line in ordered)


def all_down(lines: Sequence[Line], view: HealthView) -> bool:
    """Is no line known to work? Then a request should learn its fate quickly."""
    return all(view.line(line.id).standing is not Standing.ADMITTED for line in lines)
