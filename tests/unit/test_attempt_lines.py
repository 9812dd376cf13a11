"""Lines and relays that go dark: who is told."""

from __future__ import annotations

from edge.attempts.events import LineDark
from edge.attempts.lines import LineWatch
from health.standing import Standing
from health.view import HealthView, LineHealth, RelayHealth

SILENT, WELL = LineHealth(is_suspected=True), LineHealth()


class Request:
    def __init__(self) -> None:
        self.told: list[str] = []

    def feed(self, event: LineDark) -> None:
        self.told.append(event.line)


def test_a_relay_that_is_silent_is_dark_as_a_line_is() -> None:
    down: list[str] = []
    light: list[str] = []
    watch, request = LineWatch(down.append, light.append), Request()
    watch.waiting.add(request)
    watch.update(HealthView({"a": WELL}, relays={"sjc": RelayHealth(SILENT)}))
    assert watch.dark == {"relay:sjc": False}
    assert request.told == ["relay:sjc"]
    watch.update(HealthView({"a": WELL}, relays={"sjc": RelayHealth(LineHealth(Standing.EJECTED, is_suspected=True))}))
    assert watch.dark == {"relay:sjc": True}
    watch.update(HealthView({"a": WELL}, relays={"sjc": RelayHealth(WELL)}))
    assert watch.dark == {}
    assert (down, light) == (["relay:sjc"], ["relay:sjc"])
    watch.update(HealthView({"a": LineHealth(Standing.EJECTED, is_suspected=True)}))
    watch.update(HealthView({"a": WELL}))
    assert (down, light) == (["relay:sjc", "a"], ["relay:sjc", "a"])
