"""farline as the edge, straight to the provider over one or several lines. Run as a command, as its users run it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from netem.bench.systems.setup import Base, Command, Place, Setup

PORT = 8080
_ALPN = {"h1": "http/1.1", "h2": "h2", "h3": "h3"}


@dataclass(frozen=True, slots=True)
class FarlineDirect:
    """`protocol` is what it speaks to the provider; warm connections on every line."""

    lines: int
    protocol: str = "h1"
    congestion: str = "bbr"
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"farline-{self.lines}" + ("" if self.protocol == "h1" else f"-{self.protocol}")

    @property
    def has_websocket(self) -> bool:
        return self.protocol == "h1"

    def setup(self, place: Place) -> Setup:
        argv = (place.python, "-m", "edge.cli", "edge", "-c", f"{place.folder}/edge.toml")
        base = Base(place.edge_host, PORT, prefix="/openai")
        return Setup(base, {"edge.toml": self.configuration(place)}, (Command("edge", argv, PORT),))

    def configuration(self, place: Place) -> str:
        """The edge's file: as many warm connections per line as there may be streams, one where they multiplex."""
        warm = place.streams if self.protocol == "h1" else 1
        rows = [f'[listen]\ndata = ["{place.edge_host}:{PORT}"]\nadmin = false']
        for id, source in place.sources:
            rows.append(f'[[line]]\nid = "{id}"\nsource = "{source}"\ncongestion = "{self.congestion}"')
        rows.append(
            f'[[provider]]\nid = "openai"\n[[provider.endpoint]]\nurl = "{place.provider_url}"\n'
            f"ca_file = {json.dumps(place.ca_file)}\nprotocols = {json.dumps([_ALPN[self.protocol]])}\n"
            f"keep_warm = {warm}"
        )
        return "\n".join(rows) + "\n"


FARLINE = tuple(FarlineDirect(lines, protocol) for lines in (1, 2, 3) for protocol in _ALPN)
