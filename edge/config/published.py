"""A configuration that is common to many nodes, as it is published: one version of a channel, with its proof.

Versions of a channel only rise, and a node never goes back to a lower one: a version that somebody puts back into the
shared store has no effect. To go back is to publish the older text as a new version. What is signed says which cluster,
channel, version and nodes the text is for: a signature fits nothing else.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection
from hashlib import sha256

import msgspec

from transport.session import keys

MOST_BYTES = 256 * 1024  # of a text
_PURPOSE = "farline configuration 1"


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """`number` counts from 1. `at`: UTC seconds. `nodes`: who is to take it, empty for all. `again`: the version whose
    text it repeats, 0 for a new one. `public` and `signature` are base64, empty if it isn't signed."""

    channel: str
    number: int
    text: str
    at: float = 0.0
    who: str = ""
    note: str = ""
    nodes: tuple[str, ...] = ()
    again: int = 0
    public: str = ""
    signature: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the text, hex."""
        return sha256(self.text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """How messages call it in place of a file's name."""
        return f"{self.channel}@{self.number}"

    @property
    def signer(self) -> str:
        """The fingerprint of the key it claims to be signed with; empty if it isn't signed."""
        try:
            return keys.fingerprint(b64decode(self.public, validate=True)) if self.signature else ""
        except ValueError:
            return ""

    def is_for(self, node: str) -> bool:
        return not self.nodes or node in self.nodes


def encoded(version: Version) -> bytes:
    return msgspec.json.encode(version)


def decoded(data: bytes | str) -> Version:
    """What `encoded` made. Raises ValueError if it is something else."""
    try:
        return msgspec.json.decode(data, type=Version)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"is no published configuration: {error}") from None


def message(cluster: str, version: Version) -> bytes:
    """What is signed."""
    parts = (_PURPOSE, cluster, version.channel, version.number, version.digest, version.nodes)
    return msgspec.json.encode(parts)


def signed(version: Version, cluster: str, key: keys.PrivateKey) -> Version:
    """With a signature of the cluster's operator."""
    public, signature = keys.spki(key.public_key()), keys.sign(key, message(cluster, version))
    return msgspec.structs.replace(version, public=b64encode(public).decode(), signature=b64encode(signature).decode())


def why_not(version: Version, cluster: str, trusted: Collection[str]) -> str | None:
    """Why nobody should believe it; None if all is well. `trusted`: fingerprints; empty: signatures don't matter."""
    if not trusted:
        return None
    if not version.signature:
        return "it is not signed, and this node takes only what is ([cluster] config_keys)"
    if version.signer not in trusted:
        return f"it is signed with a key that this node doesn't trust ({version.signer or 'unreadable'})"
    try:
        signature = b64decode(version.signature, validate=True)
    except ValueError:
        return "its signature can't be read"
    if not keys.verify(b64decode(version.public), signature, message(cluster, version)):
        return "its signature is wrong: it is not what the operator signed"
    return None
