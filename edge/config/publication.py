"""The published configuration that a node has taken: found beside its state, checked, joined with its own file."""

from __future__ import annotations

import posixpath
import re

from edge.config.fault import Fault
from edge.config.layers import Joined, Layer, joined, layer, unfit
from edge.config.model import Cluster, Node, Published
from edge.config.published import Version, decoded, why_not
from edge.config.reading import Reading, Wrong
from edge.config.sections import CLUSTER, NODE

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def file_of(state_dir: str, channel: str) -> str:
    """Where a node keeps what it has taken from a channel."""
    return posixpath.join(state_dir, f"published-{channel}.json")


def publication(own: Layer, reading: Reading) -> tuple[Published | None, Joined | None]:
    """What `own` says is to be taken, and both joined. None for the one: `own` is wrong about it, which reading it
    tells; None for the other: nothing has been taken yet. `reading`: one for this purpose only.
    """
    node = reading.fields((), own.document.get("node", {}) if _is_table(own, "node") else {}, NODE)
    cluster = reading.fields((), own.document["cluster"], CLUSTER)
    channel, state_dir = cluster.get("config"), node.get("state_dir")
    if channel is None or state_dir is None or node.get("role", Node().role) != Node().role:
        return None, None
    published = Published(channel, file_of(state_dir, channel))
    try:
        content = reading.content(published.file)[1]
    except Wrong:
        return published, None
    trusted = cluster.get("config_keys", ())
    return _taken(own, published, content, cluster.get("id", Cluster().id), trusted)


def _taken(
    own: Layer, published: Published, content: bytes, cluster: str, trusted: tuple[str, ...]
) -> tuple[Published, Joined]:
    try:
        version = decoded(content)
    except ValueError as error:
        return published, _refused(own, Fault(published.file, 0, "", str(error)))
    taken = Published(published.channel, published.file, version.number, version.digest, version.at, version.who)
    problem = why_not(version, cluster, trusted)
    if version.channel != published.channel:
        problem = f"it was published on {version.channel}"
    if problem is not None:
        return taken, _refused(own, Fault(version.label, 0, "", problem))
    shared, faults = shared_layer(version)
    if shared is None or faults:
        return taken, _refused(own, *faults)
    return taken, joined(own, shared)


def shared_layer(version: Version) -> tuple[Layer | None, list[Fault]]:
    """A version's text, and everything for which it can't be published whatever the nodes are like."""
    try:
        found = layer(version.text, version.label, is_own=False)
    except (RecursionError, ValueError) as error:
        return None, [syntax_fault(version.label, version.text, error)]
    return found, unfit(found, version.text)


def syntax_fault(file: str, text: str, error: Exception) -> Fault:
    """For what `layer` raised."""
    if isinstance(error, RecursionError):
        return Fault(file, 1, "", "arrays or tables are nested too deeply")
    message = str(error)
    place = _PLACE.search(message)
    last = text.count("\n") + (not text.endswith("\n"))
    line = int(place[1]) if place and place[1] else max(last, 1)
    problem = message[: place.start()] if place else message
    return Fault(file, line, "", f"not TOML: {problem[:1].lower()}{problem[1:]}")


def _refused(own: Layer, *faults: Fault) -> Joined:
    """The node's own file alone, with faults: so that those of its own are told as well."""
    return Joined(own.document, dict(own.lines), {}, list(faults))


def _is_table(own: Layer, name: str) -> bool:
    return isinstance(own.document.get(name), dict)
