"""What belongs to nodes that work together: roles, keys, and whether relays and edges fit them."""

from __future__ import annotations

from collections.abc import Sequence

from edge.config.fault import KeyPath, shown
from edge.config.model import EdgePeer, Node, Relay, Snapshot
from edge.config.reading import Reading
from transport.session.keys import fingerprint as fingerprint_of
from transport.session.keys import load, spki

_MAKE_KEY = 'key = "file:node.key" (`farline keys node --out node.key` makes one)'


def fingerprint(node: Node) -> str | None:
    """Of the node's key, as other nodes' files name it; None if it has none."""
    return None if node.key is None else fingerprint_of(spki(load(node.key.value.encode()).public_key()))


def check(reading: Reading, snapshot: Snapshot) -> None:
    """Notes what a role lacks or can't have, lines that don't exist, and keys that mean two nodes."""
    if snapshot.node.role == "relay":
        _check_relay(reading, snapshot)
    else:
        _check_edge(reading, snapshot)
    _check_cluster(reading, snapshot)
    own = fingerprint(snapshot.node)
    _check_keys(reading, "relay", snapshot.relays, own)
    _check_keys(reading, "edge", snapshot.edges, own)


def _check_cluster(reading: Reading, snapshot: Snapshot) -> None:
    """What is published comes through the cluster's Redis and is kept beside the node's state."""
    cluster, where = snapshot.cluster, ("cluster", "config")
    if cluster.config is not None and cluster.redis is None:
        reading.fault(where, "there is no Redis to take it from", "[cluster] redis")
    if cluster.config is not None and snapshot.node.state_dir is None:
        reading.fault(where, "there is no place to keep what was published last", "[node] state_dir")
    if cluster.config is not None and snapshot.node.role != "edge":
        reading.fault(where, "only edges take a published configuration", "it in the relay's own file")
    if cluster.config is None and cluster.config_keys:
        reading.fault(("cluster", "config_keys"), "are for a published configuration", "config, the channel's name")
    if snapshot.dns.zone is None and reading.has(("dns",)):
        reading.fault(("dns",), "zone is missing", 'zone = "edge.example.com"')
    if snapshot.dns.zone is not None and (cluster.redis is None or snapshot.node.role != "edge"):
        reading.fault(("dns", "zone"), "only edges of a cluster know which edges there are", "[cluster] redis")
    if snapshot.dns.zone is not None and not snapshot.dns.nameservers:
        reading.fault(("dns",), "nameservers is missing", "the names under which the parent zone knows this responder")


def _check_relay(reading: Reading, snapshot: Snapshot) -> None:
    _need_key(reading, snapshot, ("node", "role"), "a relay needs a key of its own")
    if snapshot.listen.data:
        reading.fault(("listen", "data"), "a relay has no data listeners", "session, where edges join")
    if not snapshot.listen.session and not reading.has(("listen", "session")):
        reading.fault(("node", "role"), "a relay listens for sessions", '[listen] session = ["0.0.0.0:4433"]')
    if snapshot.relays:
        reading.fault(("relay", 0), "a relay uses no other relay", 'role = "edge", or no [[relay]]')


def _check_edge(reading: Reading, snapshot: Snapshot) -> None:
    if snapshot.listen.session:
        reading.fault(("listen", "session"), "only relays listen for sessions", 'role = "relay"')
    if snapshot.edges:
        reading.fault(("edge", 0), "only relays know edges", 'role = "relay"')
    if snapshot.relays:
        _need_key(reading, snapshot, ("relay", 0), "this node has no key to show to a relay")
    for key, known in (("lines", snapshot.lines), ("providers", snapshot.providers)):
        _check_named(reading, snapshot, key, {each.id for each in known})


def _check_named(reading: Reading, snapshot: Snapshot, key: str, known: set[str]) -> None:
    """What relays name by its id must be there."""
    for index, relay in enumerate(snapshot.relays):
        for number, name in enumerate(getattr(relay, key)):
            if name not in known:
                where: KeyPath = ("relay", index, key, number)
                reading.fault(where, f"{shown(name)} is no {key[:-1]} of this file", " | ".join(sorted(known)))


def _need_key(reading: Reading, snapshot: Snapshot, path: KeyPath, problem: str) -> None:
    if snapshot.node.key is None and not reading.has(("node", "key")):
        reading.fault(path, problem, _MAKE_KEY)


def _check_keys(reading: Reading, section: str, others: Sequence[Relay | EdgePeer], own: str | None) -> None:
    owners: dict[str, str] = {}
    for index, other in enumerate(others):
        if not other.fingerprint:
            continue
        if other.fingerprint == own:
            reading.fault((section, index, "fingerprint"), "is this node's own key", "the other node's")
        elif owners.setdefault(other.fingerprint, other.id) != other.id:
            reading.fault(
                (section, index, "fingerprint"), f"is the key of {owners[other.fingerprint]}", "a key of its own"
            )
