"""What the control plane asks of the node it belongs to. The composition root fills it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cache.purge import Purge
from edge.alerts.figures import Figures
from edge.config.model import Snapshot
from edge.control.figures import Load
from edge.history.aio.history import History
from edge.observe.record import RequestRecord
from edge.routing.ask import Moment
from edge.routing.controls import Controls
from edge.routing.foresight import Shares
from edge.routing.replay import Past
from health.alerts import Alert
from health.view import HealthView
from transport.session.qlog import Trace


@dataclass(frozen=True, slots=True)
class Inside:
    """Each is asked anew for every answer: snapshot and view are swapped while the node runs.

    `requests`: the latest requests that have ended, newest first. `request`: one of them by its id, with its ranking as
    a document, if both are still known. `shares`: which share of the requests to a provider's id, of a priority, each
    line and relay would get under other controls. `pools`: the local pools' documents; `relays`: what sessions with
    each show; `trace` writes those with one down (relay, worker, seconds, bytes), and raises KeyError or
    AlreadyTapped.
    `credentials`: see `edge.control.credentials`. `cache`: see `edge.control.cache.cache_document`; `purge` gives how
    many entries went, or raises StoreError; `wrong` says whether it knew a request's similar answer, which is purged
    then, or raises StoreError.
    `ranking`: the scores of the lines, and how the paths of a request to a provider's id, of a priority, would be
    ranked now. `pasts`: requests that ended and whose choice is still known, oldest first.
    `exposition`: the metrics as text, or (true) as OpenMetrics with exemplars.
    `alerts`: what fires now (in the first worker); `alert_figures`: what they are judged by.
    """

    snapshot: Callable[[], Snapshot]
    view: Callable[[], HealthView]
    load: Callable[[], Load]
    requests: Callable[[], Iterable[RequestRecord]]
    request: Callable[[str], tuple[RequestRecord, Mapping[str, Any] | None] | None]
    shares: Callable[[Controls, str, str], Shares]
    pools: Callable[[], list[dict[str, Any]]]
    relays: Callable[[], Mapping[str, Mapping[str, Any]]]
    credentials: Callable[[], list[dict[str, Any]]]
    trace: Callable[[str, str, float, int], Awaitable[tuple[Trace, int]]]
    cache: Callable[[], Awaitable[dict[str, Any]]]
    purge: Callable[[Purge], Awaitable[int]]
    wrong: Callable[[str], Awaitable[bool]]
    alerts: Callable[[], Sequence[Alert]]
    alert_figures: Callable[[], Figures]
    why_not_ready: Callable[[], str | None]
    exposition: Callable[[bool], bytes]
    history: History
    ranking: Callable[[str, str], Mapping[str, Any]]
    pasts: Callable[[], list[Past]]
    moment: Callable[[], Moment]
