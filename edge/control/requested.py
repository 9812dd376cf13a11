"""From the JSON that a caller sends to changes: every member checked, what is wrong named by its pointer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edge.control.changes import AddSilence, AddWindow, Change, Refused, SetPin, SetSwitch, SetWeight
from edge.control.times import parsed
from edge.routing.controls import Maintenance, Pin, Silence, Switch

MOST_BYTES = 64 * 1024  # of a body
_SWITCHES = {switch.value: switch for switch in Switch}
_PRIORITIES = ("realtime", "interactive", "batch")
POLICIES = ("best", "weighted", "classic")
_NOTE = 256  # characters


def decoded(body: bytes) -> Mapping[str, Any]:
    """The object in `body`; an empty body is an empty object.

    Raises:
        Refused: it is no JSON, or no object.
    """
    try:
        document = json.loads(body or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("invalid", f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Refused("invalid", "the body is not a JSON object")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def line_changes(line: str, document: Mapping[str, Any]) -> tuple[Change, ...]:
    """`{"weight": number or null, "switch": "on" | "draining" | "off", "force": true}`, each optional."""
    _check_members(document, "weight", "switch", "force")
    changes: list[Change] = []
    if "weight" in document:
        changes.append(SetWeight(line, _number(document, "weight")))
    force = _flag(document, "force")
    if "switch" in document:
        switch = document["switch"]
        if not isinstance(switch, str) or switch not in _SWITCHES:
            raise Refused("invalid", f"expected one of {', '.join(_SWITCHES)}", "/switch")
        changes.append(SetSwitch(line, _SWITCHES[switch], force))
    if not changes:
        raise Refused("invalid", "nothing to change; expected weight, switch or both")
    return tuple(changes)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Changes to think through, for requests to a provider ("": the first one) of a priority."""

    changes: tuple[Change, ...]
    provider: str
    priority: str


def what_if(document: Mapping[str, Any]) -> WhatIf:
    """`{"lines": {"cn2": {"weight": 50}}, "provider": "openai", "priority": "batch"}`"""
    _check_members(document, "lines", "provider", "priority")
    lines = document.get("lines")
    if not isinstance(lines, dict) or not all(isinstance(each, dict) for each in lines.values()):
        raise Refused("invalid", "expected an object: line → its changes", "/lines")
    changes = tuple(change for line, told in lines.items() for change in line_changes(line, {**told, "force": True}))
    provider = _text(document, "provider") if "provider" in document else ""
    priority = document.get("priority", "interactive")
    if priority not in _PRIORITIES:
        raise Refused("invalid", f"expected one of {', '.join(_PRIORITIES)}", "/priority")
    return WhatIf(changes, provider, priority)


@dataclass(frozen=True, slots=True)
class Replay:
    """Other weights, switches and a policy ("": as it was) to replay the remembered requests against."""

    changes: tuple[Change, ...]
    policy: str


def replay_question(document: Mapping[str, Any]) -> Replay:
    """`{"lines": {"cn2": {"weight": 50}}, "policy": "weighted"}`, each optional"""
    _check_members(document, "lines", "policy")
    changes = what_if({"lines": document.get("lines", {})}).changes
    policy = document.get("policy") or ""
    if policy and policy not in POLICIES:
        raise Refused("invalid", f"expected one of {', '.join(POLICIES)}", "/policy")
    return Replay(changes, policy)


def switch_change(line: str, switch: Switch, document: Mapping[str, Any]) -> tuple[Change, ...]:
    """`{}` or `{"force": true}`: what the body of `drain` and `undrain` may be."""
    _check_members(document, "force")
    return (SetSwitch(line, switch, _flag(document, "force")),)


def pin_change(document: Mapping[str, Any]) -> tuple[Change, ...]:
    """`{"subject": "provider:openai", "line": "cn2"}`"""
    _check_members(document, "subject", "line")
    return (SetPin(Pin(_text(document, "subject"), _text(document, "line"))),)


def window_change(document: Mapping[str, Any], utc: float) -> tuple[Change, ...]:
    """`{"line", "begins" (default: now), "ends" or "minutes", "note", "force"}`; times are RFC 3339 with an offset."""
    _check_members(document, "line", "begins", "ends", "minutes", "note", "force")
    line = _text(document, "line")
    begins = _moment(document, "begins") if "begins" in document else float(utc // 1)
    if ("ends" in document) == ("minutes" in document):
        raise Refused("invalid", "expected one of ends, minutes", "/ends")
    window = Maintenance(line, begins, _ends(document, begins), _note(document))
    return (AddWindow(window, _flag(document, "force")),)


def silence_change(document: Mapping[str, Any], utc: float) -> tuple[Change, ...]:
    """`{"rule" (or "*"), "subject" (a line's id; default "*"), "ends" or "minutes", "note"}`"""
    _check_members(document, "rule", "subject", "ends", "minutes", "note")
    rule = _text(document, "rule")
    subject = _text(document, "subject") if "subject" in document else "*"
    if ("ends" in document) == ("minutes" in document):
        raise Refused("invalid", "expected one of ends, minutes", "/ends")
    return (AddSilence(Silence(rule, subject, _ends(document, float(utc // 1)), _note(document))),)


def _note(document: Mapping[str, Any]) -> str:
    note = _text(document, "note") if document.get("note") else ""
    if len(note) > _NOTE:
        raise Refused("invalid", f"longer than {_NOTE} characters", "/note")
    return note


def _ends(document: Mapping[str, Any], begins: float) -> float:
    if "ends" in document:
        return _moment(document, "ends")
    minutes = _number(document, "minutes")
    if minutes is None or not (0 < minutes < 1e7):
        raise Refused("invalid", "expected a number of minutes above 0", "/minutes")
    return begins + float(minutes * 60 // 1)


def _check_members(document: Mapping[str, Any], *known: str) -> None:
    for name in document:
        if name not in known:
            raise Refused("invalid", f"unknown; expected {', '.join(known)}", f"/{name[:60]}")


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Refused("invalid", f"{_said(document, name)}; expected a string", f"/{name}")
    return value


def _number(document: Mapping[str, Any], name: str) -> float | None:
    value = document[name]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("invalid", f"{_said(document, name)}; expected a number or null", f"/{name}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise Refused("invalid", f"{_said(document, name)}; expected true or false", f"/{name}")
    return value


def _moment(document: Mapping[str, Any], name: Literal["begins", "ends"]) -> float:
    try:
        return parsed(_text(document, name))
    except (ValueError, OverflowError):
        expected = "a time with its offset, such as 2026-11-22T19:00:00Z or 2026-11-23T03:00:00+08:00"
        raise Refused("invalid", f"expected {expected}", f"/{name}") from None


def _said(document: Mapping[str, Any], name: str) -> str:
    """What a member is, in JSON's words."""
    if name not in document:
        return "missing"
    match document[name]:
        case None:
            return "is null"
        case bool():
            return "is a boolean"
        case str(text):
            return "is a string" if text else "is empty"
        case int() | float():
            return "is a number"
        case list():
            return "is an array"
        case _:
            return "is an object"
