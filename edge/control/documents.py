"""`Controls` as a JSON document and back: what the state file holds, workers tell each other, and the API shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.control.changes import window_id
from edge.control.times import parsed, rfc3339
from edge.routing.controls import Controls, LineControl, Maintenance, Pin, Silence, Switch


def as_document(controls: Controls) -> dict[str, Any]:
    """JSON-ready."""
    return {
        "version": controls.version,
        "lines": {
            line: {"weight": control.weight, "switch": control.switch.value} for line, control in controls.lines.items()
        },
        "pins": [pin_document(pin) for pin in controls.pins],
        "maintenance": [window_document(window) for window in controls.maintenance],
        "silences": [silence_document(silence) for silence in controls.silences],
    }


def pin_document(pin: Pin) -> dict[str, Any]:
    return {"subject": pin.subject, "line": pin.line}


def silence_document(silence: Silence) -> dict[str, Any]:
    return {
        "rule": silence.rule,
        "subject": silence.subject,
        "ends": rfc3339(silence.ends),
        "note": silence.note,
    }


def window_document(window: Maintenance) -> dict[str, Any]:
    return {
        "id": window_id(window),
        "line": window.line,
        "begins": rfc3339(window.begins),
        "ends": rfc3339(window.ends),
        "note": window.note,
    }


def from_document(document: object) -> Controls:
    """What `as_document` made.

    Raises:
        ValueError: it is something else.
    """
    try:
        return _controls(document)  # type: ignore[arg-type]  # whatever it is: what doesn't fit is caught here
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a document of controls: {error!r}") from None


def _controls(document: Mapping[str, Any]) -> Controls:
    return Controls(
        int(document["version"]),
        {
            line: LineControl(None if told["weight"] is None else float(told["weight"]), Switch(told["switch"]))
            for line, told in document["lines"].items()
        },
        tuple(Pin(str(told["subject"]), str(told["line"])) for told in document["pins"]),
        tuple(
            Maintenance(str(told["line"]), parsed(told["begins"]), parsed(told["ends"]), str(told["note"]))
            for told in document["maintenance"]
        ),
        tuple(
            Silence(str(told["rule"]), str(told["subject"]), parsed(told["ends"]), str(told["note"]))
            for told in document.get("silences", ())
        ),
    )


def difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts of two documents of controls that differ; of lines only those that do (None: as configured)."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name in ("pins", "maintenance", "silences"):
        if before[name] != after[name]:
            old[name], new[name] = before[name], after[name]
    one, two = before["lines"], after["lines"]
    changed = [line for line in {**one, **two} if one.get(line) != two.get(line)]
    if changed:
        old["lines"] = {line: one.get(line) for line in changed}
        new["lines"] = {line: two.get(line) for line in changed}
    return old, new
