"""What an adapter says about its system. Pure values: the stage writes the files and starts the commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Way = Literal["cold", "h1", "h2", "h3"]
"""How the load client talks: a new connection per request, kept alive HTTP/1.1, one HTTP/2 or HTTP/3 connection."""


PROVIDER_NAME = "provider.lab"
"""The provider's name in its certificate, for systems that don't match addresses; no resolver knows it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a system is put: a folder for its files, the far provider, the edge's own addresses, the load to expect."""

    folder: str
    python: str
    provider_host: str
    provider_port: int
    ca_file: str
    edge_host: str
    sources: tuple[tuple[str, str], ...]  # (line id, source address)
    streams: int
    relay_host: str = ""

    @property
    def provider_url(self) -> str:
        return f"https://{self.provider_host}:{self.provider_port}"


@dataclass(frozen=True, slots=True)
class Command:
    """A process in a namespace ("client", "edge" or "far"); it is ready when `port` accepts TCP connections.

    The port's address is `host`; "": the edge's or the provider's."""

    role: str
    argv: tuple[str, ...]
    port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = ""


@dataclass(frozen=True, slots=True)
class Base:
    """Where the load client connects. `prefix` comes before `/v1/…`; `ca_file` "" means no TLS."""

    host: str
    port: int
    way: Way = "h1"
    prefix: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """A system put in its place. `files` are written to the place's folder.

    `acquaintance`: seconds that its processes need, once they are ready, to get to know each other."""

    base: Base
    files: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()
    acquaintance: float = 0.0


class Adapter(Protocol):
    """A system that can be benchmarked."""

    @property
    def name(self) -> str: ...

    @property
    def lines(self) -> int:
        """How many lines it uses; the lab has as many, all of the same profile."""

    @property
    def congestion(self) -> str:
        """TCP congestion control in all namespaces, the provider's included."""

    @property
    def has_websocket(self) -> bool:
        """False: it takes no part under WebSocket conditions."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Programs without which it is reported as unavailable: names to be found in PATH, or files."""

    def setup(self, place: Place) -> Setup:
        """Its files, commands and address there."""
