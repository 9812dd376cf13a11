"""The figures of several workers as one picture. Each worker sees its own connections and judges by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Figures = Mapping[str, Any]

_BADNESS = {"admitted": 0, "probation": 1, "ejected": 2}
_SUMS = ("in_flight", "up_bps", "down_bps", "requests_60s", "throughput_bps")


def together(by_worker: Mapping[int, Figures]) -> dict[str, Any]:
    """`by_worker`: what `figures` made, of at least one worker. Loads are summed, the worst standing counts."""
    all_of = list(by_worker.values())
    return {
        "generation": min(each["generation"] for each in all_of),
        "is_panic": any(each["is_panic"] for each in all_of),
        "requests_in_flight": sum(each["requests_in_flight"] for each in all_of),
        "client_connections": sum(each["client_connections"] for each in all_of),
        **{kind: _subjects(by_worker, kind) for kind in ("lines", "paths", "endpoints")},
    }


def _subjects(by_worker: Mapping[int, Figures], kind: str) -> dict[str, Any]:
    ids = dict.fromkeys(id for each in by_worker.values() for id in each[kind])
    return {
        id: _joined({worker: each[kind][id] for worker, each in by_worker.items() if id in each[kind]}) for id in ids
    }


def _joined(by_worker: Mapping[int, Figures]) -> dict[str, Any]:
    """One subject. Its standing, the reason and what else can't be added come from the worker that judges it worst."""
    worst = max(by_worker.values(), key=lambda each: (_BADNESS[each["standing"]], bool(each.get("suspected"))))
    if len(by_worker) == 1:
        return dict(worst)
    told = {**worst, **{name: _sum(by_worker.values(), name) for name in _SUMS if name in worst}}
    if "suspected" in worst:
        told["suspected"] = any(each["suspected"] for each in by_worker.values())
    if "rtt" in worst:
        told["rtt"] = _most_sampled(by_worker.values())
    if worst.get("loss") is None and "loss" in worst:
        told["loss"] = next((each["loss"] for each in by_worker.values() if each["loss"]), None)
    if "connections" in worst:
        told["connections"] = {
            state: sum(each["connections"][state] for each in by_worker.values()) for state in worst["connections"]
        }
    if "session" in worst:
        told["session"] = _added([each["session"] for each in by_worker.values()])
    if len({each["standing"] for each in by_worker.values()}) > 1:
        told["standing_by_worker"] = {str(worker): each["standing"] for worker, each in by_worker.items()}
    return told


def _sum(all_of: Iterable[Figures], name: str) -> Any:
    known = [each[name] for each in all_of if each[name] is not None]
    return sum(known) if known else None


def _added(sessions: list[Figures]) -> dict[str, dict[str, int]]:
    """Bytes by direction and cause."""
    return {
        direction: {cause: sum(each[direction][cause] for each in sessions) for cause in causes}
        for direction, causes in sessions[0].items()
    }


def _most_sampled(all_of: Iterable[Figures]) -> Any:
    known = [each["rtt"] for each in all_of if each["rtt"] is not None]
    return max(known, key=lambda rtt: rtt["samples"], default=None)
