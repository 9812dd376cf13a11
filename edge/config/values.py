"""What several sections are made of: secrets, and addresses to listen on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A resolved secret. `ref` is how the file names it (`env:NAME`, `file:PATH`); the value never prints."""

    ref: str
    value: str = field(repr=False)

    def __str__(self) -> str:
        return self.ref


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: `host:port`, `[v6]:port`, or `unix:/path` (then port is 0 and host the path)."""

    host: str
    port: int
    unix: bool = False

    def __str__(self) -> str:
        if self.unix:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
