from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.model import ClientKey, Endpoint, Provider, Snapshot
from edge.control.changes import (
    LONGEST_SILENCE,
    MOST_PINS,
    MOST_SILENCES,
    MOST_WINDOWS,
    AddSilence,
    AddWindow,
    Change,
    DropPin,
    DropSilence,
    DropWindow,
    Known,
    Refused,
    Reset,
    SetPin,
    SetSwitch,
    SetWeight,
    apply,
    prune,
    window_id,
)
from edge.control.documents import as_document, difference, from_document
from edge.control.requested import (
    decoded,
    line_changes,
    pin_change,
    silence_change,
    switch_change,
    what_if,
    window_change,
)
from edge.control.times import parsed, rfc3339
from edge.routing.controls import AS_CONFIGURED, Controls, LineControl, Maintenance, Pin, Silence, Switch
from transport.path import Line

KNOWN = Known(("cn2", "cu2", "cmi"), frozenset({"openai"}), frozenset({"app"}), frozenset({"ttft"}))
NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z


def made(*changes: Change, controls: Controls | None = None) -> Controls:
    return apply(controls or Controls(), changes, KNOWN, NOON)


def refusal(*changes: Change, controls: Controls | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        made(*changes, controls=controls)
    return refused.value


def test_the_ids_of_a_snapshot() -> None:
    endpoint = Endpoint("openai", "openai", "https://x", "x", 443, True)
    snapshot = Snapshot(
        lines=(Line("b"), Line("a")),
        providers=(Provider("openai", "openai", (endpoint,)),),
        keys=(ClientKey("app", ""),),
    )
    rules = frozenset(rule.id for rule in snapshot.alert.rules)
    assert Known.of(snapshot) == Known(("b", "a"), frozenset({"openai"}), frozenset({"app"}), rules)


def test_a_weight_and_a_switch_are_one_version() -> None:
    controls = made(SetWeight("cn2", 50.0), SetSwitch("cn2", Switch.DRAINING))
    assert controls == Controls(1, {"cn2": LineControl(50.0, Switch.DRAINING)})


def test_as_configured_leaves_no_trace() -> None:
    controls = made(SetWeight("cn2", 50.0))
    assert made(SetWeight("cn2", None), controls=controls) == Controls(2)


def test_what_changes_nothing_is_no_version() -> None:
    controls = made(SetWeight("cn2", 50.0))
    assert made(SetWeight("cn2", 50.0), controls=controls) is controls
    assert made(SetPin(Pin("*", "cn2")), controls=made(SetPin(Pin("*", "cn2")))).version == 1


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), 2e6])
def test_impossible_weights(weight: float) -> None:
    refused = refusal(SetWeight("cn2", weight))
    assert (refused.kind, refused.pointer) == ("invalid", "/weight")
    assert "from 0 to 1e+06" in refused.detail


def test_an_unknown_line_is_told_with_those_there_are() -> None:
    refused = refusal(SetWeight("cn3", 1.0))
    assert (refused.kind, refused.detail) == ("absent", 'no line "cn3"; there is cmi, cn2, cu2')
    assert refusal(SetSwitch("cn3", Switch.ON)).kind == "absent"


def test_all_or_nothing() -> None:
    before = made(SetWeight("cu2", 1.0))
    refusal(SetWeight("cn2", 2.0), SetWeight("cn2", -1.0), controls=before)
    assert before == Controls(1, {"cu2": LineControl(1.0)})


def test_the_last_line_must_be_forced() -> None:
    two_off = made(SetSwitch("cn2", Switch.OFF), SetSwitch("cu2", Switch.DRAINING))
    refused = refusal(SetSwitch("cmi", Switch.DRAINING), controls=two_off)
    assert (refused.kind, refused.pointer) == ("conflict", "/switch")
    forced = made(SetSwitch("cmi", Switch.DRAINING, force=True), controls=two_off)
    assert forced.switch("cmi", NOON) is Switch.DRAINING
    assert made(SetSwitch("cn2", Switch.ON), controls=forced).switch("cn2", NOON) is Switch.ON


def test_a_window_may_not_take_the_last_line_either() -> None:
    two_off = made(SetSwitch("cn2", Switch.OFF), SetSwitch("cu2", Switch.OFF))
    window = Maintenance("cmi", NOON + 60, NOON + 120)
    assert refusal(AddWindow(window), controls=two_off).kind == "conflict"
    assert made(AddWindow(window, force=True), controls=two_off).maintenance == (window,)


