from __future__ import annotations

from health.standing import Standing
from health.view import HealthView, LineHealth
from transport.path import Path


def test_what_is_not_named_is_admitted_and_unknown() -> None:
    view = HealthView({"cn2": LineHealth(Standing.EJECTED)})
    assert view.line("cn2").standing is Standing.EJECTED
    assert (view.line("cu2").standing, view.line("cu2").rtt) == (Standing.ADMITTED, None)
    assert view.path(Path("cu2", "openai")).standing is Standing.ADMITTED
    assert view.endpoint("openai").penalised_until is None
