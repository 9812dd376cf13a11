"""Bytes that a session's carriers took over one line, by cause. Integers that only go up: who wants rates looks twice.

Up is what this side sent, down what it received. Packets count with what they travel in (seal or TLS record, UDP or
TCP, IPv4), since that is what a line's capacity and its price are about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from transport.session.values import CarrierKind

UNDERNEATH = {CarrierKind.QUIC: 26 + 8 + 20, CarrierKind.TLS: 2 + 22 + 32 + 20}
"""Bytes of a packet that aren't the session's: sealed datagrams (`seal.OVERHEAD`), UDP, IPv4; or a length, a TLS 1.3
record, TCP with timestamps, IPv4 if every packet is a segment of its own."""


@dataclass(slots=True)
class Traffic:
    """One line's. Stream bytes by cause, and all bytes of packets; what no cause has is framing: heads of packets and
    frames, acknowledgements among other things, control frames.

    sent       first, bundled, resent, repeated: stream bytes (see `values.Tally`); copied: of packets that another line
               has too; idle: packets with nothing of a stream, which are heartbeats and bare acknowledgements
    received   fresh: stream bytes further than any that had come; again: others, so bundles, copies and resends
    """

    sent: int = 0
    first: int = 0
    bundled: int = 0
    resent: int = 0
    repeated: int = 0
    copied: int = 0
    idle: int = 0
    received: int = 0
    fresh: int = 0
    again: int = 0

    def causes(self) -> dict[str, dict[str, int]]:
        """By direction; the parts add up to the bytes of all packets."""
        up = {
            "first": self.first,
            "bundle": self.bundled,
            "resend": self.resent,
            "repeat": self.repeated,
            "copy": self.copied,
            "heartbeat": self.idle,
        }
        down = {"first": self.fresh, "again": self.again}
        return {
            "up": {**up, "framing": max(0, self.sent - sum(up.values()))},
            "down": {**down, "framing": max(0, self.received - sum(down.values()))},
        }


_NAMES = tuple(field.name for field in fields(Traffic))


def added(several: Iterable[Traffic]) -> Traffic:
    """All of them as one."""
    total = Traffic()
    for each in several:
        for name in _NAMES:
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total


def since(now: Mapping[str, Traffic], before: Mapping[str, Traffic]) -> dict[str, Traffic]:
    """By line, what has come on top of `before`."""
    nothing = Traffic()
    return {
        line: Traffic(*(getattr(each, name) - getattr(before.get(line, nothing), name) for name in _NAMES))
        for line, each in now.items()
    }
