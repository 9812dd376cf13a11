"""What one worker knows of its lines, paths and endpoints, JSON-ready; `together.py` joins those of several workers.

Times that mean something only in their own process (monotonic seconds) leave as ages, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from typing import Protocol as Interface

from edge.config.model import Snapshot
from edge.control.reasons import parts
from edge.links.facts import RelayFacts, relay_document
from health.view import HealthView, LossFigures, RttFigures
from transport.path import Path
from transport.session.traffic import Traffic


class ConnectionStat(Interface):
    """Connections of one protocol between a line and an endpoint."""

    @property
    def line(self) -> str: ...
    @property
    def idle(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def dialing(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Load:
    """What the worker is doing. `recent`: requests of the last minute by line. `sessions`: what sessions with relays
    carried, by line."""

    in_flight: int
    client_connections: int
    recent: Mapping[str, int]
    connections: Iterable[ConnectionStat] = ()
    sessions: Mapping[str, Traffic] = field(default_factory=dict)


def figures(snapshot: Snapshot, view: HealthView, load: Load, now: float) -> dict[str, Any]:
    """All of it. `now`: monotonic seconds, as in the view."""
    connections = _connections(load.connections)
    return {
        "generation": snapshot.generation,
        "is_panic": view.is_panic,
        "requests_in_flight": load.in_flight,
        "client_connections": load.client_connections,
        "lines": {
            line.id: {
                **_line(view, line.id, now),
                "connections": connections.get(line.id, NO_CONNECTIONS),
                "requests_60s": load.recent.get(line.id, 0),
                "session": load.sessions.get(line.id, NO_TRAFFIC).causes(),
            }
            for line in snapshot.lines
        },
        "paths": {str(path): {**_parts(path), **_path(view, path, now)} for path in _paths(snapshot, view)},
        "endpoints": {
            endpoint.id: _endpoint(view, endpoint.id, now)
            for provider in snapshot.providers
            for endpoint in provider.endpoints
        },
    }


NO_TRAFFIC = Traffic()
NO_CONNECTIONS = {"idle": 0, "active": 0, "dialing": 0}


def _connections(stats: Iterable[ConnectionStat]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for stat in stats:
        line = found.setdefault(stat.line, dict(NO_CONNECTIONS))
        for state in line:
            line[state] += getattr(stat, state)
    return found


def _line(view: HealthView, line: str, now: float) -> dict[str, Any]:
    health = view.line(line)
    return {
        "standing": health.standing.value,
        "standing_for_seconds": _age(health.since, now),
        "suspected": health.is_suspected,
        "reason": health.reason,
        "reason_parts": parts(health.reason),
        "rtt": _rtt(health.rtt, now),
        "loss": _loss(health.loss),
        "in_flight": health.in_flight,
        "up_bps": round(health.up_bps),
        "down_bps": round(health.down_bps),
        "success_ratio": _ratio(health.success_ratio),
        "flaps": health.flaps,
    }


def _paths(snapshot: Snapshot, view: HealthView) -> Iterable[Path]:
    """Every direct path of the configuration, and what else the view knows (through relays, the local pool)."""
    ids = [endpoint.id for provider in snapshot.providers for endpoint in provider.endpoints]
    return dict.fromkeys([*(Path(line.id, each) for line in snapshot.lines for each in ids), *view.paths])


def _parts(path: Path) -> dict[str, Any]:
    return {"line": path.line, "relay": path.relay, "endpoint": path.endpoint}


def _path(view: HealthView, path: Path, now: float) -> dict[str, Any]:
    health = view.path(path)
    return {
        "standing": health.standing.value,
        "standing_for_seconds": _age(health.since, now),
        "reason": health.reason,
        "reason_parts": parts(health.reason),
        "rtt": _rtt(health.rtt, now),
        "loss": _loss(health.loss),
        "first_byte_p50_ms": _ms(health.first_byte_p50),
        "first_byte_p95_ms": _ms(health.first_byte_p95),
        "throughput_bps": health.throughput_bps and round(health.throughput_bps),
        "in_flight": health.in_flight,
    }


def _endpoint(view: HealthView, endpoint: str, now: float) -> dict[str, Any]:
    health = view.endpoint(endpoint)
    until = health.penalised_until
    return {
        "standing": health.standing.value,
        "standing_for_seconds": _age(health.since, now),
        "reason": health.reason,
        "reason_parts": parts(health.reason),
        "penalised_for_seconds": None if until is None else round(max(0.0, until - now), 1),
        "success_ratio": _ratio(health.success_ratio),
    }


def relay_documents(
    snapshot: Snapshot, view: HealthView, sessions: Mapping[str, Mapping[str, Any]], now: float
) -> list[dict[str, Any]]:
    """One per configured relay. `sessions`: what this worker's sessions with each show."""
    return [
        {
            "id": relay.id,
            "address": str(relay.address),
            "lines": list(snapshot.lines_of(relay)),
            "lines_used": [],
            **_relay(view, relay.id, now),
            **(sessions.get(relay.id) or NO_SESSIONS),
        }
        for relay in snapshot.relays
    ]


def _relay(view: HealthView, relay: str, now: float) -> dict[str, Any]:
    told = view.relay(relay)
    health = told.way
    return {
        "ready": not told.why_not,
        "why_not": told.why_not,
        "why_not_parts": parts(told.why_not),
        "draining": told.is_draining,
        "standing": health.standing.value,
        "standing_for_seconds": _age(health.since, now),
        "reason": health.reason,
        "reason_parts": parts(health.reason),
        "rtt": _rtt(health.rtt, now),
        "in_flight": health.in_flight,
        "success_ratio": _ratio(health.success_ratio),
        "flaps": health.flaps,
    }


NO_SESSIONS: Mapping[str, Any] = relay_document(RelayFacts(), {}, 0.0)


def _rtt(rtt: RttFigures | None, now: float) -> dict[str, Any] | None:
    if rtt is None:
        return None
    told = {name: _ms(getattr(rtt, name)) for name in ("estimate", "minimum", "median", "p95", "jitter")}
    return {
        **{f"{name}_ms": value for name, value in told.items()},
        "samples": rtt.samples,
        "age_seconds": _age(rtt.at, now),
    }


def _loss(loss: LossFigures | None) -> dict[str, Any] | None:
    if loss is None:
        return None
    return {
        "ratio_10s": _ratio(loss.ratio_10s),
        "ratio_60s": _ratio(loss.ratio_60s),
        "ratio_300s": _ratio(loss.ratio_300s),
        "mean_burst": loss.mean_burst and round(loss.mean_burst, 2),
        "up_ratio": _ratio(loss.up_ratio),
        "down_ratio": _ratio(loss.down_ratio),
    }


def _age(at: float, now: float) -> float | None:
    """0 means: never set."""
    return round(max(0.0, now - at), 1) if at else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _ratio(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


NOTHING_KNOWN: Mapping[str, Any] = {
    **_line(HealthView(), "", 0.0),
    "connections": NO_CONNECTIONS,
    "requests_60s": 0,
    "session": NO_TRAFFIC.causes(),
}
"""The figures of a line that no worker has told of yet."""
