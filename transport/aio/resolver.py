"""Names to addresses: getaddrinfo(3) in a thread, behind the cache of `transport.dns`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from transport.aio.tasks import TaskOwner
from transport.dialing import endpoint_fault
from transport.dns import Answer, DnsCache, NameFailure
from transport.failure import Code, TransportError


class Resolver:
    """Shared by all lines: an endpoint's name means the same on each. Not for use by several event loops."""

    def __init__(
        self,
        cache: DnsCache | None = None,
        timeout: float = 3.0,
        look_up: Callable[[str], Awaitable[tuple[str, ...]]] | None = None,
    ) -> None:
        """`timeout` seconds for one resolution; a stale answer is used after that, if there is one. `look_up` replaces
        getaddrinfo(3); it raises OSError when it finds nothing."""
        self._look_up_host = look_up or _getaddrinfo
        self._cache = cache or DnsCache()
        self._timeout = timeout
        self._tasks = TaskOwner("name resolution")
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def resolve(self, host: str) -> tuple[str, ...]:
        """The host's addresses; a literal is its own.

        Raises:
            TransportError: dns_error or dns_timeout, origin ENDPOINT (every line is concerned alike), verdict SAFE.
        """
        if _is_literal(host):
            return (host,)
        known = self._cache.get(host, time.monotonic())
        if known is None:
            await self._resolve(host)
            known = self._cache.get(host, time.monotonic())
        elif isinstance(known, Answer) and known.refresh:
            self._begin(host)
        if isinstance(known, Answer):
            return known.addresses
        failure = known or NameFailure(Code.DNS_ERROR, "no answer")
        raise TransportError(endpoint_fault(failure.code, f"{host}: {failure.detail}"))

    async def close(self) -> None:
        """Ends background work. A thread inside getaddrinfo(3) can't be stopped: it ends by itself."""
        await self._tasks.close()

    async def _resolve(self, host: str) -> None:
        """Waits for the one resolution of this host that is under way; cancelling the wait doesn't end it."""
        self._begin(host)
        await asyncio.shield(self._under_way[host])

    def _begin(self, host: str) -> None:
        if host not in self._under_way:
            done = self._under_way[host] = asyncio.get_running_loop().create_future()
            self._tasks.start(self._look_up(host, done))

    async def _look_up(self, host: str, done: asyncio.Future[None]) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._look_up_host(host)
            self._cache.store(host, found, time.monotonic())
        except TimeoutError:
            self._fail(host, Code.DNS_TIMEOUT, f"no answer in {self._timeout:g} s")
        except (OSError, UnicodeError) as error:
            self._fail(host, Code.DNS_ERROR, getattr(error, "strerror", None) or str(error))
        finally:
            del self._under_way[host]
            done.set_result(None)

    def _fail(self, host: str, code: str, detail: str) -> None:
        self._cache.fail(host, NameFailure(code, detail), time.monotonic())


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _getaddrinfo(host: str) -> tuple[str, ...]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
