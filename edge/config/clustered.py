"""Sections of nodes that act as one, as frozen values: see `edge.config.model`."""

from __future__ import annotations

from dataclasses import dataclass

from cache.address import RedisAddress
from edge.config.values import Address, Secret


@dataclass(frozen=True, slots=True)
class Cluster:
    """[cluster]: nodes that act as one through a Redis they share; without `redis` the node is alone.

    `address`: where clients reach this node, `addresses` its IP addresses as they see them. `geo_file`: a MaxMind
    database that knows where addresses are. `config`: the channel whose published configuration this node takes, signed
    with one of `config_keys` (fingerprints) if there are any.
    """

    redis: RedisAddress | None = None
    password: Secret | None = None
    ca_file: str | None = None
    id: str = "farline"
    address: str = ""
    share: tuple[str, ...] = ("controls", "penalties")
    geo_file: str | None = None
    addresses: tuple[str, ...] = ()
    config: str | None = None
    config_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dns:
    """[dns]: this node tells resolvers which edges are near a client; without `zone` it doesn't."""

    listen: tuple[Address, ...] = (Address("0.0.0.0", 53),)
    zone: str | None = None
    nameservers: tuple[str, ...] = ()
    contact: str = ""  # "": hostmaster in the zone
    ttl_seconds: int = 20
    answers: int = 2  # addresses of each family for the zone's own name
    rate_per_second: float = 50.0  # answers by UDP to one network; 0: no bound


@dataclass(frozen=True, slots=True)
class Published:
    """What a snapshot has from the published configuration, which is kept in `file`. `number` 0: there is none yet."""

    channel: str
    file: str
    number: int = 0
    digest: str = ""
    at: float = 0.0  # UTC seconds
    who: str = ""