def test_pins() -> None:
    controls = made(SetPin(Pin("*", "cn2")), SetPin(Pin("provider:openai", "cn2")), SetPin(Pin("key:app", "cu2")))
    controls = made(SetPin(Pin("*", "cu2")), SetPin(Pin("model:gpt", "cn2")), controls=controls)
    assert {pin.subject: pin.line for pin in controls.pins} == {
        "*": "cu2",
        "provider:openai": "cn2",
        "key:app": "cu2",
        "model:gpt": "cn2",
    }
    assert len(made(DropPin("*"), controls=controls).pins) == 3
    refused = refusal(DropPin("provider:x"), controls=controls)
    assert (refused.kind, refused.detail) == (
        "absent",
        '"provider:x" is not pinned; pinned: *, key:app, model:gpt, provider:openai',
    )
    assert "pinned: nothing" in refusal(DropPin("*")).detail


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("openai", "no subject"),
        ("provider", "no subject"),
        ("line:cn2", "no subject"),
        ("model:", "no subject"),
        ("provider:azure", 'no provider "azure"; there is openai'),
        ("key:other", 'no key "other"; there is app'),
    ],
)
def test_subjects_that_are_none(subject: str, said: str) -> None:
    refused = refusal(SetPin(Pin(subject, "cn2")))
    assert (refused.kind, refused.pointer) == ("invalid", "/subject")
    assert said in refused.detail


def test_a_pin_to_no_line() -> None:
    refused = refusal(SetPin(Pin("*", "cn3")))
    assert (refused.kind, refused.pointer) == ("invalid", "/line")


def test_there_is_a_bound_to_pins_and_windows() -> None:
    pins = Controls(pins=tuple(Pin(f"model:{number}", "cn2") for number in range(MOST_PINS)))
    assert refusal(SetPin(Pin("*", "cn2")), controls=pins).kind == "conflict"
    windows = tuple(Maintenance("cn2", NOON + number, NOON + 9999) for number in range(MOST_WINDOWS))
    assert (
        refusal(AddWindow(Maintenance("cu2", NOON, NOON + 9)), controls=Controls(maintenance=windows)).kind
        == "conflict"
    )


def test_windows_stand_in_order_and_end() -> None:
    late, early = Maintenance("cn2", NOON + 100, NOON + 200), Maintenance("cu2", NOON, NOON + 50, "ticket")
    controls = made(AddWindow(late), AddWindow(early))
    assert controls.maintenance == (early, late)
    assert made(DropWindow(window_id(late)), controls=controls).maintenance == (early,)
    later = apply(controls, [SetWeight("cn2", 1.0)], KNOWN, NOON + 60)
    assert later.maintenance == (late,)
    refused = refusal(DropWindow("x"), controls=controls)
    assert refused.detail == f'no maintenance window "x"; there is {window_id(late)}, {window_id(early)}'


@pytest.mark.parametrize(
    ("window", "kind", "pointer"),
    [
        (Maintenance("x", NOON, NOON + 1), "invalid", "/line"),
        (Maintenance("cn2", NOON + 5, NOON + 5), "invalid", "/ends"),
        (Maintenance("cn2", NOON - 5, NOON), "invalid", "/ends"),
        (Maintenance("cn2", NOON, NOON + 400 * 86_400), "invalid", "/ends"),
    ],
)
def test_impossible_windows(window: Maintenance, kind: str, pointer: str) -> None:
    refused = refusal(AddWindow(window))
    assert (refused.kind, refused.pointer) == (kind, pointer)


def test_two_windows_of_a_line_may_not_begin_together() -> None:
    controls = made(AddWindow(Maintenance("cn2", NOON, NOON + 5)))
    assert refusal(AddWindow(Maintenance("cn2", NOON, NOON + 9)), controls=controls).pointer == "/begins"


def test_reset() -> None:
    controls = made(SetWeight("cn2", 1.0), SetPin(Pin("*", "cn2")))
    assert made(Reset(), controls=controls) == Controls(2)
    assert made(Reset()) == Controls()


def test_what_concerns_lines_that_are_gone_is_dropped() -> None:
    controls = made(
        SetWeight("cn2", 1.0),
        SetWeight("cu2", 2.0),
        SetPin(Pin("*", "cmi")),
        SetPin(Pin("key:app", "cu2")),
        AddWindow(Maintenance("cn2", NOON, NOON + 9)),
        AddWindow(Maintenance("cu2", NOON, NOON + 9)),
    )
    kept, gone = prune(controls, Known(("cu2",)))
    assert gone == ("cn2", "cmi")
    assert kept == Controls(
        2, {"cu2": LineControl(2.0)}, (Pin("key:app", "cu2"),), (Maintenance("cu2", NOON, NOON + 9),)
    )
    assert prune(controls, KNOWN) == (controls, ())


def test_long_lists_of_ids_are_cut() -> None:
    many = Known(tuple(f"line-{number:02}" for number in range(20)))
    with pytest.raises(Refused, match=r"line-11 and 8 more"):
        apply(Controls(), [SetWeight("x", 1.0)], many, NOON)


# --- what callers send ---


