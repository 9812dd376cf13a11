"""Nodes that act as one: who is alive, what all of them know, and which one is near."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cluster.controls import changes, joined, split
from edge.cluster.near import NEAREST, cost, distance_km, ranked
from edge.cluster.penalties import MOST, mark, told
from edge.cluster.places import Look, Nowhere, place_of
from edge.cluster.registry import GONE_AFTER, SWEPT_AFTER, NodeNote, Registry
from edge.cluster.shared import AHEAD, KEPT, Entry, Shared, Stamp, decoded, decoded_all, encoded
from edge.routing.controls import Controls, LineControl, Maintenance, Pin, Silence, Switch

BEIJING, SHANGHAI, SHENZHEN, CHENGDU = (39.9, 116.4), (31.2, 121.5), (22.5, 114.1), (30.7, 104.1)


# --- shared ---


def test_the_latest_counts_whatever_the_order() -> None:
    entries = [{"a": Entry(Stamp(at, node), at)} for at, node in ((1.0, "x"), (2.0, "x"), (2.0, "y"))]
    for order in permutations(entries):
        one = Shared("me")
        for each in order:
            one.merge(each, 10.0)
        assert one.entries["a"] == entries[2]["a"]


def test_a_slow_clock_can_overwrite_what_it_has_read() -> None:
    one = Shared("slow")
    assert one.merge({"a": Entry(Stamp(100.0, "quick"), 1)}, 90.0) == ["a"]
    assert one.put("a", 2, 90.0).stamp.at > 100.0


def test_a_clock_far_in_the_future_is_not_believed() -> None:
    one = Shared("me")
    assert one.merge({"a": Entry(Stamp(50.0 + AHEAD, "broken"), 1)}, 10.0) == []
    assert one.entries == {}


def test_only_other_values_are_changes() -> None:
    one = Shared("me")
    one.put("a", 1, 1.0)
    assert one.merge({"a": Entry(Stamp(2.0, "x"), 1), "b": Entry(Stamp(1.0, "x"), None)}, 3.0) == []
    assert one.merge({"a": Entry(Stamp(1.5, "x"), 3)}, 3.0) == []
    assert one.merge({"a": Entry(Stamp(3.0, "x"), None)}, 3.0) == ["a"]


def test_what_others_lack_is_found_and_what_is_long_gone_forgotten() -> None:
    one = Shared("me")
    old = one.put("a", None, 1.0)
    one.put("b", 1, 2.0)
    assert set(one.newer_than({"a": old})) == {"b"}
    assert set(one.newer_than({"b": Entry(Stamp(1.0, "x"), 0)})) == {"a", "b"}
    assert one.forget(2.0 + KEPT) == ["a"]
    assert list(one.entries) == ["b"]


def test_entries_cross_the_wire() -> None:
    entry = Entry(Stamp(1.5, "x"), {"weight": 3})
    assert decoded(msgspec.json.decode(msgspec.json.encode(encoded(entry)))) == entry
    with pytest.raises(ValueError, match="not an entry"):
        decoded([1, 2])
    assert decoded_all([("a", "rubbish"), ("b", [1, "x", None])]) == {"b": Entry(Stamp(1.0, "x"), None)}


names = st.sampled_from("abc")
writes = st.lists(st.tuples(st.sampled_from("xyz"), names, st.integers(0, 3), st.floats(0, 100)), max_size=12)


@given(writes, st.randoms(use_true_random=False))
def test_copies_converge(written: list[tuple[str, str, int, float]], chance: object) -> None:
    copies = {node: Shared(node) for node in "xyz"}
    for node, name, value, utc in written:
        copies[node].put(name, value, utc)
    for _ in range(2):
        for one in copies.values():
            for other in copies.values():
                one.merge(other.newer_than(one.entries), 200.0)
    assert copies["x"].entries == copies["y"].entries == copies["z"].entries


# --- controls ---

FULL = Controls(
    7,
    {"cn2": LineControl(10.0, Switch.DRAINING)},
    (Pin("*", "cn2"),),
    (Maintenance("cu2", 100.0, 200.0, "ticket"),),
    (Silence("line-loss", "cu2", 300.0, "ticket"),),
)


def test_controls_come_back_from_their_parts() -> None:
    assert joined(Controls(3), split(FULL), ("cn2", "cu2")) == replace(FULL, version=4)
    assert joined(FULL, split(FULL), ("cn2", "cu2")) is FULL


def test_what_is_gone_is_told_as_gone() -> None:
    told = changes(FULL, Controls(8))
    assert told == dict.fromkeys(("line:cn2", "pin:*", "window:cu2-100", "silence:line-loss/cu2"))
    assert joined(FULL, told, ("cn2", "cu2")) == Controls(8)
    assert joined(Controls(1), told, ("cn2", "cu2")) == Controls(1)


def test_lines_of_other_nodes_and_rubbish_are_left_alone() -> None:
    assert joined(Controls(1), split(FULL), ("else",)) == Controls(2, silences=FULL.silences)
    rubbish = {"line:cn2": {"weight": "x"}, "pin:*": 3, "window:cn2-1": {"line": "cn2"}, "unknown": 1}
    assert joined(Controls(1), rubbish, ("cn2",)) == Controls(1)


def test_a_line_back_as_configured_needs_no_entry() -> None:
    assert joined(FULL, {"line:cn2": {"weight": None, "switch": "on"}}, ("cn2",)).lines == {}


# --- registry ---


def note(name: str, beat: int, **more: object) -> bytes:
    return msgspec.json.encode(NodeNote(name, beat, **more))  # type: ignore[arg-type]  # whatever the test says


def test_only_a_rising_beat_is_a_life_sign() -> None:
    registry = Registry()
    registry.heard({"a": note("a", 1), "b": note("b", 1)}, 0.0)
    assert registry.alive(0.0) == []
    registry.heard({"a": note("a", 2), "b": note("b", 1)}, 1.0)
    assert [known.note.name for known in registry.alive(1.0)] == ["a"]
    assert registry.alive(1.1 + GONE_AFTER) == []
    assert [known.note.name for known in registry.gone(1.1 + GONE_AFTER)] == ["a", "b"]


def test_what_is_unreadable_or_long_dead_is_to_be_removed() -> None:
    registry = Registry()
    assert registry.heard({"a": note("a", 1), "x": b"rubbish"}, 0.0) == ["x"]
    assert registry.heard({"a": note("a", 1)}, 1.0 + SWEPT_AFTER) == ["a"]
    registry.heard({}, 2.0 + SWEPT_AFTER)
    assert registry.gone(1e9) == []


# --- penalties ---


def test_penalties_reach_those_with_the_same_credential() -> None:
    one, other = mark("c", "api.example", "key-1"), mark("c", "api.example", "key-2")
    assert one != other != mark("d", "api.example", "key-2")
    found = told(({one: 5.0}, {one: 9.0, other: -1.0, "unknown": 3.0}), {"openai": one, "azure": other})
    assert found == {"openai": 9.0}
    assert told(({one: 1e9},), {"openai": one}) == {"openai": MOST}


# --- near ---


def edge(name: str, place: tuple[float, float] | None, **more: object) -> NodeNote:
    return NodeNote(name, 1, location=place, max_in_flight=100, **more)  # type: ignore[arg-type]  # whatever the test says


EDGES = [edge("bj", BEIJING), edge("sh", SHANGHAI), edge("sz", SHENZHEN), edge("cd", CHENGDU)]


def test_distances_are_those_of_the_map() -> None:
    assert distance_km(BEIJING, SHANGHAI) == pytest.approx(1068, abs=10)
    assert distance_km(BEIJING, BEIJING) == 0.0


def test_the_nearest_come_first_then_round_trip_failures_and_load() -> None:
    assert [each.note.name for each in ranked(EDGES, BEIJING)] == ["bj", "sh", "cd", "sz"]
    assert ranked(EDGES, BEIJING, {"sh": 0.02, "bj": 0.2})[0].note.name == "sh"
    busy = [edge("bj", BEIJING, in_flight=100), *EDGES[1:]]
    assert ranked(busy, BEIJING)[0].note.name == "sh"
    failing = [edge("bj", BEIJING, success_ratio=0.2), *EDGES[1:]]
    assert ranked(failing, BEIJING)[0].note.name == "sh"
    assert len(ranked(EDGES, BEIJING)) == 4 > NEAREST


def test_without_a_place_cost_decides() -> None:
    assert next(each.note.name for each in ranked(EDGES, None, {"sz": 0.01})) == "sz"
    nowhere = ranked([edge("x", None), edge("bj", BEIJING)], BEIJING)
    assert [each.distance_km for each in nowhere] == [0.0, None]


def test_relays_and_draining_edges_are_not_for_clients() -> None:
    others = [NodeNote("relay", 1, role="relay"), edge("old", BEIJING, is_draining=True)]
    assert ranked(others, BEIJING) == []


def test_what_is_unknown_is_middling() -> None:
    assert cost(NodeNote("x", 1), None) == pytest.approx(0.35)
    assert cost(edge("x", None, success_ratio=1.0), 10.0) == pytest.approx(0.5)


# --- places ---


def test_a_place_is_told_or_looked_up() -> None:
    assert place_of("39.9,-116.4", None) == (39.9, -116.4)
    assert place_of("192.0.2.1", lambda address: {"location": {"latitude": 1, "longitude": 2.5}}) == (1.0, 2.5)


@pytest.mark.parametrize(
    ("near", "look", "why"),
    [
        ("99,200", None, "neither"),
        ("there", None, "neither"),
        ("192.0.2.1", None, "no .cluster. geo_file"),
        ("2001:db8::1", lambda address: None, "nothing is known"),
        ("192.0.2.1", lambda address: {"country": "CN"}, "nothing is known"),
    ],
)
def test_nowhere_is_explained(near: str, look: Look | None, why: str) -> None:
    with pytest.raises(Nowhere, match=why):
        place_of(near, look)
