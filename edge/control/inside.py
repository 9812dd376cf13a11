"""What the control plane asks of the node it belongs to. The composition root fills it in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.alerts.figures import Figures
from edge.config.model import Snapshot
from edge.control.figures import Load
from edge.observe.record import RequestRecord
from edge.routing.controls import Controls
from health.alerts import Alert
from health.view import HealthView


@dataclass(frozen=True, slots=True)
class Inside:
    """Each is asked anew for every answer: snapshot and view are swapped while the node runs.

    `requests`: the latest requests that have ended, newest first. `request`: one of them by its id, with its ranking as
    a document, if both are still known. `shares`: which share of the requests to a provider's id, of a priority, each
    line would get under other controls. `pools`: the local pools' documents; `relays`: what sessions with each show.
    `alerts`: what fires now (in the first worker); `alert_figures`: what they are judged by.
    """

    snapshot: Callable[[], Snapshot]
    view: Callable[[], HealthView]
    load: Callable[[], Load]
    requests: Callable[[], Iterable[RequestRecord]]
    request: Callable[[str], tuple[RequestRecord, Mapping[str, Any] | None] | None]
    shares: Callable[[Controls, str, str], Mapping[str, float]]
    pools: Callable[[], list[dict[str, Any]]]
    relays: Callable[[], Mapping[str, Mapping[str, Any]]]
    alerts: Callable[[], Sequence[Alert]]
    alert_figures: Callable[[], Figures]
    why_not_ready: Callable[[], str | None]
    exposition: Callable[[], bytes]
