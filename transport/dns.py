"""A cache of resolved names: fresh answers, failures, and stale answers while resolvers fail (RFC 8767).

Addresses are literals as text, in the resolver's order. The cache only remembers: the shell resolves.

    get  -> Answer      use it; `refresh`: resolve again in the background, nobody needs to wait
         -> NameFailure resolving failed a moment ago: fail at once
         -> None        resolve now, then `store` or `fail`
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DnsPolicy:
    """Times in seconds. getaddrinfo(3) tells no TTL, so one is assumed.

    `refresh_ahead` is the share of the TTL after which a name in use is resolved again before it expires;
    `failure_recheck` is how long a stale answer is served before the resolver is asked again (RFC 8767 §5).
    """

    ttl: float = 60.0
    negative_ttl: float = 5.0
    stale: float = 86_400.0
    failure_recheck: float = 30.0
    refresh_ahead: float = 0.8


@dataclass(frozen=True, slots=True)
class Answer:
    """Addresses to use. `refresh`: the caller should begin one new resolution."""

    addresses: tuple[str, ...]
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class NameFailure:
    """The name could not be resolved; `code` is a `transport.failure.Code`."""

    code: str
    detail: str


@dataclass(slots=True)
class _Entry:
    addresses: tuple[str, ...]
    expires_at: float
    refresh_at: float
    stale_until: float


class DnsCache:
    """Not bounded by itself: it holds one entry per configured host."""

    def __init__(self, policy: DnsPolicy | None = None) -> None:
        self._policy = policy or DnsPolicy()
        self._entries: dict[str, _Entry] = {}
        self._failures: dict[str, tuple[NameFailure, float]] = {}

    def get(self, host: str, now: float) -> Answer | NameFailure | None:
        """What is known about `host`. A refresh is asked for once: the caller must answer with `store` or `fail`."""
        entry = self._entries.get(host)
        if entry is not None and now < entry.expires_at:
            refresh = now >= entry.refresh_at
            if refresh:
                entry.refresh_at = entry.expires_at
            return Answer(entry.addresses, refresh)
        failed = self._failures.get(host)
        if failed is not None and now < failed[1]:
            return failed[0]
        return None

    def store(self, host: str, addresses: tuple[str, ...], now: float) -> None:
        """A resolution succeeded with at least one address."""
        policy = self._policy
        expires_at = now + policy.ttl
        self._entries[host] = _Entry(
            addresses, expires_at, now + policy.ttl * policy.refresh_ahead, expires_at + policy.stale
        )
        self._failures.pop(host, None)

    def fail(self, host: str, failure: NameFailure, now: float) -> Answer | NameFailure:
        """A resolution failed: the stale answer if there is one, else the failure, remembered for a short while."""
        entry = self._entries.get(host)
        if entry is not None and now < entry.stale_until:
            entry.expires_at = max(entry.expires_at, now + self._policy.failure_recheck)
            entry.refresh_at = entry.expires_at
            return Answer(entry.addresses)
        self._entries.pop(host, None)
        self._failures[host] = (failure, now + self._policy.negative_ttl)
        return failure
