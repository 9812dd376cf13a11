"""Entries as bytes: msgpack, zstd, a checksum or AES-GCM; and back, trusting nothing.

    frame = "FLC" version flags dictionary plain_size:4 | tag:16 | payload            without encryption
            "FLC" version flags dictionary plain_size:4 | nonce:12 | payload+tag      with it

The checksum (BLAKE2b) and the authentication tag cover the head and the entry's key as well, so that no entry is taken
for another one's. With a key, entries without encryption are not accepted: else whoever can write to the store could
leave it out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from struct import Struct as Layout

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cache.entry import Entry
from cache.skeleton import DICTIONARIES, NEWEST

VERSION = 1
_MAGIC = b"FLC"
_HEAD = Layout(">3sBBBI")
_ENCRYPTED = 1
_NONCE_BYTES, _TAG_BYTES = 12, 16
_LARGEST_BYTES = 64 * 1024 * 1024  # of an entry, decompressed: more than any rule should allow


class Unreadable(Exception):
    """These bytes are no entry of ours under this key: damaged, foreign, of another version, or another secret's."""


class Sealer:
    """Packs and unpacks entries. Not for use by two threads at once (zstd's contexts aren't).

    `secret`: 16, 24 or 32 bytes for AES-GCM, or None. `nonce` draws that many unpredictable bytes (os.urandom): with
    random nonces of 96 bits one secret is good for 2³² entries (NIST SP 800-38D §8.3). Raises ValueError for another
    length.
    """

    def __init__(
        self, secret: bytes | None = None, nonce: Callable[[int], bytes] | None = None, level: int = 1
    ) -> None:
        if (secret is None) != (nonce is None):
            raise ValueError("a secret needs a source of nonces")
        self._cipher = AESGCM(secret) if secret is not None else None
        self._nonce = nonce
        dictionaries = {number: _dictionary(text) for number, text in DICTIONARIES.items()}
        self._compressor = zstandard.ZstdCompressor(
            level, dict_data=dictionaries[NEWEST], write_checksum=False, write_content_size=True
        )
        self._decompressors = {
            number: zstandard.ZstdDecompressor(dict_data=text) for number, text in dictionaries.items()
        }
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Entry).decode

    def seal(self, entry: Entry, digest: bytes) -> bytes:
        """`digest` is the key's. Raises ValueError for an entry over 64 MiB."""
        return self.seal_bytes(self._encode(entry), digest)

    def seal_bytes(self, plain: bytes, digest: bytes) -> bytes:
        """The same for what isn't an entry, but lies in the same stores."""
        if len(plain) > _LARGEST_BYTES:
            raise ValueError("an entry over 64 MiB")
        packed = self._compressor.compress(plain)
        head = _HEAD.pack(_MAGIC, VERSION, _ENCRYPTED if self._cipher else 0, NEWEST, len(plain))
        if self._cipher is None or self._nonce is None:
            return b"".join((head, _checksum(head, digest, packed), packed))
        nonce = self._nonce(_NONCE_BYTES)
        return b"".join((head, nonce, self._cipher.encrypt(nonce, packed, head + digest)))

    def open(self, blob: bytes, digest: bytes) -> Entry:
        """What `seal` was given. Raises Unreadable."""
        try:
            entry = self._decode(self.open_bytes(blob, digest))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Unreadable(str(error)) from None
        if sum(length for length, _ in entry.chunks) != len(entry.body) or any(
            n < 0 for pair in entry.chunks for n in pair
        ):
            raise Unreadable("chunks that aren't the body's")
        return entry

    def open_bytes(self, blob: bytes, digest: bytes) -> bytes:
        """What `seal_bytes` was given. Raises Unreadable."""
        if len(blob) < _HEAD.size + _TAG_BYTES:
            raise Unreadable("too short")
        magic, version, flags, number, size = _HEAD.unpack_from(blob)
        if magic != _MAGIC or version != VERSION or size > _LARGEST_BYTES or number not in self._decompressors:
            raise Unreadable("not an entry of this version")
        packed = self._verified(blob, digest, flags)
        try:
            return self._decompressors[number].decompress(packed, max_output_size=size)
        except zstandard.ZstdError as error:
            raise Unreadable(str(error)) from None

    def _verified(self, blob: bytes, digest: bytes, flags: int) -> bytes:
        """The payload, authenticated or at least undamaged."""
        head = blob[: _HEAD.size]
        if flags != (_ENCRYPTED if self._cipher else 0):
            raise Unreadable("encrypted otherwise than configured")
        if self._cipher is None:
            tag, packed = blob[_HEAD.size : _HEAD.size + _TAG_BYTES], blob[_HEAD.size + _TAG_BYTES :]
            if not hmac.compare_digest(tag, _checksum(head, digest, packed)):
                raise Unreadable("checksum")
            return packed
        nonce, packed = blob[_HEAD.size : _HEAD.size + _NONCE_BYTES], blob[_HEAD.size + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, packed, head + digest)
        except InvalidTag:
            raise Unreadable("authentication tag") from None


def _checksum(head: bytes, digest: bytes, packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=_TAG_BYTES, key=digest, person=head[: _HEAD.size]).digest()


def _dictionary(text: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(text, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
