"""The reader: text in, a snapshot or every fault out. Pure: files and environment are arguments."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.config import build, caching
from edge.config.agree import check
from edge.config.fault import Fault, KeyPath
from edge.config.model import Cluster, History, Limits, Listen, Node, Routing, Snapshot, Timeouts, Trace
from edge.config.positions import positions
from edge.config.presets import PRESETS
from edge.config.reading import Reading
from edge.config.sections import FILE
from health.probing import ProbePolicy
from health.rules import HealthRules

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What reading gave: a snapshot, or faults in the order of their lines. `files` are those the text refers to."""

    snapshot: Snapshot | None
    faults: tuple[Fault, ...] = ()
    files: tuple[str, ...] = ()


def read(
    text: str,
    environment: Mapping[str, str],
    read_file: Callable[[str], bytes],
    file: str = "farline.toml",
) -> Outcome:
    """Reads one configuration file's text; `file` is its name, for messages and for relative file names.

    `read_file` may raise OSError. Never raises because of what the text says.
    """
    try:
        document, lines = _parse(text)
    except RecursionError:
        return Outcome(None, (Fault(file, 1, "", "arrays or tables are nested too deeply"),))
    except ValueError as error:
        return Outcome(None, (_syntax_fault(file, text, str(error)),))
    reading = Reading(file, lines, environment, read_file)
    snapshot = _snapshot(reading, document)
    faults = tuple(sorted(reading.faults, key=lambda fault: fault.line))
    return Outcome(None if faults else snapshot, faults, tuple(reading.files))


def _parse(text: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    return tomllib.loads(text), positions(text)


def _syntax_fault(file: str, text: str, message: str) -> Fault:
    place = _PLACE.search(message)
    last = text.count("\n") + (not text.endswith("\n"))
    line = int(place[1]) if place and place[1] else max(last, 1)
    problem = message[: place.start()] if place else message
    return Fault(file, line, "", f"not TOML: {problem[:1].lower()}{problem[1:]}")


def _snapshot(reading: Reading, document: dict[str, Any]) -> Snapshot:
    """Built as far as it can be, so that the cross-checks see everything; of use only if there are no faults."""
    found = reading.fields((), document, FILE)
    keys = tuple(build.client_key(reading, entry) for entry in found.get("key", ()))
    snapshot = Snapshot(
        source=reading.file,
        node=replace(Node(), **found.get("node", {})),
        listen=replace(Listen(), **found.get("listen", {})),
        lines=tuple(build.line(reading, entry) for entry in found.get("line", ())) or Snapshot().lines,
        providers=tuple(build.provider(reading, entry) for entry in found.get("provider", ())) or PRESETS,
        models=tuple(build.model(reading, entry) for entry in found.get("model", ())),
        pools=tuple(build.pool(reading, entry) for entry in found.get("pool", ())),
        keys=keys,
        admin_keys=tuple(build.admin_key(reading, entry) for entry in found.get("admin_key", ())),
        relays=tuple(build.relay(reading, entry) for entry in found.get("relay", ())),
        edges=tuple(build.edge_peer(reading, entry) for entry in found.get("edge", ())),
        routing=replace(Routing(), **found.get("routing", {})),
        timeouts=replace(Timeouts(), **found.get("timeouts", {})),
        limits=replace(Limits(), **found.get("limits", {})),
        alert=build.alert(reading, found.get("alert", {})),
        cache=caching.cache(reading, found.get("cache", {}), keys),
        health=replace(HealthRules(), **found.get("health", {})),
        history=replace(History(), **found.get("history", {})),
        prices=tuple(build.price(reading, entry) for entry in found.get("price", ())),
        probe=replace(ProbePolicy(), **found.get("probe", {})),
        cluster=replace(Cluster(), **found.get("cluster", {})),
        trace=replace(Trace(), **found.get("trace", {})),
    )
    if snapshot.node.role == "relay" and "data" not in found.get("listen", {}):
        snapshot = replace(snapshot, listen=replace(snapshot.listen, data=()))
    check(reading, snapshot)
    return replace(snapshot, files=tuple(reading.files))
