"""What the two ends of a TLS connection say beside packets: who the edge is, keys for datagrams, which carrier it is.

Everything on the connection has 16 bits of length in front. A packet's first byte is below 0x40 (`wire`); a note's is

    0xC0 PROOF    edge    version 8 · length 16 · public key (SubjectPublicKeyInfo, DER) · signature
    0xC1 REFUSED  relay   reason, UTF-8: then the relay closes the connection
    0xC2 ASK      edge    32 random bytes: keys for datagrams are wanted
    0xC3 GRANT    relay   connection 32 · 32 random bytes
    0xC4 NEXT     both    the packets before belong to a carrier that is over on this connection; the relay answers the
                          edge's with its own
    0xC5 END      edge    connection 32: its datagrams are over

The relay proves its key by TLS itself: its certificate is made from it. The edge's first note is PROOF, whose signature
covers the channel binding of this very TLS connection and both keys: it is worth nothing anywhere else.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from transport.session.keys import PrivateKey, fingerprint, sign, spki, verify
from transport.session.seal import SECRET_BYTES

VERSION = 1
ALPN = "farline/1"
FIRST_NOTE = 0x40
MAX_REASON_BYTES = 300
MAX_KEY_BYTES = 512
_CONTEXT = b"farline session carrier 1\0"
_PROOF, _REFUSED, _ASK, _GRANT, _NEXT, _END = range(0xC0, 0xC6)


class SetupError(ValueError):
    """A note that is malformed, or unknown."""


class Proof(msgspec.Struct, frozen=True):
    """The edge is the owner of this public key."""

    public: bytes
    signature: bytes


class Refused(msgspec.Struct, frozen=True):
    """The relay doesn't want this edge."""

    reason: str


class Ask(msgspec.Struct, frozen=True):
    """Keys for datagrams, please; `random` goes into them."""

    random: bytes


class Grant(msgspec.Struct, frozen=True):
    """They are made of `random` too, and the datagrams are `connection`'s."""

    connection: int
    random: bytes


class Next(msgspec.Struct, frozen=True):
    """Another carrier begins on this connection."""


class End(msgspec.Struct, frozen=True):
    """The datagrams of `connection` are over."""

    connection: int


Note = Proof | Refused | Ask | Grant | Next | End


def encode(note: Note) -> bytes:
    match note:
        case Proof(public, signature):
            return bytes((_PROOF, VERSION)) + len(public).to_bytes(2, "big") + public + signature
        case Refused(reason):
            return bytes((_REFUSED,)) + reason.encode("utf-8", "replace")[:MAX_REASON_BYTES]
        case Ask(random):
            return bytes((_ASK,)) + random
        case Grant(connection, random):
            return bytes((_GRANT,)) + connection.to_bytes(4, "big") + random
        case Next():
            return bytes((_NEXT,))
        case _:
            return bytes((_END,)) + note.connection.to_bytes(4, "big")


def decode(data: bytes) -> Note:
    """Raises SetupError."""
    kind, body = data[0] if data else 0, data[1:]
    if kind == _PROOF:
        return _read_proof(body)
    if kind == _REFUSED:
        return Refused(body[:MAX_REASON_BYTES].decode("utf-8", "replace"))
    if kind == _ASK and len(body) == SECRET_BYTES:
        return Ask(body)
    if kind == _GRANT and len(body) == 4 + SECRET_BYTES:
        return Grant(int.from_bytes(body[:4], "big"), body[4:])
    if kind == _NEXT and not body:
        return Next()
    if kind == _END and len(body) == 4:
        return End(int.from_bytes(body, "big"))
    raise SetupError(f"a note of kind 0x{kind:02x} with {len(body)} bytes")


def _read_proof(body: bytes) -> Proof:
    if not body or body[0] != VERSION:
        raise SetupError("a proof of another version")
    size = int.from_bytes(body[1:3], "big")
    public, signature = body[3 : 3 + size], body[3 + size :]
    if len(body) < 3 or len(public) < size or size > MAX_KEY_BYTES or not 1 <= len(signature) <= MAX_KEY_BYTES:
        raise SetupError("a proof that is cut or too long")
    return Proof(public, signature)


def prove(key: PrivateKey, relay_public: bytes, binding: bytes) -> Proof:
    """The edge's proof towards the relay whose public key TLS has shown, on the connection with this binding."""
    public = spki(key.public_key())
    return Proof(public, sign(key, _claim(public, relay_public, binding)))


def proved(proof: Proof, relay_public: bytes, binding: bytes) -> str | None:
    """The fingerprint of the edge; None if it didn't sign for this connection."""
    if not verify(proof.public, proof.signature, _claim(proof.public, relay_public, binding)):
        return None
    return fingerprint(proof.public)


def _claim(edge_public: bytes, relay_public: bytes, binding: bytes) -> bytes:
    parts = (sha256(part).digest() for part in (edge_public, relay_public, binding))
    return _CONTEXT + b"".join(parts)


class Unframer:
    """Bytes of a connection to packets and notes. Raises SetupError for an empty one."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        if self._rest:
            data = self._rest + data
        found: list[bytes] = []
        at, end = 0, len(data)
        while end - at >= 2:
            size = data[at] << 8 | data[at + 1]
            if end - at - 2 < size:
                break
            if not size:
                raise SetupError("nothing with a length")
            found.append(data[at + 2 : at + 2 + size])
            at += 2 + size
        self._rest = data[at:]
        return found


def frame(data: bytes) -> bytes:
    """With its length in front; at most 65,535 bytes."""
    return len(data).to_bytes(2, "big") + data
