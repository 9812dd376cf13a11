"""The reader: text in, a snapshot or every fault out. Pure: files and environment are arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.config import build, caching
from edge.config.agree import check
from edge.config.fault import Fault
from edge.config.layers import layer
from edge.config.model import (
    AdminOidc,
    Cluster,
    Dns,
    History,
    Limits,
    Listen,
    Node,
    Published,
    Routing,
    Snapshot,
    Timeouts,
    Trace,
)
from edge.config.presets import PRESETS
from edge.config.publication import publication, syntax_fault
from edge.config.reading import Reading
from edge.config.sections import FILE
from health.probing import ProbePolicy
from health.rules import HealthRules


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
        own = layer(text, file)
    except (RecursionError, ValueError) as error:
        return Outcome(None, (syntax_fault(file, text, error),))
    reading = Reading(file, own.lines, environment, read_file)
    published = shared = None
    if isinstance(cluster := own.document.get("cluster"), dict) and "config" in cluster:
        published, shared = publication(own, Reading(file, own.lines, environment, read_file))
    if shared is not None:
        reading = Reading(file, shared.lines, environment, read_file, shared.files)
        reading.faults += shared.faults
    if published is not None:
        reading.files[published.file] = None
    snapshot = _snapshot(reading, own.document if shared is None else shared.document, published)
    faults = tuple(sorted(reading.faults, key=lambda fault: (fault.file != file, fault.line)))
    return Outcome(None if faults else snapshot, faults, tuple(reading.files))


def _snapshot(reading: Reading, document: dict[str, Any], published: Published | None) -> Snapshot:
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
        admin_oidc=replace(AdminOidc(), **found.get("admin_oidc", {})),
        relays=tuple(build.relay(reading, entry) for entry in found.get("relay", ())),
        edges=tuple(build.edge_peer(reading, entry) for entry in found.get("edge", ())),
        routing=replace(Routing(), **found.get("routing", {})),
        timeouts=replace(Timeouts(), **found.get("timeouts", {})),
        limits=replace(Limits(), **found.get("limits", {})),
        alert=build.alert(reading, found.get("alert", {})),
        cache=caching.cache(reading, found.get("cache", {}), keys),
        health=replace(HealthRules(), **found.get("health", {})),
        history=replace(History(), **found.get("history", {})),
        dns=replace(Dns(), **found.get("dns", {})),
        published=published,
        prices=tuple(build.price(reading, entry) for entry in found.get("price", ())),
        probe=replace(ProbePolicy(), **found.get("probe", {})),
        cluster=replace(Cluster(), **found.get("cluster", {})),
        trace=replace(Trace(), **found.get("trace", {})),
    )
    if snapshot.node.role == "relay" and "data" not in found.get("listen", {}):
        snapshot = replace(snapshot, listen=replace(snapshot.listen, data=()))
    check(reading, snapshot)
    return replace(snapshot, files=tuple(reading.files))
