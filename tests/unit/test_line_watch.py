from __future__ import annotations

from dataclasses import dataclass, field

from edge.attempts.events import LineDark
from edge.attempts.lines import LineWatch
from health.standing import Standing
from health.view import HealthView, LineHealth


@dataclass(eq=False)
class Request:
    heard: list[str] = field(default_factory=list)

    def feed(self, event: LineDark) -> None:
        self.heard.append(event.line)


def view(**lines: str) -> HealthView:
    """s: suspected, e: ejected; both, one or none."""
    return HealthView(
        lines={
            line: LineHealth(Standing.EJECTED if "e" in word else Standing.ADMITTED, is_suspected="s" in word)
            for line, word in lines.items()
        }
    )


def watch() -> tuple[LineWatch, Request, list[str]]:
    told: list[str] = []
    lines = LineWatch(on_down=lambda line: told.append(f"down {line}"), on_light=lambda line: told.append(line))
    request = Request()
    lines.waiting.add(request)
    return lines, request, told


def test_suspicion_then_certainty_then_light() -> None:
    lines, request, told = watch()
    lines.update(view(a="s", b=""))
    assert (lines.dark, request.heard, told) == ({"a": False}, ["a"], [])
    lines.update(view(a="s", b=""))
    assert request.heard == ["a"]  # no news
    lines.update(view(a="se", b=""))
    assert (lines.dark, request.heard, told) == ({"a": True}, ["a", "a"], ["down a"])
    lines.update(view(a="e", b=""))  # still out, for the same reason
    assert lines.dark == {"a": True}
    lines.update(view(a="s"))
    assert (lines.dark, request.heard) == ({"a": False}, ["a", "a"])  # better, if not good
    lines.update(view(a="", b=""))
    assert (lines.dark, told) == ({}, ["down a", "a"])


def test_a_line_ejected_for_breaking_connections_is_not_dark() -> None:
    lines, request, told = watch()
    lines.update(view(a="e"))
    assert (lines.dark, request.heard, told) == ({}, [], [])


def test_who_is_answered_meanwhile_may_leave() -> None:
    lines, first, _ = watch()
    second = Request()
    second.feed = lambda event: lines.waiting.discard(first)  # type: ignore[method-assign]
    lines.waiting.add(second)
    lines.update(view(a="s", b="se"))
    assert lines.waiting == {second}
    assert LineWatch().update(view(a="se")) is None  # nobody listens
    quiet = LineWatch()
    quiet.update(view(a="s"))
    quiet.update(view())
    assert quiet.dark == {}
