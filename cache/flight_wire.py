"""What the leader of a flight tells other nodes, as bytes: msgpack, encrypted if there is a secret."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transport.failure import Failure, Origin, Verdict

_NONCE_BYTES = 12


class Head(msgspec.Struct, frozen=True, tag="h", array_like=True):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]


class Data(msgspec.Struct, frozen=True, tag="d", array_like=True):
    data: bytes


class End(msgspec.Struct, frozen=True, tag="e", array_like=True):
    """The reply is complete."""


class Failed(msgspec.Struct, frozen=True, tag="f", array_like=True):
    origin: Origin
    verdict: Verdict
    code: str

    def failure(self) -> Failure:
        return Failure(self.origin, self.verdict, self.code, "at the node that made the exchange")


Message = Head | Data | End | Failed


class WireError(Exception):
    """These bytes are no messages of a flight of ours."""


class Wire:
    """`secret` and `nonce` as for `cache.seal.Sealer`. `about` binds messages to their flight and their order."""

    def __init__(self, secret: bytes | None = None, nonce: Callable[[int], bytes] | None = None) -> None:
        if (secret is None) != (nonce is None):
            raise ValueError("a secret needs a source of nonces")
        self._cipher = AESGCM(secret) if secret is not None else None
        self._nonce = nonce
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[Message]).decode

    def pack(self, messages: list[Message], about: bytes) -> bytes:
        plain = self._encode(messages)
        if self._cipher is None or self._nonce is None:
            return plain
        nonce = self._nonce(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, about)

    def unpack(self, blob: bytes, about: bytes) -> list[Message]:
        """Raises WireError."""
        try:
            if self._cipher is not None:
                blob = self._cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], about)
            return self._decode(blob)
        except (InvalidTag, ValueError, RecursionError) as error:
            raise WireError(str(error)) from None
