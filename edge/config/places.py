"""Parsers for values that name a place on the network: addresses to listen on, addresses of lines, URLs."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from cache.address import BadAddress, RedisAddress, parse_address
from edge.config.fault import KeyPath, kind, shown
from edge.config.kinds import text
from edge.config.model import Address
from edge.config.reading import Reading, Wrong
from edge.config.secret import secret

_HOST = re.compile(r"(?=.{1,253}$)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")
_NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]*)(\.(0[xX][0-9A-Fa-f]*|[0-9]*))*")  # what inet_aton(3) might take
_LISTEN = '"host:port", "[v6]:port" or "unix:/path"'
_PROXY = '"http://host:port" or "socks5://host:port"'
_PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
_PRIVATE_NAMES = (".localhost", ".local", ".internal")


@dataclass(frozen=True, slots=True)
class Url:
    """A base URL in parts; `path` has no trailing slash."""

    text: str
    scheme: str
    host: str
    port: int
    path: str


def redis_address(reading: Reading, path: KeyPath, value: object) -> RedisAddress:
    """A Redis, a Redis Cluster, or one behind Sentinels; no password in it."""
    wanted = '"redis://host", "rediss://host", "redis+cluster://host" or "redis+sentinel://host/name"'
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", wanted)
    try:
        return parse_address(value)
    except BadAddress as bad:
        told = "the URL" if "@" in value else shown(value)  # what stands there may be a password
        raise Wrong(f"{told} can't be used: {bad}", wanted) from None


def is_private(host: str) -> bool:
    """A loopback, link-local or private address, or a name that can't be public (single label, .local, .internal)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_NAMES)
    return any(address in block for block in _PRIVATE if block.version == address.version)


def is_loopback(address: Address) -> bool:
    """Can only this machine reach the listener?"""
    if address.unix or address.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return False


def listen_address(reading: Reading, path: KeyPath, value: object) -> Address:
    """`host:port`, `[v6]:port` or `unix:/path`; port 0 takes a free one."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _LISTEN)
    if value.startswith("unix:"):
        return _unix_address(reading, value)
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise Wrong(f"{shown(value)} has no port from 0 to 65535", _LISTEN)
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not (_is_ip(host, 6) if bracketed else _is_host(host)):
        raise Wrong(f"{shown(value)} is not an address", _LISTEN)
    return Address(host, int(port))


def _unix_address(reading: Reading, value: str) -> Address:
    name = value.removeprefix("unix:")
    if not name or "\0" in name or len(name.encode()) > 107:  # sun_path, unix(7)
        raise Wrong(f"{shown(value)} is not a socket path of 1 to 107 bytes", _LISTEN)
    return Address(reading.resolve(name), 0, unix=True)


def data_addresses(reading: Reading, path: KeyPath, value: object) -> tuple[Address, ...]:
    """One address, or an array of them."""
    if isinstance(value, str):
        return (listen_address(reading, path, value),)
    if not isinstance(value, list):
        raise Wrong(f"is {kind(value)}", f"an array of {_LISTEN}")
    if not value:
        raise Wrong("is empty", f"an array of {_LISTEN}")
    found: list[Address] = []
    for index, element in enumerate(value):
        try:
            found.append(listen_address(reading, (*path, index), element))
        except Wrong as wrong:
            reading.fault((*path, index), wrong.problem, wrong.expected)
    return tuple(found)


def session_addresses(reading: Reading, path: KeyPath, value: object) -> tuple[Address, ...]:
    """As `data_addresses`, but every one is an IP address: replies have to leave from where the edge sent to."""
    found: list[Address] = []
    for index, address in enumerate(data_addresses(reading, path, value)):
        if address.unix or not (_is_ip(address.host, 4) or _is_ip(address.host, 6)):
            where = (*path, index) if isinstance(value, list) else path
            reading.fault(where, f"{shown(str(address))} is not an IP address with a port", '"0.0.0.0:4433"')
        else:
            found.append(address)
    return tuple(found)


def far_address(reading: Reading, path: KeyPath, value: object) -> Address:
    """Where another node listens: `host:port` or `[v6]:port`."""
    address = listen_address(reading, path, value)
    if address.unix or address.port == 0 or address.host in ("0.0.0.0", "::"):
        raise Wrong(f"{shown(value)} is not the address of another node", '"host:port" or "[v6]:port"')
    return address


def admin_address(reading: Reading, path: KeyPath, value: object) -> Address | None:
    """An address; "" or false for none."""
    return None if value is False or value == "" else listen_address(reading, path, value)


def directory(reading: Reading, path: KeyPath, value: object) -> str:
    """A directory, which needn't exist yet; relative names are relative to the configuration file."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Wrong(
            f"is {kind(value)}" if not isinstance(value, str) else f"{shown(value)} is not valid", "a directory"
        )
    return reading.resolve(value)


