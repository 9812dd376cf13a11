"""Lines as operators see them: configuration, their own word on it, and what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.config.model import Snapshot
from edge.control.documents import pin_document, window_document
from edge.control.figures import NOTHING_KNOWN
from edge.control.times import rfc3339
from edge.routing.controls import Controls, Switch
from transport.path import Line


def line_documents(
    snapshot: Snapshot, controls: Controls, figures: Mapping[str, Any], utc: float
) -> list[dict[str, Any]]:
    """One per configured line, in the file's order. `figures`: those of one worker, or of all `together`."""
    measured: Mapping[str, Any] = figures["lines"]
    recent = sum(each["requests_60s"] for each in measured.values())
    return [_document(line, controls, measured.get(line.id, NOTHING_KNOWN), recent, utc) for line in snapshot.lines]


def _document(line: Line, controls: Controls, measured: Mapping[str, Any], recent: int, utc: float) -> dict[str, Any]:
    control, in_effect = controls.line(line.id), controls.switch(line.id, utc)
    weight = line.weight if control.weight is None else control.weight
    health = dict(measured)
    number, standing_for = health.pop("requests_60s"), health.pop("standing_for_seconds")
    return {
        "id": line.id,
        "carrier": line.carrier,
        "way": way_of(line),
        "capacity_mbps": line.capacity_mbps or None,
        "cost_per_gb": line.cost_per_gb or None,
        "cost_per_month": line.cost_per_month or None,
        "weight": {
            "configured": line.weight,
            "override": control.weight,
            "effective": weight if in_effect is Switch.ON else 0.0,
        },
        "switch": control.switch.value,
        "in_effect": in_effect.value,
        "maintenance": [window_document(window) for window in controls.maintenance if window.line == line.id],
        "pins": [pin_document(pin) for pin in controls.pins if pin.line == line.id],
        "since": None if standing_for is None else rfc3339(round(utc - standing_for)),
        "share_60s": round(number / recent, 4) if recent else None,
        "requests_60s": number,
        "utilisation": utilisation(line.capacity_mbps, health),
        **health,
    }


def way_of(line: Line) -> str:
    """How packets leave: what the configuration says, without a proxy's password."""
    return line.source or line.interface or ("proxy" if line.proxy else "system route")


def utilisation(capacity_mbps: float, measured: Mapping[str, Any]) -> float | None:
    """The busier direction against the capacity; None where that is unknown."""
    if not capacity_mbps:
        return None
    busier: float = max(measured["up_bps"], measured["down_bps"])
    return round(busier / (capacity_mbps * 1e6), 4)


def is_idle(document: Mapping[str, Any]) -> bool:
    """Has a line nothing under way? By what the board counts, and by the connections in use."""
    return not document["in_flight"] and not document["connections"]["active"]


def maintenance_documents(controls: Controls, utc: float) -> list[dict[str, Any]]:
    """Windows that are to come, going on or just over, in the order of their beginnings."""
    return [
        {**window_document(window), "state": _state(window.begins, window.ends, utc)} for window in controls.maintenance
    ]


def _state(begins: float, ends: float, utc: float) -> str:
    return "upcoming" if utc < begins else "active" if utc < ends else "over"
