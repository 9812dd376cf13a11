"""Connections to Redis, none of whose calls can last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from cache.address import RedisAddress

AnyRedis = Redis | RedisCluster


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """How to get in, and how long a connection or an answer may take (seconds). Files are PEM."""

    password: str | None = None
    authority: str | None = None  # None: the system's certificate authorities
    certificate: str | None = None  # ours, for servers that want one
    key: str | None = None
    connect_timeout: float = 1.0
    timeout: float = 2.0
    connections: int = 8


@dataclass(frozen=True, slots=True)
class RedisClient:
    """`client`, and `close` for all that was opened on its behalf."""

    client: AnyRedis
    close: Callable[[], Awaitable[None]]


def connect(address: RedisAddress, access: RedisAccess) -> RedisClient:
    """Opens nothing yet: the first call does."""
    options = _options(address, access)
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        options["retry"] = Retry(NoBackoff(), 2)  # here it means: ask for the cluster's layout again, and repeat
        cluster = RedisCluster(startup_nodes=nodes, **options)
        return RedisClient(cluster, cluster.aclose)
    options["db"] = address.database
    if address.kind == "sentinel":
        return _by_sentinel(address, options)
    host, port = address.hosts[0]
    single = Redis(host=host, port=port, **options)
    return RedisClient(single, single.aclose)


def _by_sentinel(address: RedisAddress, options: dict[str, Any]) -> RedisClient:
    """Sentinels get TLS and time bounds as the server does, but no password of the server's."""
    asking = {name: value for name, value in options.items() if name not in ("username", "password", "db")}
    sentinel = Sentinel(list(address.hosts), sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]  # no annotations there
    master: Redis = sentinel.master_for(address.master)

    async def close() -> None:
        await master.aclose()
        for asked in sentinel.sentinels:
            await asked.aclose()

    return RedisClient(master, close)


def _options(address: RedisAddress, access: RedisAccess) -> dict[str, Any]:
    """No retries inside: whoever calls has a time bound, and a circuit that decides about further calls."""
    options: dict[str, Any] = {
        "username": address.user,
        "password": access.password,
        "socket_connect_timeout": access.connect_timeout,
        "socket_timeout": access.timeout,
        "max_connections": access.connections,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,  # what every version speaks; nothing here needs more
    }
    if address.is_tls:
        options |= {
            "ssl": True,
            "ssl_ca_certs": access.authority,
            "ssl_certfile": access.certificate,
            "ssl_keyfile": access.key,
        }
    return options
