from __future__ import annotations

from edge.config.model import ClassRouting, Routing
from edge.routing.redundancy import carriage, named, redundancy_of
from transport.session.values import Priority, Redundancy

HOT, STANDBY, SINGLE = Redundancy.HOT, Redundancy.STANDBY, Redundancy.SINGLE


def test_by_class() -> None:
    assert carriage(Routing()) == {
        "realtime": (Priority.REALTIME, HOT),
        "interactive": (Priority.INTERACTIVE, None),
        "batch": (Priority.BATCH, SINGLE),
    }


def test_as_configured() -> None:
    routing = Routing(
        policy="redundant",
        classes=(ClassRouting("batch", redundancy="standby"), ClassRouting("interactive", policy="best")),
    )
    assert redundancy_of(routing, "batch") is STANDBY
    assert redundancy_of(routing, "interactive") is None
    assert redundancy_of(routing, "realtime") is HOT
    assert redundancy_of(Routing(policy="redundant"), "batch") is HOT
    assert redundancy_of(Routing(classes=(ClassRouting("interactive", policy="redundant"),)), "interactive") is HOT
    assert [named(name) for name in ("single", "standby", "hot")] == [SINGLE, STANDBY, HOT]
