"""Sessions on demand as qlog: what may be asked, and what several workers wrote down as one trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.control.changes import Refused
from transport.session.qlog import Trace

MOST_SECONDS = 120.0
LEAST_BYTES, MOST_BYTES = 65_536, 64 << 20
DEFAULT_SECONDS, DEFAULT_BYTES = 10.0, 8 << 20
NOTHING: Mapping[str, Any] = {"sessions": 0, "events": 0, "is_cut": False, "qlog": ""}
BUSY = "a trace of this session is being written already"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A trace's bounds. `max_bytes` is per worker."""

    seconds: float = DEFAULT_SECONDS
    max_bytes: int = DEFAULT_BYTES

    def document(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "max_bytes": self.max_bytes}


def wanted(document: Mapping[str, Any]) -> Wanted:
    """`{"seconds": 10, "max_bytes": 8388608}`, each optional. Raises Refused."""
    for name in document:
        if name not in ("seconds", "max_bytes"):
            raise Refused("invalid", "no such member; there is seconds, max_bytes", f"/{name}")
    seconds = _number(document, "seconds", DEFAULT_SECONDS, 0.1, MOST_SECONDS)
    return Wanted(seconds, int(_number(document, "max_bytes", DEFAULT_BYTES, LEAST_BYTES, MOST_BYTES)))


def _number(document: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    found = document.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found <= most:
        raise Refused("invalid", f"expected a number from {least:g} to {most:g}", f"/{name}")
    return float(found)


def told(trace: Trace, sessions: int) -> dict[str, Any]:
    """One worker's answer."""
    text = trace.text().decode()
    return {"sessions": sessions, "events": trace.events, "is_cut": trace.is_cut, "qlog": text}


def merged(answers: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Several workers' as one: a file has one head, and readers sort events by their times."""
    first, *others = answers.values()
    bodies = [str(each["qlog"]).partition("\n")[2] for each in others]
    return {
        "sessions": sum(each["sessions"] for each in answers.values()),
        "events": sum(each["events"] for each in answers.values()),
        "is_cut": any(each["is_cut"] for each in answers.values()),
        "qlog": "".join([first["qlog"], *bodies]),
    }
