"""No system at all: the client talks to the provider over line 1, as an SDK does without farline."""

from __future__ import annotations

from dataclasses import dataclass

from netem.bench.systems.setup import Base, Place, Setup, Way


@dataclass(frozen=True, slots=True)
class Direct:
    """A client with TLS to the provider."""

    name: str
    way: Way
    congestion: str
    lines: int = 1
    needs: tuple[str, ...] = ()

    @property
    def has_websocket(self) -> bool:
        return self.way in ("cold", "h1")

    def setup(self, place: Place) -> Setup:
        return Setup(Base(place.provider_host, place.provider_port, self.way, ca_file=place.ca_file))


DIRECT = (
    Direct("cold-cubic", "cold", "cubic"),
    Direct("cold-bbr", "cold", "bbr"),
    Direct("direct-cubic", "h1", "cubic"),
    Direct("direct-bbr", "h1", "bbr"),
    Direct("h2-bbr", "h2", "bbr"),
    Direct("h3-cubic", "h3", "cubic"),
)
