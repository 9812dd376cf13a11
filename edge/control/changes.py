"""What operators may change by hand, as values; `apply` makes the next `Controls` of them, or refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edge.config.model import Snapshot
from edge.routing.controls import AS_CONFIGURED, Controls, LineControl, Maintenance, Pin, Silence, Switch

MOST_WEIGHT = 1e6
MOST_PINS = 1000
MOST_WINDOWS = 1000
MOST_SILENCES = 1000
LONGEST_SILENCE = 31 * 86_400.0  # seconds
LONGEST_WINDOW = 366 * 86_400.0  # seconds


class Refused(Exception):
    """A change is not made. `pointer` names the member of the request that is to blame, if one is (RFC 6901)."""

    def __init__(self, kind: Literal["absent", "invalid", "conflict"], detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to change: the ids of one snapshot."""

    lines: tuple[str, ...]
    providers: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()  # of alerts

    @classmethod
    def of(cls, snapshot: Snapshot) -> Known:
        return cls(
            tuple(line.id for line in snapshot.lines),
            frozenset(provider.id for provider in snapshot.providers),
            frozenset(key.id for key in snapshot.keys),
            frozenset(rule.id for rule in snapshot.alert.rules),
        )


@dataclass(frozen=True, slots=True)
class SetWeight:
    """None: the configured weight again."""

    line: str
    weight: float | None


@dataclass(frozen=True, slots=True)
class SetSwitch:
    """`force`: even if no other line is left that takes requests."""

    line: str
    switch: Switch
    force: bool = False


@dataclass(frozen=True, slots=True)
class SetPin:
    """Replaces the subject's pin, if it has one."""

    pin: Pin


@dataclass(frozen=True, slots=True)
class DropPin:
    subject: str


@dataclass(frozen=True, slots=True)
class AddWindow:
    """`force`: even if then no other line is left that takes requests."""

    window: Maintenance
    force: bool = False


@dataclass(frozen=True, slots=True)
class DropWindow:
    id: str


@dataclass(frozen=True, slots=True)
class AddSilence:
    """Replaces a silence of the same rule and subject."""

    silence: Silence


