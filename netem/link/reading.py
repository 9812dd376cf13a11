"""Conditions, profiles, events and traces from plain data (TOML tables, JSON objects)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from netem.link.conditions import CONDITION_NAMES, Bursts, Conditions, PacketBursts, Police, Profile
from netem.link.event import Event

_EVENT_NAMES = frozenset(field.name for field in fields(Event))


def read_conditions(data: Mapping[str, Any], base: Conditions | None = None) -> Conditions:
    """`base` (default: a perfect line) with the settings of `data`. Raises ValueError naming the wrong one."""
    _refuse_unknown(data, CONDITION_NAMES)
    values = dict(data)
    try:
        if "bursts" in values:
            values["bursts"] = tuple(Bursts(**burst) for burst in values["bursts"])
        if values.get("packet_bursts") is not None:
            values["packet_bursts"] = PacketBursts(**values["packet_bursts"])
        if values.get("udp_police") is not None:
            values["udp_police"] = Police(**values["udp_police"])
        return replace(base or Conditions(), **values)
    except TypeError as wrong:
        raise ValueError(str(wrong)) from wrong


def read_profile(data: Mapping[str, Any], base: Profile) -> Profile:
    """`base` with the settings of `both`, then those of `up` and `down`."""
    _refuse_unknown(data, {"both", "up", "down", "note"})
    both = data.get("both", {})
    return Profile(
        up=read_conditions(data.get("up", {}), read_conditions(both, base.up)),
        down=read_conditions(data.get("down", {}), read_conditions(both, base.down)),
        note=data.get("note", base.note),
    )


def read_event(data: Mapping[str, Any]) -> Event:
    """An event from its table."""
    _refuse_unknown(data, _EVENT_NAMES)
    try:
        return Event(**data)
    except TypeError as wrong:
        raise ValueError(str(wrong)) from wrong


def plain_profile(profile: Profile) -> dict[str, Any]:
    """The inverse of `read_profile`, for files and sockets."""
    return asdict(profile)


def read_trace(lines: Sequence[Mapping[str, Any]], base: Profile) -> tuple[tuple[float, Profile], ...]:
    """The steps of a trace: from second `t` on, `base` with the settings of the line.

    A line is `{"t": 0.0, "delay_ms": 95, "loss": 0.02}`: settings for both directions, or inside "up" and "down".
    Raises ValueError if times are missing or don't rise.
    """
    steps: list[tuple[float, Profile]] = []
    for number, line in enumerate(lines, 1):
        settings = dict(line)
        at = settings.pop("t", None)
        if not isinstance(at, int | float) or (steps and at <= steps[-1][0]):
            raise ValueError(f"trace line {number}: t must be a number above the line's before")
        sides: dict[str, Any] = {side: settings.pop(side) for side in ("up", "down") if side in settings}
        steps.append((float(at), read_profile({"both": settings, **sides}, base)))
    return tuple(steps)


def _refuse_unknown(data: Mapping[str, Any], known: set[str] | frozenset[str]) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
