"""What holds of every choice, whatever the lines, the health view, the operators' word and the request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.routing.ask import Ask
from edge.routing.controls import Controls, LineControl, Pin, Switch
from edge.routing.explain import as_document, explain
from edge.routing.foresight import scores, shares
from edge.routing.hold import Hold
from edge.routing.sticky import home
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, PathHealth
from tests.support.routing import Desk, endpoint, loss, named, ranked, rtt
from transport.path import Line, Path
from transport.schedule import Window

POLICIES = st.sampled_from(("best", "weighted", "classic", "redundant"))
NAMES = ("a", "b", "c", "d")
ENDS = (endpoint("us", "us"), endpoint("eu", "eu"), endpoint("jp"))
ALL_DAY = Window(0, 1440)

lines = st.builds(
    Line,
    st.just("x"),
    weight=st.sampled_from((0.0, 1.0, 50.0, 100.0, 300.0)),
    capacity_mbps=st.sampled_from((0.0, 100.0)),
    cost_per_gb=st.floats(0, 10),
    tier=st.integers(1, 2),
    avoid=st.sampled_from(((), (ALL_DAY,))),
)
pools = st.lists(lines, min_size=1, max_size=4).map(
    lambda found: tuple(replace(line, id=name) for line, name in zip(found, NAMES, strict=False))
)
rounds = st.none() | st.builds(rtt, st.floats(0, 5000), st.floats(0, 500))
known_losses = st.builds(loss, st.floats(0, 1), st.none() | st.floats(1, 20))
losses = st.none() | known_losses
standings = st.sampled_from(Standing)
line_healths = st.builds(
    LineHealth,
    standings,
    st.booleans(),
    rtt=rounds,
    loss=losses,
    in_flight=st.integers(0, 1000),
    up_bps=st.floats(0, 2e8),
    success_ratio=st.none() | st.floats(0, 1),
)
path_healths = st.builds(
    PathHealth,
    standings,
    rtt=rounds,
    loss=losses,
    first_byte_p50=st.none() | st.floats(0, 60),
    throughput_bps=st.none() | st.floats(1e3, 1e9),
    in_flight=st.integers(0, 100),
)
end_healths = st.builds(
    EndpointHealth,
    standings,
    penalised_until=st.none() | st.floats(0, 100),
    success_ratio=st.none() | st.floats(0, 1),
)
views = st.builds(
    HealthView,
    st.dictionaries(st.sampled_from(NAMES), line_healths),
    st.dictionaries(st.builds(Path, st.sampled_from(NAMES), st.sampled_from(("us", "eu", "jp"))), path_healths),
    st.dictionaries(st.sampled_from(("us", "eu", "jp")), end_healths),
    st.booleans(),
)
controls = st.builds(
    Controls,
    st.integers(0, 9),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.builds(LineControl, st.none() | st.floats(0, 1000), st.sampled_from(Switch)),
    ),
    st.lists(st.builds(Pin, st.sampled_from(("*", "provider:p", "key:k")), st.sampled_from(NAMES)), max_size=2).map(
        tuple
    ),
)
needs = st.fixed_dictionaries(
    {
        "priority": st.sampled_from(("realtime", "interactive", "batch")),
        "prompt_bytes": st.sampled_from((0, 20_000, 1 << 20)),
        "sticky": st.none() | st.binary(min_size=1, max_size=4),
        "regions": st.none() | st.frozensets(st.sampled_from(("us", "eu"))),
        "key": st.sampled_from(("", "k")),
    }
)


@settings(max_examples=80, deadline=None)
@given(
    pools,
    views,
    controls,
    POLICIES,
    needs,
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=6),
    st.data(),
)
def test_every_path_is_in_order_once_or_excluded_with_a_reason(pool, view, said, policy, need, chances, data) -> None:
    desk = Desk(pool, ENDS, view, said, policy=policy)
    wanted = data.draw(st.none() | st.sampled_from([line.id for line in pool]))
    for chance in chances:
        choice = desk.ask(chance, wanted=wanted, **need)
        ranking = explain(choice)
        told = [each.path for each in (*ranking.paths, *ranking.excluded)]
        assert Counter(told) == Counter(Path(line.id, end.id) for line in pool for end in ENDS)
        assert tuple(each.path for each in ranking.paths) == choice.paths
        assert all(each.note for each in ranking.excluded)
        assert (choice.refusal is None) == bool(choice.paths)
        for each in ranking.paths:
            assert said.line(each.path.line).switch is Switch.ON
            assert need["regions"] is None or each.path.endpoint in need["regions"]
            assert each.cost is None or each.cost == pytest.approx(
                sum(term.cost for term in each.terms), rel=1e-3, abs=0.02
            )
        as_document(ranking)
        desk.now += 0.7
        desk.view = replace(view)


@settings(max_examples=80, deadline=None)
@given(pools, views, controls, POLICIES, needs)
def test_nothing_worse_goes_before_anything_better(pool, view, said, policy, need) -> None:
    """A suspected or ejected path is first only if all are, or in panic."""
    assume(not view.is_panic)
    desk = Desk(pool, ENDS, view, said, policy=policy)
    choice = desk.ask(**need)

    def is_bad(path: Path) -> bool:
        standing = (view.line(path.line).standing, view.path(path).standing, view.endpoint(path.endpoint).standing)
        return view.line(path.line).is_suspected or Standing.EJECTED in standing

    if choice.paths and is_bad(choice.paths[0]):
        assert all(map(is_bad, choice.paths))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=6))
def test_weighted_shares_are_within_two_percent(weights) -> None:
    desk = Desk(tuple(Line(f"l{n}", weight=w) for n, w in enumerate(weights)), policy="weighted")
    firsts = desk.firsts(1000)
    for number, weight in enumerate(weights):
        assert firsts[f"l{number}"] == pytest.approx(1000 * weight / sum(weights), abs=20)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1, 100), min_size=2, max_size=5),
    st.floats(1, 5),
    st.sampled_from(("best", "weighted", "classic")),
)
def test_raising_a_weight_never_lowers_its_share(weights, factor, policy) -> None:
    pool = tuple(Line(f"l{n}", weight=w) for n, w in enumerate(weights))
    view = HealthView({line.id: LineHealth(rtt=rtt(100 + 10 * n)) for n, line in enumerate(pool)})
    desk = Desk(pool, view=view, policy=policy)

    def share(said: Controls) -> float:
        return shares(Ask(desk.provider), desk.snapshot, view, said, desk.moment, 300).lines["l0"]

    assert share(Controls(1, {"l0": LineControl(weights[0] * factor)})) >= share(Controls()) - 0.02


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1, 2000), min_size=2, max_size=4),
    st.floats(0, 1),
    st.lists(known_losses, min_size=4, max_size=4),
    st.sampled_from(("best", "classic")),
)
def test_a_better_round_trip_never_ranks_worse(times, factor, lost, policy) -> None:
    pool = named(NAMES[: len(times)])
    healths = {
        line.id: LineHealth(rtt=rtt(ms), loss=lost[n]) for n, (line, ms) in enumerate(zip(pool, times, strict=True))
    }
    better = {**healths, "a": replace(healths["a"], rtt=rtt(times[0] * factor))}

    def place(of: dict[str, LineHealth]) -> int:
        ranking = Desk(pool, view=HealthView(of), policy=policy).why(chance=0.99)
        mine = ranked(ranking, "a").cost
        return sum(each.cost < mine - 0.002 for each in ranking.paths)

    assert place(better) <= place(healths)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(1, 1000), min_size=3, max_size=3), min_size=2, max_size=60), st.floats(0.05, 1.0))
def test_hysteresis_bounds_switches(course, step) -> None:
    """A path that stays a candidate joins or leaves at most once in `seconds`, unless nobody would be left."""
    hold, paths = Hold(), [Path(name, "us") for name in NAMES[:3]]
    before, changes = frozenset[Path](), Counter[Path]()
    for number, costs in enumerate(course):
        members = hold.update(dict(zip(paths, costs, strict=True)), 0.25, 3.0, number * step)
        assert members
        if before & members:
            changes.update(before ^ members)
        before = members
    assert all(count <= len(course) * step / 3.0 + 1 for count in changes.values())


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_sticky_moves_only_the_conversations_of_who_leaves(count, seed) -> None:
    ends = [(f"e{n}", 100.0) for n in range(count)]
    talks = [f"{seed}-{n}".encode() for n in range(400)]
    moved = [talk for talk in talks if home(talk, ends) != home(talk, ends[1:])]
    assert all(home(talk, ends) == "e0" for talk in moved)
    assert len(moved) <= 400 / count + 60


@settings(max_examples=60, deadline=None)
@given(pools, views, controls)
def test_scores_are_from_nought_to_one(pool, view, said) -> None:
    desk = Desk(pool, ENDS, view, said)
    found = scores(desk.snapshot, view, said, desk.moment)
    assert found.keys() == {line.id for line in pool}
    assert all(0.0 <= score <= 1.0 for score in found.values())
    assert not any(found.values()) or max(found.values()) == 1.0
