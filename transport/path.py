"""Where a request can go: lines, targets, and the path that joins them. Values only; the shells act on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from msgspec import Struct

from transport.schedule import Window

LOCAL = "local"  # in place of a line's id: the local pool is reached without a line
DIRECT = "direct"  # in place of a relay's id, where a path is written


class Protocol(Enum):
    """HTTP versions as ALPN names (RFC 7301 registry), and what goes to a relay instead: no endpoint speaks that."""

    H1 = "http/1.1"
    H2 = "h2"
    H3 = "h3"
    SESSION = "farline"


HTTP = (Protocol.H1, Protocol.H2, Protocol.H3)
"""What endpoints speak."""


@dataclass(frozen=True, slots=True)
class Line:
    """One way out of the edge. Exactly one of `source`, `interface`, `proxy` is set, or none: the system's own route.

    `source` is a local IPv4 or IPv6 address; `interface` a device name (SO_BINDTODEVICE); `proxy` a URL
    `http://[user:pass@]host:port` (CONNECT, RFC 9110 §9.3.6) or `socks5://…` (RFC 1928/1929, names resolved by the
    proxy). `congestion` is a TCP congestion control name (tcp(7) TCP_CONGESTION), best effort.
    `capacity_mbps` 0 means unknown, `max_mbps` 0 no cap below it. `tier` 1 is primary; a line of a higher tier is used
    when none of a lower one can be. `avoid` is on the node's own clock.
    """

    id: str
    carrier: str = ""
    source: str | None = None
    interface: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    weight: float = 100.0
    capacity_mbps: float = 0.0
    cost_per_gb: float = 0.0
    congestion: str | None = None
    tier: int = 1
    max_mbps: float = 0.0
    avoid: tuple[Window, ...] = ()
    cost_per_month: float = 0.0  # for reports; routing goes by cost_per_gb


@dataclass(frozen=True, slots=True)
class Target:
    """A far end to connect to: one provider endpoint (or relay), as the transport sees it.

    `protocols` in order of preference. `ca_file` replaces the system's trust store (tests, private endpoints).
    `keep_warm` is the floor of ready connections per line, `max_connections` the ceiling per (line, protocol).
    """

    id: str
    host: str
    port: int
    tls: bool = True
    protocols: tuple[Protocol, ...] = (Protocol.H2, Protocol.H1)
    ca_file: str | None = None
    keep_warm: int = 0
    max_connections: int = 256

    @property
    def authority(self) -> str:
        """Host header / :authority: the port only where it isn't the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def relay_end(relay: str) -> str:
    """A relay's name where lines and endpoints have theirs, which never have a colon."""
    return f"relay:{relay}"


class Path(Struct, frozen=True, gc=False):
    """(line, endpoint) direct, or (lines, relay, endpoint). Ids only, so a path can key tables and labels.

    Through a relay `line` names all lines of its session, joined with "+": which of them carries what is the session's
    business, from packet to packet.
    """

    line: str
    endpoint: str
    relay: str | None = None

    @property
    def way(self) -> str:
        """What fails together on this side of the endpoint: the line, or the relay with the session to it."""
        return self.line if self.relay is None else relay_end(self.relay)

    def __str__(self) -> str:
        return f"{self.line}/{self.relay or DIRECT}/{self.endpoint}"
