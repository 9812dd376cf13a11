from __future__ import annotations

from edge.routing.controls import AS_CONFIGURED, Controls, LineControl, Maintenance, Switch


def test_a_line_nobody_spoke_of_is_as_configured() -> None:
    assert Controls().line("cn2") is AS_CONFIGURED
    assert Controls().switch("cn2", 0.0) is Switch.ON


def test_maintenance_drains_a_line_for_its_time() -> None:
    controls = Controls(maintenance=(Maintenance("cn2", 100.0, 200.0), Maintenance("cu2", 0.0, 1e9)))
    switches = [controls.switch("cn2", at) for at in (99.0, 100.0, 199.0, 200.0)]
    assert switches == [Switch.ON, Switch.DRAINING, Switch.DRAINING, Switch.ON]


def test_maintenance_does_not_switch_a_line_on() -> None:
    controls = Controls(lines={"cn2": LineControl(switch=Switch.OFF)}, maintenance=(Maintenance("cn2", 0.0, 9.0),))
    assert controls.switch("cn2", 1.0) is Switch.OFF
