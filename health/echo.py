"""ICMP echo replies as they come out of a socket (RFC 792, RFC 4443 §4.2), and what we put into requests.

The payload is what tells a reply: 8 random bytes of this process and a number. The identifier can't be relied on
(datagram sockets get theirs from the kernel), and a raw socket hears the replies to everybody's requests.
"""

from __future__ import annotations

_REPLY_TYPES = {False: 0, True: 129}
_HEADER_BYTES = 8
SECRET_BYTES = 8
NUMBER_BYTES = 8


def payload(secret: bytes, number: int) -> bytes:
    """A request's payload."""
    return secret + number.to_bytes(NUMBER_BYTES, "big")


def answered(packet: bytes, secret: bytes, *, six: bool, with_ip_header: bool) -> int | None:
    """The number of the request that this packet is the reply to; None: it is something else.

    `with_ip_header`: raw IPv4 sockets deliver it too.
    """
    start = (packet[0] & 0x0F) * 4 if with_ip_header and packet else 0
    body = start + _HEADER_BYTES
    end = body + SECRET_BYTES
    if len(packet) < end + NUMBER_BYTES or packet[start] != _REPLY_TYPES[six] or packet[body:end] != secret:
        return None
    return int.from_bytes(packet[end : end + NUMBER_BYTES], "big")
