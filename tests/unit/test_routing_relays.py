"""Relays among the paths of a request: when they may be used, before or after whom, over which lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.config.model import Address, ClassRouting, Relay
from edge.routing.controls import Controls, LineControl, Pin, Switch
from edge.routing.scene import Scene, usable
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, RelayHealth
from tests.support.routing import Desk, endpoint, rtt
from transport.path import Line, Path
from transport.schedule import Window

LINES = (Line("a"), Line("b"))
SJC, FRA = (Relay(name, Address("far.example", 4433), "", ("a", "b")) for name in ("sjc", "fra"))


def relay(ms: float | None, standing: Standing = Standing.ADMITTED, why_not: str = "") -> RelayHealth:
    return RelayHealth(LineHealth(standing, rtt=None if ms is None else rtt(ms)), why_not)


def desk(*relays: Relay, lines: tuple[Line, ...] = LINES, policy: str = "best", **settings: object) -> Desk:
    made = Desk(lines, policy=policy, settings=settings)
    made.snapshot = replace(made.snapshot, relays=relays or (SJC,))
    return made


def see(desk: Desk, a: LineHealth | None = None, **relays: RelayHealth) -> None:
    known = LineHealth(rtt=rtt(100))
    desk.view = HealthView({"a": a or known, "b": known}, relays=relays)


def ways(desk: Desk, **needs: object) -> list[str]:
    return [path.relay or path.line for path in desk.ask(0.5, **needs).paths]


def note(desk: Desk, relay: str = "sjc", **needs: object) -> str:
    ranking = desk.why(**needs)
    return next(each.note for each in (*ranking.paths, *ranking.excluded) if each.path.relay == relay)


def test_a_path_names_all_lines_of_the_session() -> None:
    made = desk()
    see(made, sjc=relay(150))
    path = made.ask().paths[0]
    assert path == Path("a+b", "us", "sjc")
    assert (str(path), path.way) == ("a+b/sjc/us", "relay:sjc")
    assert Path("a", "us").way == "a"


@pytest.mark.parametrize(
    ("mode", "far", "order"),
    [
        ("prefer", 150, ["sjc", "a", "b"]),
        ("fallback", 50, ["a", "b", "sjc"]),
        ("equal", 50, ["sjc", "a", "b"]),
        ("equal", 190, ["a", "b", "sjc"]),
        ("off", 50, ["a", "b"]),
    ],
)
def test_before_among_or_after_direct_paths(mode: str, far: float, order: list[str]) -> None:
    made = desk(relay=mode)
    see(made, sjc=relay(far))
    found = ways(made)
    assert found[0] in (order[0], "b")
    assert [way for way in found if way == "sjc"] == [way for way in order if way == "sjc"]
    assert found.index("sjc") == order.index("sjc") if "sjc" in order else len(found) == 2


def test_a_class_of_its_own() -> None:
    made = desk()
    classes = (ClassRouting("batch", relay="off"), ClassRouting("realtime", policy="classic"))
    made.snapshot = replace(made.snapshot, routing=replace(made.snapshot.routing, classes=classes))
    see(made, sjc=relay(150))
    assert ways(made)[0] == ways(made, priority="realtime")[0] == "sjc"
    assert "sjc" not in ways(made, priority="batch")
    assert note(made, priority="batch") == "relays are off for batch requests"


def test_not_ready_is_excluded_with_the_reason() -> None:
    made = desk()
    see(made, sjc=relay(150, why_not="draining"))
    assert ways(made)[0] != "sjc"
    assert note(made) == "draining"
    see(made)
    assert note(made) == "no session yet"


def test_only_for_the_providers_it_is_for() -> None:
    made = desk(replace(SJC, providers=("other",)), replace(FRA, providers=("p",)))
    see(made, sjc=relay(150), fra=relay(200))
    assert ways(made)[0] == "fra"
    assert note(made) == "the relay is not for p"


def test_who_names_a_line_gets_that_line() -> None:
    made = desk()
    see(made, sjc=relay(150))
    assert ways(made, wanted="b") == ["b"]
    assert note(made, wanted="b") == "the request names b"


def test_a_pinned_line_goes_before_relays() -> None:
    made = desk()
    see(made, sjc=relay(150))
    made.controls = Controls(1, pins=(Pin("*", "b"),))
    assert ways(made) == ["b", "sjc", "a"]


def test_the_nearer_of_two_relays() -> None:
    made = desk(SJC, FRA)
    see(made, sjc=relay(150), fra=relay(90))
    assert ways(made)[:2] == ["fra", "sjc"]
    see(made, sjc=relay(150), fra=relay(90, Standing.EJECTED))
    assert ways(made) == ["sjc", "a", "b", "fra"] or ways(made) == ["sjc", "b", "a", "fra"]
    assert "ejected" in note(made, "fra")


def test_relays_under_turns() -> None:
    made = desk(SJC, FRA, policy="weighted")
    see(made, sjc=relay(150), fra=relay(90))
    assert {ways(made)[0] for _ in range(10)} == {"fra"}
    see(made, sjc=relay(150, Standing.EJECTED), fra=relay(90))
    assert ways(made)[0] == "fra"
    made = desk(SJC, policy="weighted", relay="equal")
    see(made, sjc=relay(150))
    assert {ways(made)[0] for _ in range(10)} == {"a", "b", "sjc"}
    made = desk(SJC, policy="weighted", relay="fallback")
    see(made, sjc=relay(150))
    assert {ways(made)[0] for _ in range(10)} == {"a", "b"}


def test_one_on_probation_is_tried_once_a_second() -> None:
    made = desk()
    see(made, sjc=relay(150, Standing.PROBATION))
    assert [ways(made)[0] == "sjc" for _ in range(3)] == [True, False, False]
    assert ways(made, priority="realtime")[0] != "sjc"


def test_an_endpoint_that_is_out_is_out_through_relays_too() -> None:
    made = Desk(LINES, (endpoint("us"), endpoint("eu")))
    made.snapshot = replace(made.snapshot, relays=(SJC,))
    known = LineHealth(rtt=rtt(100))
    made.view = HealthView(
        {"a": known, "b": known}, endpoints={"us": EndpointHealth(Standing.EJECTED)}, relays={"sjc": relay(150)}
    )
    assert [str(path) for path in made.ask(0.0).paths[:1]] == ["a+b/sjc/eu"]


def test_the_ranking_says_over_which_lines() -> None:
    made = desk()
    see(made, LineHealth(Standing.EJECTED), sjc=relay(150))
    assert note(made) == "over b"


def scene(*lines: Line, controls: Controls | None = None, panic: bool = False, **healths: LineHealth) -> Scene:
    made = Desk(lines, view=HealthView(healths, is_panic=panic))
    return Scene.of(made.snapshot, made.view, controls or Controls(), made.moment)


def used(scene: Scene, *wanted: str) -> tuple[str, ...]:
    return usable(wanted or tuple(scene.lines), scene.lines, scene.view)


def test_lines_of_a_session() -> None:
    out, silent = LineHealth(Standing.EJECTED), LineHealth(is_suspected=True)
    assert used(scene(*LINES)) == ("a", "b")
    assert used(scene(*LINES), "b", "gone", "a") == ("b", "a")
    assert used(scene(*LINES, a=out)) == ("b",)
    assert used(scene(*LINES, a=out, panic=True)) == ("a", "b")
    assert used(scene(*LINES, a=out, b=out)) == ("a", "b")
    assert used(scene(*LINES, a=silent)) == ("a", "b")
    assert used(scene(Line("a", weight=0), Line("b"))) == ("b",)
    assert used(scene(Line("a", weight=0), Line("b"), b=out)) == ("a",)
    assert used(scene(Line("a", tier=2), Line("b"))) == ("b",)
    assert used(scene(Line("a", tier=2), Line("b"), b=out)) == ("a",)
    noon = Window(0, 24 * 60)
    assert used(scene(Line("a", avoid=(noon,)), Line("b"))) == ("b",)
    assert used(scene(Line("a", avoid=(noon,)))) == ("a",)


def test_lines_that_operators_have_taken_out() -> None:
    off = Controls(1, {"a": LineControl(switch=Switch.OFF), "b": LineControl(switch=Switch.DRAINING)})
    assert used(scene(*LINES, controls=off)) == ()
    made = desk()
    made.controls = off
    see(made, sjc=relay(150))
    assert note(made) == "none of its lines takes requests"