def readable_file(reading: Reading, path: KeyPath, value: object) -> str:
    """A file that can be read; relative names are relative to the configuration file."""
    if not isinstance(value, str) or not value:
        raise Wrong(f"is {kind(value)}" if value != "" else "is empty", "the name of a file")
    return reading.content(value)[0]


def ip_address(reading: Reading, path: KeyPath, value: object) -> str:
    """An IPv4 or IPv6 address of this machine."""
    if not isinstance(value, str) or "%" in value or not (_is_ip(value, 4) or _is_ip(value, 6)):
        raise Wrong(f"{shown(value)} is not an IP address", 'an address of this machine such as "10.20.0.2"')
    return str(ipaddress.ip_address(value))


def domain(reading: Reading, path: KeyPath, value: object) -> str:
    """A domain name of at least two labels, lower-case, without the dot at its end."""
    name = value.rstrip(".") if isinstance(value, str) else ""
    if not _HOST.fullmatch(name) or _NUMERIC.fullmatch(name) or "." not in name:
        raise Wrong(f"{shown(value)} is not a domain name", 'one such as "edge.example.com"')
    return name.lower()


def proxy_url(reading: Reading, path: KeyPath, value: object) -> str:
    """The URL of an outbound proxy. One with a password may only come from `env:` or `file:`."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _PROXY)
    hidden = value.startswith(("env:", "file:"))
    url = secret(reading, path, value).value if hidden else value
    parts = _split(url, "the value" if hidden else shown(value), _PROXY)
    if not hidden and "@" in url:
        raise Wrong("holds a user or password in the clear", 'the whole URL as "env:NAME" or "file:PATH"')
    if parts.scheme not in ("http", "socks5") or parts.port is None or parts.path.strip("/") or "?" in url:
        raise Wrong(f"{'the value' if hidden else shown(value)} is not a proxy's URL", _PROXY)
    return url.rstrip("/")


def base_url(reading: Reading, path: KeyPath, value: object) -> Url:
    """https://host[:port][/path]; http:// only towards private addresses."""
    wanted = '"https://host[:port][/path]"'
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", wanted)
    parts = _split(value, shown(value), wanted)
    if parts.scheme not in ("https", "http"):
        raise Wrong(f"{shown(value)} has no https:// in front", wanted)
    if "@" in parts.netloc:
        raise Wrong("holds a user or password in the clear", 'credential = "env:NAME" or "file:PATH"')
    if "?" in value or "#" in value or not re.fullmatch(r"[!-~]*", parts.path):
        raise Wrong(f"{shown(value)} has a query, a fragment or blanks", wanted)
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_private(host):
        raise Wrong(f"{shown(value)} is plain http to a public host", "https://, or a loopback or private address")
    base = parts.path.rstrip("/")
    return Url(value.rstrip("/"), parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80), base)


def _split(url: str, named: str, wanted: str) -> SplitResult:
    """The parts of a URL whose host and port are sound."""
    if not re.fullmatch(r"[!-~]+", url):
        raise Wrong(f"{named} has characters that don't belong in a URL", wanted)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Wrong(f"{named} has a bad host or port", wanted) from None
    if not _is_host(host) and not _is_ip(host, 6):
        raise Wrong(f"{named} has no valid host", wanted)
    if port == 0:
        raise Wrong(f"{named} has port 0", wanted)
    return parts


def _is_ip(host: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(host).version == version
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    """A host name or an IPv4 address. Digits and dots alone must be a whole address."""
    return _is_ip(host, 4) if _NUMERIC.fullmatch(host) else bool(_HOST.fullmatch(host))


device = text("an interface name of at most 15 characters", r"[^\s/:\x00]{1,15}")
"""A network interface's name (IFNAMSIZ, netdevice(7))."""
