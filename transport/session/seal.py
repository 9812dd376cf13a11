"""Datagrams of the lean carrier: one packet each, sealed with AES-128-GCM under keys that came through TLS.

    kind 3 bits (001) · epoch 5 bits · connection 32 bits · number 40 bits · sealed packet, 16 bytes longer than it

Both sides put 32 random bytes each into the TLS connection (`setup`); from these come a secret for each direction, and
from a secret the key and the nonces (HKDF, RFC 5869). The number rises by one with each datagram of a direction and is
never repeated, so no nonce is. After `EPOCH_DATAGRAMS` or `EPOCH_SECONDS` a sender moves to the next epoch, whose
secret is derived from the last, which is then forgotten: who breaks in later can't read what was. A receiver follows
when a datagram of the next epoch is authentic, and keeps the epoch before for what was overtaken.
"""

from __future__ import annotations

from math import inf

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

SECRET_BYTES = 32
HEADER_BYTES = 10
OVERHEAD = HEADER_BYTES + 16
EPOCH_DATAGRAMS = 1 << 22
"""AES-GCM stays confidential for 2^23 records of this size under one key (RFC 9001 §B.1.1)."""
EPOCH_SECONDS = 3600.0

_KIND = 0x20
_KIND_MASK = 0xE0
_EPOCHS = 32
_LAST_NUMBER = (1 << 40) - 1


class Worn(Exception):
    """All numbers are used up: the carrier has to be made anew."""


def secrets(edge: bytes, relay: bytes, connection: int) -> tuple[bytes, bytes]:
    """(edge to relay, relay to edge) from what each side contributed, SECRET_BYTES each."""
    both = HKDF(SHA256(), 64, None, b"farline datagrams 1" + connection.to_bytes(4, "big")).derive(edge + relay)
    return both[:32], both[32:]


def connection_of(datagram: bytes) -> int | None:
    """Whose it may be; None if it is no datagram of this kind."""
    if len(datagram) < OVERHEAD or datagram[0] & _KIND_MASK != _KIND:
        return None
    return int.from_bytes(datagram[1:5], "big")


class _Epoch:
    """The key and nonces of one epoch, and the secret of the next."""

    __slots__ = ("aead", "iv", "next", "number")

    def __init__(self, secret: bytes, number: int) -> None:
        self.number = number
        self.aead = AESGCM(_expand(secret, b"key", 16))
        self.iv = int.from_bytes(_expand(secret, b"iv", 12), "big")
        self.next = _expand(secret, b"next", SECRET_BYTES)

    def successor(self) -> _Epoch:
        return _Epoch(self.next, self.number + 1)


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    return HKDFExpand(SHA256(), size, b"farline " + label).derive(secret)


class Sealer:
    """One direction's sending side."""

    __slots__ = ("_connection", "_epoch", "_number", "_prefix", "_turn_at", "_turn_number")

    def __init__(self, secret: bytes, connection: int, now: float) -> None:
        self._connection = connection.to_bytes(4, "big")
        self._number = 0
        self._enter(_Epoch(secret, 0), now)

    def seal(self, packet: bytes, now: float) -> bytes:
        """The datagram for a packet. Raises Worn after 2^40 of them."""
        number = self._number
        if number >= self._turn_number or now >= self._turn_at:
            self._enter(self._epoch.successor(), now)
        if number > _LAST_NUMBER:
            raise Worn
        self._number = number + 1
        header = self._prefix + number.to_bytes(5, "big")
        epoch = self._epoch
        return header + epoch.aead.encrypt((epoch.iv ^ number).to_bytes(12, "big"), packet, header)

    def _enter(self, epoch: _Epoch, now: float) -> None:
        self._epoch = epoch
        self._prefix = bytes((_KIND | epoch.number % _EPOCHS,)) + self._connection
        self._turn_at = now + EPOCH_SECONDS
        self._turn_number = self._number + EPOCH_DATAGRAMS


class Opener:
    """One direction's receiving side. `received` datagrams were authentic, of which `highest` is the newest's number
    (-1: none); `rejected` weren't."""

    __slots__ = ("_before", "_epoch", "highest", "received", "rejected")

    def __init__(self, secret: bytes) -> None:
        self._epoch = _Epoch(secret, 0)
        self._before: _Epoch | None = None
        self.highest = -1
        self.received = 0
        self.rejected = 0

    def open(self, datagram: bytes) -> bytes | None:
        """The packet; None if the datagram isn't authentic. It may be a repetition: packets have their own numbers."""
        number = int.from_bytes(datagram[5:HEADER_BYTES], "big")
        current = self._epoch
        epoch: _Epoch | None = current
        if datagram[0] & 0x1F != current.number % _EPOCHS:
            epoch = self._other(datagram[0] & 0x1F)
        packet = None if epoch is None else _opened(epoch, number, datagram)
        if packet is None:
            self.rejected += 1
            return None
        assert epoch is not None
        if epoch.number > current.number:
            self._before, self._epoch = current, epoch
        if number > self.highest:
            self.highest = number
        self.received += 1
        return packet

    def _other(self, low: int) -> _Epoch | None:
        """The epoch before, or the next one."""
        if low == (self._epoch.number + 1) % _EPOCHS:
            return self._epoch.successor()
        if self._before is not None and low == self._before.number % _EPOCHS:
            return self._before
        return None


def _opened(epoch: _Epoch, number: int, datagram: bytes) -> bytes | None:
    nonce = (epoch.iv ^ number).to_bytes(12, "big")
    try:
        return epoch.aead.decrypt(nonce, datagram[HEADER_BYTES:], datagram[:HEADER_BYTES])
    except InvalidTag:
        return None


class LossMeter:
    """How many datagrams of a direction don't arrive, from their numbers: a ratio over about `WINDOW` of them."""

    WINDOW = 200.0
    __slots__ = ("_expected", "_highest", "_missing", "_received", "changed_at")

    def __init__(self) -> None:
        self._highest = -1
        self._received = 0
        self._expected = self._missing = 0.0
        self.changed_at = -inf

    @property
    def ratio(self) -> float:
        return max(self._missing, 0.0) / self._expected if self._expected >= 20 else 0.0

    def look(self, opener: Opener, now: float) -> float:
        """Takes the opener's counts in; returns the ratio. What is only late counts as missing until it arrives."""
        more, came = opener.highest - self._highest, opener.received - self._received
        if not more and not came:
            return self.ratio
        self._highest, self._received, self.changed_at = opener.highest, opener.received, now
        fade = max(1.0 - more / self.WINDOW, 0.0)
        self._expected = self._expected * fade + more
        self._missing = self._missing * fade + more - came
        return self.ratio
