"""Talking to a line's own outbound proxy: CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

Each handshake is a generator of steps: `bytes` are to be sent; an `int` asks for exactly so many bytes, which are sent
in. Nothing beyond the handshake is ever read, so what follows belongs to the tunnel. Names go to the proxy unresolved.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

Handshake = Generator[bytes | int, bytes, None]
HEAD_LIMIT_BYTES = 16_384

_SOCKS_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class ProxyRefused(Exception):
    """The proxy refused, or does not speak its protocol."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A line's proxy. `scheme` is `http` or `socks5`; empty `user`: no authentication."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    def handshake(self, host: str, port: int) -> Handshake:
        """The steps that make a fresh connection to the proxy a tunnel to `host:port`.

        Raises (while it runs):
            ProxyRefused: no tunnel.
        """
        return _connect(self, host, port) if self.scheme == "http" else _socks5(self, host, port)


def parse_proxy(url: str) -> Proxy:
    """Parses `http://[user:pass@]host:port` or `socks5://…`.

    Raises:
        ValueError: another scheme, no host, or a bad port. The message never shows the password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "socks5", "socks5h") or not parts.hostname:
        raise ValueError(f"not a proxy URL: scheme {parts.scheme!r}, host {parts.hostname!r}")
    scheme = "http" if parts.scheme == "http" else "socks5"
    port = parts.port or (8080 if scheme == "http" else 1080)
    return Proxy(scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


def _connect(proxy: Proxy, host: str, port: int) -> Handshake:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.user:
        token = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {token}")
    yield "\r\n".join([*lines, "", ""]).encode()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += yield 1
        if len(head) > HEAD_LIMIT_BYTES:
            raise ProxyRefused("the reply to CONNECT has no end")
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    words = status.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].startswith("2"):
        raise ProxyRefused(f"CONNECT was answered with {status[:80]!r}")


def _socks5(proxy: Proxy, host: str, port: int) -> Handshake:
    methods = b"\x00\x02" if proxy.user else b"\x00"
    yield b"\x05" + bytes([len(methods)]) + methods
    version, method = yield 2
    if version != 5 or method not in methods:
        raise ProxyRefused(f"no authentication method in common (version {version}, method {method})")
    if method == 2:
        yield from _socks5_password(proxy)
    yield b"\x05\x01\x00" + _socks5_address(host) + port.to_bytes(2, "big")
    version, reply, _, kind = yield 4
    if version != 5 or reply != 0:
        raise ProxyRefused(_SOCKS_REPLIES.get(reply, f"unknown reply {reply}"))
    length = {1: 4, 4: 16}.get(kind)
    if length is None:
        length = (yield 1)[0]
    yield length + 2  # the address it bound, and the port: of no use here


def _socks5_password(proxy: Proxy) -> Handshake:
    user, password = proxy.user.encode(), proxy.password.encode()
    yield b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password
    _, status = yield 2
    if status != 0:
        raise ProxyRefused("user name or password not accepted")


def _socks5_address(host: str) -> bytes:
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed
