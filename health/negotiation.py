"""Asking a QUIC server for a round trip without a handshake: Version Negotiation (RFC 9000 §6, RFC 8999).

A first packet of a version that is reserved for this purpose makes a server answer with the versions it has: one
datagram each way, no keys, no state at the server. Versions of the form 0x?a?a?a?a exist so that this works
(RFC 9000 §15). The answer repeats our connection ids, which carry the probe's number. Servers may answer seldom or
never (§6.1): then the check counts as not answered by that far end.
"""

from __future__ import annotations

RESERVED_VERSION = 0x1A2A3A4A
DATAGRAM_BYTES = 1200  # the least a server takes for a first packet (RFC 9000 §14.1)
_LONG_HEADER = 0xC0
SECRET_BYTES = 8
_NUMBER_BYTES = 8


def question(secret: bytes, number: int) -> bytes:
    """The datagram. `secret`: 8 random bytes, the id by which the server is addressed; it comes back too."""
    source = number.to_bytes(_NUMBER_BYTES, "big")
    head = bytes((_LONG_HEADER,)) + RESERVED_VERSION.to_bytes(4, "big")
    return (head + bytes((len(secret),)) + secret + bytes((len(source),)) + source).ljust(DATAGRAM_BYTES, b"\0")


def answered(datagram: bytes, secret: bytes) -> int | None:
    """The number of the question that this datagram answers; None: it is something else."""
    if len(datagram) < 5 or not datagram[0] & 0x80 or datagram[1:5] != bytes(4):
        return None
    expected = bytes((_NUMBER_BYTES,))
    destination, rest = datagram[6 : 6 + _NUMBER_BYTES], datagram[6 + _NUMBER_BYTES :]
    if datagram[5:6] != expected or rest[: 1 + len(secret)] != bytes((len(secret),)) + secret:
        return None
    return int.from_bytes(destination, "big")
