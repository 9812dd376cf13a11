"""Operators' Controls as entries to share, and others' entries put into our own Controls.

    line:ID         {"weight": …, "switch": …}
    pin:SUBJECT     {"line": …}
    window:ID       a maintenance window
    silence:RULE/SUBJECT   alerts that nobody is to hear of

Nodes have different lines. What a node doesn't know it keeps for the others, and leaves out of its own Controls.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from edge.routing.controls import AS_CONFIGURED, Controls, LineControl, Maintenance, Pin, Silence, Switch


def split(controls: Controls) -> dict[str, Any]:
    """Every part under its name."""
    found: dict[str, Any] = {
        f"line:{line}": {"weight": control.weight, "switch": control.switch.value}
        for line, control in controls.lines.items()
    }
    found.update({f"pin:{pin.subject}": {"line": pin.line} for pin in controls.pins})
    for window in controls.maintenance:
        found[f"window:{window.line}-{window.begins:.0f}"] = {
            "line": window.line, "begins": window.begins, "ends": window.ends, "note": window.note,
        }  # fmt: skip
    for silence in controls.silences:
        found[f"silence:{silence.rule}/{silence.subject}"] = {"ends": silence.ends, "note": silence.note}
    return found


def changes(before: Controls, after: Controls) -> dict[str, Any]:
    """What differs; None: it is gone."""
    old, new = split(before), split(after)
    return {name: new.get(name) for name in {**old, **new} if old.get(name) != new.get(name)}


def joined(controls: Controls, told: Mapping[str, Any], lines: Collection[str]) -> Controls:
    """`controls` with others' changes as far as they concern `lines`; the same object if nothing is different.

    An entry that isn't what it should be is passed over.
    """
    draft = controls
    for name, value in told.items():
        kind, _, id = name.partition(":")
        try:
            draft = _put(draft, kind, id, value, lines)
        except (KeyError, TypeError, ValueError):
            continue
    return controls if draft == controls else replace(draft, version=controls.version + 1)


def _put(controls: Controls, kind: str, id: str, value: Any, lines: Collection[str]) -> Controls:
    if kind == "line" and id in lines:
        return _with_line(controls, id, value)
    if kind == "pin":
        kept = tuple(pin for pin in controls.pins if pin.subject != id)
        wanted = (Pin(id, str(value["line"])),) if value is not None and value["line"] in lines else ()
        return controls if wanted and wanted[0] in controls.pins else replace(controls, pins=kept + wanted)
    if kind == "window":
        return _with_window(controls, id, value, lines)
    if kind == "silence":
        return _with_silence(controls, id, value)
    return controls


def _with_line(controls: Controls, line: str, value: Any) -> Controls:
    others = {each: control for each, control in controls.lines.items() if each != line}
    if value is not None:
        weight = value["weight"]
        control = LineControl(None if weight is None else float(weight), Switch(value["switch"]))
        if control != AS_CONFIGURED:
            others[line] = control
    return controls if others == controls.lines else replace(controls, lines=others)


def _with_silence(controls: Controls, id: str, value: Any) -> Controls:
    rule, _, subject = id.partition("/")
    kept = tuple(each for each in controls.silences if (each.rule, each.subject) != (rule, subject))
    if value is None:
        return replace(controls, silences=kept)
    wanted = Silence(rule, subject, float(value["ends"]), str(value["note"]))
    return controls if wanted in controls.silences else replace(controls, silences=(*kept, wanted))


def _with_window(controls: Controls, id: str, value: Any, lines: Collection[str]) -> Controls:
    kept = [each for each in controls.maintenance if f"{each.line}-{each.begins:.0f}" != id]
    if value is not None and value["line"] in lines:
        kept.append(Maintenance(value["line"], float(value["begins"]), float(value["ends"]), str(value["note"])))
    ordered = tuple(sorted(kept, key=lambda each: (each.begins, each.line)))
    return controls if ordered == controls.maintenance else replace(controls, maintenance=ordered)