def body(document: object) -> dict[str, Any]:
    return dict(decoded(json.dumps(document).encode()))


@pytest.mark.parametrize("text", [b"{", b"[]", b'"x"', b"\xff", b'{"weight": NaN}', b"[" * 100_000])
def test_bodies_that_are_no_object(text: bytes) -> None:
    with pytest.raises(Refused, match="the body is not"):
        decoded(text)


def test_changes_of_a_line() -> None:
    assert decoded(b"") == {}
    assert line_changes("cn2", {"weight": 5}) == (SetWeight("cn2", 5.0),)
    assert line_changes("cn2", {"weight": None, "switch": "off", "force": True}) == (
        SetWeight("cn2", None),
        SetSwitch("cn2", Switch.OFF, True),
    )
    assert switch_change("cn2", Switch.ON, {}) == (SetSwitch("cn2", Switch.ON),)


@pytest.mark.parametrize(
    ("document", "pointer", "said"),
    [
        ({}, "", "nothing to change"),
        ({"wieght": 1}, "/wieght", "unknown; expected weight, switch, force"),
        ({"weight": "5"}, "/weight", "is a string; expected a number or null"),
        ({"weight": True}, "/weight", "is a boolean"),
        ({"weight": [1]}, "/weight", "is an array"),
        ({"weight": {}}, "/weight", "is an object"),
        ({"switch": "down"}, "/switch", "expected one of on, draining, off"),
        ({"switch": 1}, "/switch", "expected one of"),
        ({"switch": "on", "force": 1}, "/force", "is a number; expected true or false"),
        ({"switch": "on", "force": None}, "/force", "is null"),
    ],
)
def test_wrong_changes_of_a_line(document: dict[str, Any], pointer: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        line_changes("cn2", body(document))
    assert (refused.value.kind, refused.value.pointer) == ("invalid", pointer)
    assert said in refused.value.detail


def test_a_huge_integer_is_no_weight() -> None:
    with pytest.raises(Refused, match="inf is no weight"):
        made(*line_changes("cn2", {"weight": 10**400}))


def test_a_pin() -> None:
    assert pin_change({"subject": "*", "line": "cn2"}) == (SetPin(Pin("*", "cn2")),)
    for wrong in ({"line": "cn2"}, {"subject": "", "line": "cn2"}, {"subject": "a\nb", "line": "cn2"}):
        with pytest.raises(Refused, match="expected a string"):
            pin_change(wrong)


def test_windows() -> None:
    (now,) = window_change({"line": "cn2", "minutes": 1.5}, NOON + 0.7)
    assert now == AddWindow(Maintenance("cn2", NOON, NOON + 90))
    (planned,) = window_change(
        {"line": "cn2", "begins": "2026-11-22T21:00:00+08:00", "ends": "2026-11-22T14:00:00Z", "note": "4711"}, NOON
    )
    assert planned == AddWindow(Maintenance("cn2", NOON + 3600, NOON + 7200, "4711"))


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"minutes": 5}, "/line"),
        ({"line": "cn2"}, "/ends"),
        ({"line": "cn2", "minutes": 5, "ends": "2026-11-22T14:00:00Z"}, "/ends"),
        ({"line": "cn2", "minutes": 0}, "/minutes"),
        ({"line": "cn2", "minutes": None}, "/minutes"),
        ({"line": "cn2", "minutes": 1e9}, "/minutes"),
        ({"line": "cn2", "ends": "2026-11-22T14:00:00"}, "/ends"),
        ({"line": "cn2", "begins": "soon", "minutes": 5}, "/begins"),
        ({"line": "cn2", "begins": 5, "minutes": 5}, "/begins"),
        ({"line": "cn2", "minutes": 5, "note": "x" * 300}, "/note"),
        ({"line": "cn2", "minutes": 5, "note": 5}, "/note"),
        ({"line": "cn2", "minutes": 5, "since": 5}, "/since"),
    ],
)
def test_wrong_windows(document: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Refused) as refused:
        window_change(document, NOON)
    assert refused.value.pointer == pointer


def test_what_if() -> None:
    asked = what_if({"lines": {"cn2": {"weight": 5, "switch": "off"}}, "provider": "openai", "priority": "batch"})
    assert asked.changes == (SetWeight("cn2", 5.0), SetSwitch("cn2", Switch.OFF, True))
    assert (asked.provider, asked.priority) == ("openai", "batch")
    assert what_if({"lines": {}}).priority == "interactive"
    for wrong in ({}, {"lines": []}, {"lines": {"cn2": 5}}, {"lines": {}, "priority": "x"}, {"lines": {}, "x": 1}):
        with pytest.raises(Refused):
            what_if(wrong)


# --- documents and times ---

