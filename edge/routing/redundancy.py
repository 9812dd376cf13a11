"""What a class of requests asks of a relay's session: its turn, and over how many lines."""

from __future__ import annotations

from edge.config.model import Routing
from transport.session.values import Priority, Redundancy

PRIORITIES = {
    "realtime": Priority.REALTIME,
    "interactive": Priority.INTERACTIVE,
    "batch": Priority.BATCH,
}
_NAMES = {"single": Redundancy.SINGLE, "standby": Redundancy.STANDBY, "hot": Redundancy.HOT}
_BY_CLASS = {"realtime": Redundancy.HOT, "batch": Redundancy.SINGLE}


def named(redundancy: str) -> Redundancy:
    """As the configuration spells it."""
    return _NAMES[redundancy]


def redundancy_of(routing: Routing, priority: str) -> Redundancy | None:
    """Of a priority class; None: as the relay's session does by itself."""
    own = next((each for each in routing.classes if each.priority == priority), None)
    if own is not None and own.redundancy:
        return _NAMES[own.redundancy]
    if ((own.policy if own is not None else "") or routing.policy) == "redundant":
        return Redundancy.HOT
    return _BY_CLASS.get(priority)


def carriage(routing: Routing) -> dict[str, tuple[Priority, Redundancy | None]]:
    """Both, by priority class."""
    return {name: (priority, redundancy_of(routing, name)) for name, priority in PRIORITIES.items()}