@dataclass(frozen=True, slots=True)
class DropSilence:
    rule: str
    subject: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Everything as configured: no overrides, pins, maintenance or silences."""


Change = SetWeight | SetSwitch | SetPin | DropPin | AddWindow | DropWindow | AddSilence | DropSilence | Reset


def window_id(window: Maintenance) -> str:
    """A line has at most one window that begins in a given second."""
    return f"{window.line}-{window.begins:.0f}"


def apply(controls: Controls, changes: Sequence[Change], known: Known, utc: float) -> Controls:
    """The next controls: all changes or none. The same object if nothing is different.

    Windows and silences that are over are dropped by the way. `utc`: seconds since the epoch.

    Raises:
        Refused: a change names what isn't there, has an impossible value, or would leave no line for requests.
    """
    draft = replace(
        controls,
        maintenance=tuple(window for window in controls.maintenance if window.ends > utc),
        silences=tuple(silence for silence in controls.silences if silence.ends > utc),
    )
    for change in changes:
        draft = _MAKERS[type(change)](draft, change, known, utc)
    return controls if draft == controls else replace(draft, version=controls.version + 1)


def prune(controls: Controls, known: Known) -> tuple[Controls, tuple[str, ...]]:
    """Without what concerns lines that are gone, and the ids of these lines."""
    named = [*controls.lines, *(pin.line for pin in controls.pins), *(each.line for each in controls.maintenance)]
    gone = tuple(dict.fromkeys(line for line in named if line not in known.lines))
    if not gone:
        return controls, ()
    kept = replace(
        controls,
        version=controls.version + 1,
        lines={line: control for line, control in controls.lines.items() if line not in gone},
        pins=tuple(pin for pin in controls.pins if pin.line not in gone),
        maintenance=tuple(window for window in controls.maintenance if window.line not in gone),
    )
    return kept, gone


def check_subject(subject: str, known: Known) -> None:
    """A pin's subject: "*", `provider:ID`, `model:NAME` or `key:ID`.

    Raises:
        Refused: it is none of these, or names a provider or key that isn't configured.
    """
    kind, colon, name = subject.partition(":")
    if subject == "*" or (kind == "model" and name and len(name) <= 256):
        return
    ids = {"provider": known.providers, "key": known.keys}.get(kind)
    if not colon or ids is None:
        raise Refused(
            "invalid", f'"{subject}" is no subject; expected "*", provider:ID, model:NAME or key:ID', "/subject"
        )
    if name not in ids:
        raise Refused("invalid", f'no {kind} "{name}"; there is {_listed(ids, f"no {kind}")}', "/subject")


def _set_weight(controls: Controls, change: SetWeight, known: Known, utc: float) -> Controls:
    weight = change.weight
    _check_line(change.line, known)
    if weight is not None and not (math.isfinite(weight) and 0 <= weight <= MOST_WEIGHT):
        raise Refused("invalid", f"{weight:g} is no weight; expected a number from 0 to {MOST_WEIGHT:g}", "/weight")
    return _with_line(controls, change.line, replace(controls.line(change.line), weight=weight))


def _set_switch(controls: Controls, change: SetSwitch, known: Known, utc: float) -> Controls:
    _check_line(change.line, known)
    changed = _with_line(controls, change.line, replace(controls.line(change.line), switch=change.switch))
    if change.switch is not Switch.ON and not change.force:
        _check_last(changed, change.line, known, utc, "/switch")
    return changed


def _check_last(changed: Controls, line: str, known: Known, utc: float, pointer: str) -> None:
    if not any(changed.switch(each, utc) is Switch.ON for each in known.lines):
        raise Refused(
            "conflict",
            f"{line} is the last line that takes requests: without it they all fail or go to the local pool; "
            "force it if that is meant",
            pointer,
        )


def _with_line(controls: Controls, line: str, control: LineControl) -> Controls:
    lines = {**controls.lines, line: control}
    if control == AS_CONFIGURED:
        del lines[line]
    return replace(controls, lines=lines)


def _set_pin(controls: Controls, change: SetPin, known: Known, utc: float) -> Controls:
    pin = change.pin
    check_subject(pin.subject, known)
    _check_line(pin.line, known, "invalid", "/line")
    others = tuple(other for other in controls.pins if other.subject != pin.subject)
    if len(others) >= MOST_PINS:
        raise Refused("conflict", f"there are {MOST_PINS} pins already; unpin some")
    if pin in controls.pins:
        return controls
    return replace(controls, pins=(*others, pin))


def _drop_pin(controls: Controls, change: DropPin, known: Known, utc: float) -> Controls:
    kept = tuple(pin for pin in controls.pins if pin.subject != change.subject)
    if len(kept) == len(controls.pins):
        pinned = _listed((pin.subject for pin in controls.pins), "nothing")
        raise Refused("absent", f'"{change.subject}" is not pinned; pinned: {pinned}')
    return replace(controls, pins=kept)


def _add_window(controls: Controls, change: AddWindow, known: Known, utc: float) -> Controls:
    window = change.window
    _check_line(window.line, known, "invalid", "/line")
    if window.ends <= window.begins:
        raise Refused("invalid", "the window ends before it begins", "/ends")
    if window.ends <= utc:
        raise Refused("invalid", "the window is over already", "/ends")
    if window.ends - window.begins > LONGEST_WINDOW:
        raise Refused("invalid", "a window lasts a year at most; to take a line out for good, switch it off", "/ends")
    if any(window_id(other) == window_id(window) for other in controls.maintenance):
        raise Refused("conflict", f"{window.line} has a window that begins in that second; remove it first", "/begins")
    if len(controls.maintenance) >= MOST_WINDOWS:
        raise Refused("conflict", f"there are {MOST_WINDOWS} windows already; remove some")
    ordered = sorted((*controls.maintenance, window), key=lambda each: (each.begins, each.line))
    changed = replace(controls, maintenance=tuple(ordered))
    if not change.force:
        _check_last(changed, window.line, known, max(utc, window.begins), "/line")
    return changed


def _drop_window(controls: Controls, change: DropWindow, known: Known, utc: float) -> Controls:
    kept = tuple(window for window in controls.maintenance if window_id(window) != change.id)
    if len(kept) == len(controls.maintenance):
        there = _listed(map(window_id, controls.maintenance), "none")
        raise Refused("absent", f'no maintenance window "{change.id}"; there is {there}')
    return replace(controls, maintenance=kept)


def _add_silence(controls: Controls, change: AddSilence, known: Known, utc: float) -> Controls:
    silence = change.silence
    if silence.rule != "*" and silence.rule not in known.rules:
        raise Refused("invalid", f'no rule "{silence.rule}"; there is {_listed(known.rules, "none")}', "/rule")
    if silence.ends <= utc:
        raise Refused("invalid", "the silence is over already", "/ends")
    if silence.ends - utc > LONGEST_SILENCE:
        raise Refused("invalid", "a silence lasts a month at most; to be rid of a rule, disable it", "/ends")
    others = tuple(each for each in controls.silences if not _is_about(each, silence.rule, silence.subject))
    if len(others) >= MOST_SILENCES:
        raise Refused("conflict", f"there are {MOST_SILENCES} silences already; end some")
    return replace(controls, silences=(*others, silence))


def _drop_silence(controls: Controls, change: DropSilence, known: Known, utc: float) -> Controls:
    kept = tuple(each for each in controls.silences if not _is_about(each, change.rule, change.subject))
    if len(kept) == len(controls.silences):
        there = _listed((f"{each.rule} on {each.subject}" for each in controls.silences), "none")
        raise Refused("absent", f'no silence of "{change.rule}" on "{change.subject}"; there is {there}')
    return replace(controls, silences=kept)


def _is_about(silence: Silence, rule: str, subject: str) -> bool:
    return (silence.rule, silence.subject) == (rule, subject)


def _reset(controls: Controls, change: Reset, known: Known, utc: float) -> Controls:
    return Controls(controls.version)


def _check_line(line: str, known: Known, kind: Literal["absent", "invalid"] = "absent", pointer: str = "") -> None:
    if line not in known.lines:
        raise Refused(kind, f'no line "{line}"; there is {_listed(known.lines, "none")}', pointer)


def _listed(names: Iterable[str], nothing: str) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - 12} more" if len(ordered) > 12 else ""
    return ", ".join(ordered[:12]) + more if ordered else nothing


_MAKERS: Mapping[type[Change], Callable[..., Controls]] = {
    SetWeight: _set_weight,
    SetSwitch: _set_switch,
    SetPin: _set_pin,
    DropPin: _drop_pin,
    AddWindow: _add_window,
    DropWindow: _drop_window,
    AddSilence: _add_silence,
    DropSilence: _drop_silence,
    Reset: _reset,
}