names = st.sampled_from(KNOWN.lines)
seconds = st.integers(0, 4_000_000_000).map(float)
all_controls = st.builds(
    Controls,
    st.integers(0, 10**9),
    st.dictionaries(
        names,
        st.builds(LineControl, st.none() | st.floats(0, 1e6), st.sampled_from(Switch)).filter(
            lambda control: control != AS_CONFIGURED
        ),
    ),
    st.lists(st.builds(Pin, st.text(min_size=1), names), max_size=4).map(tuple),
    st.lists(st.builds(Maintenance, names, seconds, seconds, st.text()), max_size=4).map(tuple),
)


@given(all_controls)
def test_a_document_holds_everything(controls: Controls) -> None:
    assert from_document(json.loads(json.dumps(as_document(controls)))) == controls


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"version": 1, "lines": {}, "pins": [], "maintenance": [{}]},
        {"version": "x", "lines": {}, "pins": [], "maintenance": []},
        {"version": 1, "lines": {"cn2": {"weight": None, "switch": "up"}}, "pins": [], "maintenance": []},
        {"version": 1, "lines": [], "pins": [], "maintenance": []},
    ],
)
def test_documents_of_something_else(document: object) -> None:
    with pytest.raises(ValueError):
        from_document(document)


def test_the_difference_names_only_what_differs() -> None:
    before = as_document(made(SetWeight("cn2", 5.0), SetWeight("cu2", 5.0)))
    after = as_document(made(SetWeight("cn2", 5.0), SetWeight("cmi", 1.0), SetPin(Pin("*", "cn2"))))
    old, new = difference(before, after)
    assert old == {"pins": [], "lines": {"cu2": {"weight": 5.0, "switch": "on"}, "cmi": None}}
    assert new == {
        "pins": [{"subject": "*", "line": "cn2"}],
        "lines": {"cu2": None, "cmi": {"weight": 1.0, "switch": "on"}},
    }
    assert difference(before, before) == ({}, {})


def test_times() -> None:
    assert rfc3339(NOON) == "2026-11-22T12:00:00Z"
    assert rfc3339(NOON + 0.25) == "2026-11-22T12:00:00.250Z"
    assert parsed("2026-11-22T20:00:00.9+08:00") == NOON
    with pytest.raises(ValueError, match="offset"):
        parsed("2026-11-22T20:00:00")


# --- silences ---

QUIET = Silence("ttft", "*", NOON + 600, "ticket")


def test_a_silence_replaces_one_of_the_same_and_ends_by_itself() -> None:
    controls = made(AddSilence(QUIET), AddSilence(Silence("*", "cn2", NOON + 60)))
    longer = made(AddSilence(Silence("ttft", "*", NOON + 900)), controls=controls)
    assert {(each.rule, each.ends) for each in longer.silences} == {("*", NOON + 60), ("ttft", NOON + 900)}
    later = apply(longer, (SetWeight("cn2", 1.0),), KNOWN, NOON + 61)
    assert [each.rule for each in later.silences] == ["ttft"]
    assert made(DropSilence("ttft", "*"), DropSilence("*", "cn2"), controls=longer).silences == ()


def test_silences_that_make_no_sense_are_refused() -> None:
    assert refusal(AddSilence(Silence("tft", "*", NOON + 1))).pointer == "/rule"
    assert "over already" in refusal(AddSilence(Silence("ttft", "*", NOON))).detail
    assert "a month" in refusal(AddSilence(Silence("ttft", "*", NOON + LONGEST_SILENCE + 1))).detail
    assert refusal(DropSilence("ttft", "*")).kind == "absent"
    many = Controls(silences=tuple(Silence("*", str(number), NOON + 60) for number in range(MOST_SILENCES)))
    assert refusal(AddSilence(QUIET), controls=many).kind == "conflict"


def test_silences_survive_as_documents() -> None:
    controls = made(AddSilence(QUIET))
    assert from_document(json.loads(json.dumps(as_document(controls)))) == controls
    old, new = difference(as_document(Controls()), as_document(controls))
    assert (old, new["silences"][0]["rule"]) == ({"silences": []}, "ttft")
    before_silences = {name: value for name, value in as_document(controls).items() if name != "silences"}
    assert from_document(before_silences).silences == ()


def test_what_callers_may_say_of_a_silence() -> None:
    told = {"rule": "ttft", "minutes": 10, "note": "ticket"}
    assert silence_change(told, NOON) == (AddSilence(QUIET),)
    assert silence_change({"rule": "*", "subject": "cn2", "ends": rfc3339(NOON + 5)}, NOON) == (
        AddSilence(Silence("*", "cn2", NOON + 5)),
    )
    for wrong in (
        {"rule": "ttft"},
        {"rule": "ttft", "minutes": 1, "ends": "x"},
        {"rule": "ttft", "minutes": 1, "x": 1},
    ):
        with pytest.raises(Refused):
            silence_change(wrong, NOON)
