"""Where a Redis is: one URL for a single server, a Cluster, or Sentinels.

    redis://[USER@]HOST[:6379][/DATABASE]
    redis+cluster://[USER@]HOST[:6379][,HOST[:PORT]…]
    redis+sentinel://[USER@]HOST[:26379][,HOST[:PORT]…]/MASTER[/DATABASE]

`rediss` instead of `redis` is the same over TLS. There is no place for a password: it comes by reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_PORTS = {"single": 6379, "cluster": 6379, "sentinel": 26379}


class BadAddress(ValueError):
    """`args[0]` says what is wrong, for people."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """`kind`: "single", "cluster" or "sentinel". `hosts` are seeds for a cluster, sentinels for Sentinel."""

    kind: str
    hosts: tuple[tuple[str, int], ...]
    user: str | None = None
    database: int = 0
    master: str = ""
    is_tls: bool = False


def parse_address(url: str) -> RedisAddress:
    """Raises BadAddress."""
    split = urlsplit(url)
    family, _, kind = split.scheme.partition("+")
    kind = kind or "single"
    if family not in ("redis", "rediss") or kind not in _PORTS:
        raise BadAddress("not redis://, rediss://, redis+cluster:// or redis+sentinel://")
    if split.query or split.fragment:
        raise BadAddress("no query or fragment is known here")
    userinfo, _, netloc = split.netloc.rpartition("@")
    if ":" in userinfo:
        raise BadAddress("no password in a URL: give it by reference")
    hosts = tuple(_host(text, _PORTS[kind]) for text in netloc.split(","))
    if kind == "single" and len(hosts) > 1:
        raise BadAddress("several hosts need redis+cluster:// or redis+sentinel://")
    segments = [unquote(part) for part in split.path.split("/")[1:] if part]
    master = _master(segments) if kind == "sentinel" else ""
    return RedisAddress(kind, hosts, unquote(userinfo) or None, _database(kind, segments), master, family == "rediss")


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        split = urlsplit(f"//{text}")
        host, found = split.hostname, split.port
    except ValueError:
        raise BadAddress(f"not a host and port: {text!r}") from None
    if not host or split.path:
        raise BadAddress(f"not a host and port: {text!r}")
    return host, port if found is None else found


def _master(segments: list[str]) -> str:
    if not segments:
        raise BadAddress("sentinels need the name of their master: redis+sentinel://HOST/NAME")
    return segments.pop(0)


def _database(kind: str, segments: list[str]) -> int:
    if not segments:
        return 0
    if kind == "cluster" or len(segments) > 1 or not segments[0].isascii() or not segments[0].isdigit():
        raise BadAddress("after the hosts stands at most the database's number, and none for a cluster")
    return int(segments[0])
