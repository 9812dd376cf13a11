"""Relays, edges and the keys by which they know each other: what the file may say of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from edge.config.change import settle
from edge.config.model import Address, EdgePeer, Relay, Snapshot
from edge.config.read import Outcome, read
from edge.config.summary import document, summary, warnings
from transport.session import keys

PEM = keys.make()
OWN = keys.fingerprint(keys.spki(keys.load(PEM).public_key()))
ONE, TWO = ("SHA256:" + letter * 42 + "A" for letter in "xy")
OTHER_CURVE = generate_private_key(SECP384R1())
FILES: Mapping[str, bytes] = {
    "/etc/farline/node.key": PEM,
    "/etc/farline/p384.key": OTHER_CURVE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "/etc/farline/locked.key": OTHER_CURVE.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    ),
    "/etc/farline/empty.key": b"",
}
KEYED = "[node]\nkey = 'file:node.key'\n"
RELAY_NODE = "[node]\nrole = 'relay'\nkey = 'file:node.key'\n[listen]\nsession = '0.0.0.0:4433'\n"
RELAY = f"[[relay]]\nid = 'sjc'\naddress = 'sjc.example:4433'\nfingerprint = '{ONE}'\n"
EDGE = f"[[edge]]\nid = 'bj-1'\nfingerprint = '{ONE}'\n"


def outcome_of(text: str) -> Outcome:
    return read(text, {"NODE_KEY": PEM.decode()}, FILES.__getitem__, "/etc/farline/node.toml")


def accepted(text: str) -> Snapshot:
    outcome = outcome_of(text)
    assert outcome.faults == ()
    assert outcome.snapshot is not None
    return outcome.snapshot


def test_an_edge_with_relays() -> None:
    snapshot = accepted(
        KEYED + "[[line]]\nid = 'cn2'\n[[line]]\nid = 'cu2'\n" + RELAY + "lines = ['cu2']\nredundancy = 'hot'\n"
        "carrier = 'tls'\n" + RELAY.replace("sjc", "lax").replace(ONE, TWO)
    )
    assert snapshot.relays == (
        Relay("sjc", Address("sjc.example", 4433), ONE, ("cu2",), "hot", "tls"),
        Relay("lax", Address("lax.example", 4433), TWO),
    )
    assert snapshot.node.key is not None
    assert snapshot.node.key.value == PEM.decode()
    told = summary(snapshot)
    assert told["fingerprint"] == OWN
    assert [relay["lines"] for relay in told["relays"]] == [["cu2"], ["cn2", "cu2"]]
    assert document(snapshot)["node"]["key"] == "file:node.key"
    assert "PRIVATE" not in repr(snapshot)
    assert accepted("[node]\nkey = 'env:NODE_KEY'").node.key is not None


def test_a_relay() -> None:
    snapshot = accepted(RELAY_NODE + EDGE + "max_streams = 500\n")
    assert snapshot.edges == (EdgePeer("bj-1", ONE, 500),)
    assert snapshot.listen.session == (Address("0.0.0.0", 4433),)
    assert snapshot.listen.data == ()
    assert warnings(snapshot) == ()
    assert warnings(accepted(RELAY_NODE)) == ("no [[edge]]: nobody may use this relay",)


CASES = {
    RELAY: "1: relay[0]: this node has no key to show to a relay; expected key =",
    KEYED + RELAY + "lines = ['cn2']": '7: relay[0].lines[0]: "cn2" is no line of this file; expected direct',
    KEYED
    + RELAY
    + "providers = ['x']": '7: relay[0].providers[0]: "x" is no provider of this file; expected anthropic',
    KEYED + RELAY + RELAY.replace(ONE, TWO): '8: relay[1].id: "sjc" is there twice',
    KEYED + RELAY + RELAY.replace("sjc", "lax"): "10: relay[1].fingerprint: is the key of sjc",
    KEYED + RELAY.replace(ONE, OWN): "6: relay[0].fingerprint: is this node's own key",
    KEYED + RELAY.replace("'sjc'", "'direct'"): '4: relay[0].id: "direct" stands for no relay at all',
    KEYED + RELAY.replace(ONE, "abc"): '6: relay[0].fingerprint: "abc" is not a fingerprint; expected "SHA256:',
    KEYED + RELAY.replace("sjc.example:4433", "0.0.0.0:4433"): '5: relay[0].address: "0.0.0.0:4433" is not the address',
    KEYED + RELAY.replace("sjc.example:4433", "sjc:0"): '5: relay[0].address: "sjc:0" is not the address of another',
    KEYED + RELAY.replace(f"fingerprint = '{ONE}'\n", ""): "3: relay[0]: fingerprint is missing",
    "[node]\nrole = 'relay'\n[listen]\nsession = '0.0.0.0:1'": "2: node.role: a relay needs a key of its own; expected",
    "[node]\nrole = 'relay'\nkey = 'file:node.key'": "2: node.role: a relay listens for sessions; expected [listen]",
    RELAY_NODE + "data = '127.0.0.1:1'": "6: listen.data: a relay has no data listeners",
    RELAY_NODE + RELAY: "6: relay[0]: a relay uses no other relay",
    RELAY_NODE.replace("0.0.0.0", "localhost"): '5: listen.session: "localhost:4433" is not an IP address with a port',
    RELAY_NODE.replace("'0.0.0.0:4433'", "['unix:x']"): "5: listen.session[0]: ",
    RELAY_NODE + "admin = '127.0.0.1:4433'": "6: listen.admin: 127.0.0.1:4433 is in the way of 0.0.0.0:4433",
    RELAY_NODE + EDGE + EDGE.replace(ONE, TWO): '10: edge[1].id: "bj-1" is there twice',
    "[listen]\nsession = '0.0.0.0:1'": "2: listen.session: only relays listen for sessions",
    EDGE: "1: edge[0]: only relays know edges",
    "[node]\nkey = 'file:p384.key'": "2: node.key: /etc/farline/p384.key: the key is neither P-256 nor Ed25519",
    "[node]\nkey = 'file:locked.key'": "2: node.key: /etc/farline/locked.key: the key is encrypted",
    "[node]\nkey = 'file:empty.key'": "2: node.key: /etc/farline/empty.key: holds no private key that can be read",
    "[node]\nkey = 'env:NONE'": "2: node.key: environment variable NONE: holds no private key",
    "[node]\nkey = 'hidden'": "2: node.key: a private key may not stand in the file (value not shown)",
    "[node]\nkey = 3": "2: node.key: is an integer",
}


@pytest.mark.parametrize(("text", "expected"), CASES.items(), ids=[words[:60] for words in CASES.values()])
def test_one_fault(text: str, expected: str) -> None:
    (fault,) = outcome_of(text).faults
    assert str(fault).removeprefix("/etc/farline/node.toml:").startswith(expected)
    assert "hidden" not in str(fault)


def test_keys_and_session_listeners_wait_for_a_restart() -> None:
    old = accepted(RELAY_NODE + EDGE)
    new, waiting = settle(accepted("[node]\nrole = 'relay'\nkey = 'env:NODE_KEY'\n[listen]\nsession = '[::]:1'"), old)
    assert waiting == ("listen.session", "node.key")
    assert (new.listen.session, new.node.key, new.edges) == (old.listen.session, old.node.key, ())
