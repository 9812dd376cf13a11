"""A scenario: which lines there are, what happens to them and when. One file for every backend.

name = "evening"            seed = 7            backend = "auto"       # auto | tun | tc
congestion = "bbr"                              # TCP in all namespaces; default: the kernel's
hosts = ["provider", "relay"]                   # names of far-side addresses

[[line]]
id = "cn2"
profile = "cn2"                                 # a named profile …
down = { rate_mbit = 50 }                       # … with other settings for both, up or down
trace = "evening.jsonl"                         # … or with a recorded course of settings

[[event]]
line = "cn2"   kind = "blackhole"   at = 10.0   seconds = 3
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from netem.link.conditions import Profile
from netem.link.event import Event
from netem.link.link import Link, Trace
from netem.link.reading import plain_profile, read_event, read_profile, read_trace
from netem.profiles import profile

Backend = Literal["auto", "tun", "tc"]
MAX_LINES = 100
_LINE_ID = re.compile(r"[a-z][a-z0-9-]{0,14}")
_RESERVED = frozenset({"lo", "lan0"})


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One line: its id (also the name of its interface: at most 15 characters), its profile, its events."""

    id: str
    profile: Profile
    events: tuple[Event, ...] = ()
    trace: Trace = ()

    def __post_init__(self) -> None:
        if not _LINE_ID.fullmatch(self.id) or self.id in _RESERVED:
            raise ValueError(f"line id {self.id!r}: up to 15 of a-z 0-9 -, beginning with a letter, not lo or lan0")

    def link(self, seed: int) -> Link:
        """The link model of this line."""
        link = Link(self.profile, seed, self.id, trace=self.trace)
        link.add(self.events)
        return link


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that decides what happens in a lab."""

    lines: tuple[LineSpec, ...]
    name: str = "lab"
    seed: int = 1
    backend: Backend = "auto"
    hosts: tuple[str, ...] = ("provider", "relay")
    congestion: str = ""

    def __post_init__(self) -> None:
        ids = [spec.id for spec in self.lines]
        if not 0 < len(ids) <= MAX_LINES or len(set(ids)) != len(ids):
            raise ValueError(f"a scenario needs 1 to {MAX_LINES} lines with different ids, not {ids}")
        if not self.hosts or len(self.hosts) > MAX_LINES or len(set(self.hosts)) != len(self.hosts):
            raise ValueError(f"a scenario needs 1 to {MAX_LINES} hosts with different names, not {list(self.hosts)}")
        if self.backend not in get_args(Backend):
            raise ValueError(f"backend must be auto, tun or tc, not {self.backend!r}")
        if re.fullmatch(r"[a-z0-9_]*", self.congestion) is None:
            raise ValueError(f"congestion must be the name of a TCP congestion control, not {self.congestion!r}")


def lines(**profiles: str) -> tuple[LineSpec, ...]:
    """`lines(cn2="cn2", cmi="cmi-evening")`: lines with named profiles; `_` in an id becomes `-`."""
    return tuple(LineSpec(id.replace("_", "-"), profile(name)) for id, name in profiles.items())


def read_scenario(data: Mapping[str, Any], folder: Path = Path()) -> Scenario:
    """A scenario from its TOML tables; traces are looked for in `folder`. Raises ValueError, OSError (trace file)."""
    known = {"name", "seed", "backend", "congestion", "hosts", "line", "event"}
    if unknown := sorted(set(data) - known):
        raise ValueError(f"unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
    events: dict[str, list[Event]] = {}
    for table in data.get("event", []):
        settings = dict(table)
        events.setdefault(settings.pop("line", ""), []).append(read_event(settings))
    specs = tuple(_read_line(table, events, folder) for table in data.get("line", []))
    if stray := sorted(set(events) - {spec.id for spec in specs}):
        raise ValueError(f"an event is for line {stray[0]!r}, which the scenario doesn't have")
    settings = {key: data[key] for key in ("name", "seed", "backend", "congestion") if key in data}
    if "hosts" in data:
        settings["hosts"] = tuple(data["hosts"])
    return Scenario(lines=specs, **settings)


def load_scenario(path: Path) -> Scenario:
    """A scenario from its TOML file. Raises OSError, ValueError (bad TOML is one)."""
    return read_scenario(tomllib.loads(path.read_text()), path.parent)


def plain_scenario(scenario: Scenario) -> dict[str, Any]:
    """The inverse of `read_scenario`, traces included, for the emulator's process."""
    lines_plain: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for spec in scenario.lines:
        trace = [{"t": at, "up": step["up"], "down": step["down"]} for at, step in _plain_steps(spec.trace)]
        sides = plain_profile(spec.profile)
        lines_plain.append({"id": spec.id, "up": sides["up"], "down": sides["down"], "trace": trace})
        events += [{"line": spec.id, **plain_event(event)} for event in spec.events]
    return {
        "name": scenario.name,
        "seed": scenario.seed,
        "backend": scenario.backend,
        "congestion": scenario.congestion,
        "hosts": list(scenario.hosts),
        "line": lines_plain,
        "event": events,
    }


def plain_event(event: Event) -> dict[str, Any]:
    """The inverse of `read_event`."""
    return {name: getattr(event, name) for name in Event.__slots__}


def _plain_steps(trace: Trace) -> list[tuple[float, dict[str, Any]]]:
    return [(at, plain_profile(step)) for at, step in trace]


def _read_line(table: Mapping[str, Any], events: Mapping[str, list[Event]], folder: Path) -> LineSpec:
    settings = dict(table)
    id = str(settings.pop("id", ""))
    try:
        source = settings.pop("trace", ())
        named = profile(settings.pop("profile", "perfect"))
        base = read_profile(settings, named)
        records = _read_records(folder / source) if isinstance(source, str) else source
        return LineSpec(id, base, tuple(events.get(id, ())), read_trace(records, base))
    except ValueError as wrong:
        raise ValueError(f"line {id!r}: {wrong}") from wrong


def _read_records(path: Path) -> list[Any]:
    return [json.loads(text) for text in path.read_text().splitlines() if text.strip()]
