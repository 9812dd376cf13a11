"""The systems under test. Each is an `Adapter`; to add one, write it and name it in `ADAPTERS` (docs/benchmark.md)."""

from __future__ import annotations

from netem.bench.systems.direct import DIRECT
from netem.bench.systems.farline import FARLINE
from netem.bench.systems.litellm import LiteLlm
from netem.bench.systems.proxies import HaProxy, Nginx
from netem.bench.systems.relay import RELAYED
from netem.bench.systems.setup import Adapter

_ALL: tuple[Adapter, ...] = (*DIRECT, Nginx(), HaProxy(), LiteLlm(), *FARLINE, *RELAYED)
ADAPTERS: dict[str, Adapter] = {each.name: each for each in _ALL}


def adapter(name: str) -> Adapter:
    """The system of that name. Raises ValueError that lists the names."""
    try:
        return ADAPTERS[name]
    except KeyError:
        raise ValueError(f"no system {name!r}; there are {', '.join(ADAPTERS)}") from None
