"""farline at both ends: an edge near the clients and a relay near the provider, joined by a session over all lines."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from netem.bench.systems.setup import Base, Command, Place, Setup

PORT = 8080
SESSION_PORT = 8443
ACQUAINTANCE = 3.0
"""Seconds in which the two have found and measured each other over every line."""


@dataclass(frozen=True, slots=True)
class Key:
    """A node's key, always the same for the same name: it protects nothing but a lab."""

    pem: str
    fingerprint: str


def key(name: str) -> Key:
    """An Ed25519 key, and "SHA256:" with the base64 of its SubjectPublicKeyInfo's hash, without padding."""
    private = Ed25519PrivateKey.from_private_bytes(sha256(f"lab {name}".encode()).digest())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Key(pem, f"SHA256:{b64encode(sha256(public).digest()).decode().rstrip('=')}")


@dataclass(frozen=True, slots=True)
class FarlineRelay:
    """`redundancy` is how many lines carry a stream; `extra` is TOML to put at the end of the edge's file."""

    name: str
    lines: int
    redundancy: str = "standby"
    carrier: str = "auto"
    congestion: str = "bbr"
    has_websocket: bool = True
    needs: tuple[str, ...] = ()
    admin: str = ""
    extra: str = ""

    def setup(self, place: Place) -> Setup:
        farline = (place.python, "-m", "edge.cli")
        files = {
            "relay.toml": self.relay_configuration(place),
            "edge.toml": self.edge_configuration(place),
            "relay.key": key("relay").pem,
            "edge.key": key("edge").pem,
        }
        commands = (
            Command(
                "far",
                (*farline, "relay", "-c", f"{place.folder}/relay.toml"),
                SESSION_PORT,
                host=place.relay_host,
            ),
            Command("edge", (*farline, "edge", "-c", f"{place.folder}/edge.toml"), PORT),
        )
        return Setup(Base(place.edge_host, PORT, prefix="/openai"), files, commands, ACQUAINTANCE)

    def relay_configuration(self, place: Place) -> str:
        """The relay's file: one edge, one provider, warm connections."""
        rows = [
            f'[node]\nname = "far"\nrole = "relay"\nkey = "file:{place.folder}/relay.key"',
            f'[listen]\nsession = ["{place.relay_host}:{SESSION_PORT}"]\nadmin = {_admin(self.admin)}',
            f'[[edge]]\nid = "near"\nfingerprint = "{key("edge").fingerprint}"',
            _provider(place, place.streams),
        ]
        return "\n".join(rows) + "\n"

    def edge_configuration(self, place: Place) -> str:
        """The edge's file: every line leads to the relay, and to the provider itself should the relay fail."""
        rows = [
            f'[node]\nname = "near"\nkey = "file:{place.folder}/edge.key"',
            f'[listen]\ndata = ["{place.edge_host}:{PORT}"]\nadmin = {_admin(self.admin)}',
        ]
        for id, source in place.sources:
            rows.append(f'[[line]]\nid = "{id}"\nsource = "{source}"\ncongestion = "{self.congestion}"')
        rows.append(
            f'[[relay]]\nid = "far"\naddress = "{place.relay_host}:{SESSION_PORT}"\n'
            f'fingerprint = "{key("relay").fingerprint}"\nredundancy = "{self.redundancy}"\ncarrier = "{self.carrier}"'
        )
        rows.append(_provider(place, 2))
        return "\n".join([*rows, self.extra]) + "\n"


def _admin(address: str) -> str:
    return json.dumps(address) if address else "false"


def _provider(place: Place, warm: int) -> str:
    return (
        f'[[provider]]\nid = "openai"\n[[provider.endpoint]]\nurl = "{place.provider_url}"\n'
        f'ca_file = {json.dumps(place.ca_file)}\nprotocols = ["http/1.1"]\nkeep_warm = {warm}'
    )


RELAYED = (
    FarlineRelay("farline-relay-1", 1),
    FarlineRelay("farline-relay-2", 2, "hot"),
    FarlineRelay("farline-relay-standby", 2),
    FarlineRelay("farline-relay-2-tls", 2, "hot", carrier="tls"),
)
