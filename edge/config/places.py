"""Parsers for values that name a place on the network or on the disk: addresses, URLs, secrets, certificates."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from edge.config.fault import KeyPath, kind, shown
from edge.config.kinds import text
from edge.config.model import Address, Secret, TlsFiles
from edge.config.reading import Key, Reading, Wrong
from transport.message import HOP_BY_HOP

_HOST = re.compile(r"(?=.{1,253}$)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")
_NUMERIC = re.compile(r"[0-9.]+|0[xX].*")
_KEY_SHAPE = re.compile(r"(?i)(sk-|gsk_|xai-|AIza|Bearer |Basic )")
_LISTEN = '"host:port", "[v6]:port" or "unix:/path"'
_SECRET = '"env:NAME" or "file:PATH"'
_PROXY = '"http://host:port" or "socks5://host:port"'
_PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
_OURS = frozenset(("host", "content-length", "expect"))
_SECRET_HEADERS = frozenset(("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"))
_PRIVATE_NAMES = (".localhost", ".local", ".internal")


@dataclass(frozen=True, slots=True)
class Url:
    """A base URL in parts; `path` has no trailing slash."""

    text: str
    scheme: str
    host: str
    port: int
    path: str


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


def admin_address(reading: Reading, path: KeyPath, value: object) -> Address | None:
    """An address; "" or false for none."""
    return None if value is False or value == "" else listen_address(reading, path, value)


def ip_address(reading: Reading, path: KeyPath, value: object) -> str:
    """An IPv4 or IPv6 address of this machine."""
    if not isinstance(value, str) or "%" in value or not (_is_ip(value, 4) or _is_ip(value, 6)):
        raise Wrong(f"{shown(value)} is not an IP address", 'an address of this machine such as "10.20.0.2"')
    return str(ipaddress.ip_address(value))


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


def secret(reading: Reading, path: KeyPath, value: object) -> Secret:
    """`env:NAME` or `file:PATH`, resolved. What stands in the clear is refused and never repeated."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _SECRET)
    source, _, name = value.partition(":")
    if source == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        variable = f"environment variable {name}" if name.isupper() or len(name) < 20 else "the environment variable"
        return Secret(value, _usable(reading.environment.get(name), variable))
    if source == "file" and name and not name.startswith("//"):
        resolved, content = reading.content(name)
        return Secret(value, _usable(content.decode("utf-8", "replace"), resolved))
    raise Wrong("a secret may not stand in the file (value not shown)", _SECRET)


def _usable(value: str | None, where: str) -> str:
    if value is None:
        raise Wrong(f"{where} is not set", "a variable with the secret")
    value = value.strip()
    if not value:
        raise Wrong(f"{where} is empty", "one line with the secret")
    if not re.fullmatch(r"[!-~]+", value):
        raise Wrong(f"{where} holds blanks, line breaks or characters beyond ASCII", "one line with the secret")
    return value


def credential(reading: Reading, path: KeyPath, value: object) -> Secret | None:
    """A secret, or "client" (None): the caller's own credentials are passed through."""
    try:
        return None if value == "client" else secret(reading, path, value)
    except Wrong as wrong:
        raise Wrong(wrong.problem, f'"client", {_SECRET}' if wrong.expected == _SECRET else wrong.expected) from None


def key_digest(reading: Reading, path: KeyPath, value: object) -> str:
    """SHA-256 of a client key that stands elsewhere, lower-case hex."""
    return hashlib.sha256(secret(reading, path, value).value.encode()).hexdigest()


def sha256(reading: Reading, path: KeyPath, value: object) -> str:
    """A SHA-256 in hex. What else may stand here by mistake could be the key itself: it is not repeated."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        raise Wrong("is not a SHA-256 (value not shown)", "64 hex digits, as `farline keys hash` prints them")
    return value.lower()


def ca_file(reading: Reading, path: KeyPath, value: object) -> str:
    """A readable PEM file with at least one certificate."""
    name, content = reading.content(_file_name(value))
    _certificates(content, name)
    return name


def tls_files(reading: Reading, path: KeyPath, value: object) -> TlsFiles | None:
    """{ cert, key }: readable PEM files that belong together. None if one of them is at fault."""
    if not isinstance(value, dict):
        raise Wrong(f"is {kind(value)}", '{ cert = "…", key = "…" }')
    parts: Mapping[str, tuple[str, bytes]] = reading.fields(path, value, _TLS)
    if len(parts) == 2:
        _check_pair(reading, path, parts["cert"], parts["key"])
        return TlsFiles(parts["cert"][0], parts["key"][0])
    return None


def _pem(reading: Reading, path: KeyPath, value: object) -> tuple[str, bytes]:
    return reading.content(_file_name(value))


_TLS = (Key("cert", _pem, required=True), Key("key", _pem, required=True))


def added_headers(reading: Reading, path: KeyPath, value: object) -> tuple[tuple[str, str], ...]:
    """Header fields (RFC 9110 §5) for every request to a provider, names lower-case."""
    if not isinstance(value, dict):
        raise Wrong(f"is {kind(value)}", '{ name = "value" }')
    found: dict[str, str] = {}
    for name, content in value.items():
        try:
            found[name.lower()] = _header(name, content, name.lower() in found)
        except Wrong as wrong:
            reading.fault((*path, name), wrong.problem, wrong.expected)
    return tuple(found.items())


def _header(name: str, value: object, repeated: bool) -> str:
    lowered = name.lower()
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9a-z-]+", lowered):
        raise Wrong("is not a header's name", "a token (RFC 9110 §5.6.2)")
    if lowered.encode() in HOP_BY_HOP or lowered in _OURS or lowered.startswith("x-farline-"):
        raise Wrong("is a header that farline sets itself", "an end-to-end header")
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", "a string")
    if lowered in _SECRET_HEADERS or _KEY_SHAPE.match(value):
        raise Wrong("holds a secret (value not shown)", 'credential = "env:NAME" or "file:PATH" of the provider')
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value) or repeated:
        raise Wrong("is there twice" if repeated else f"{shown(value)} is not a header's value", "visible ASCII")
    return value


def _file_name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong(f"is {kind(value)}" if value != "" else "is empty", "the name of a PEM file")
    return value


def _certificates(content: bytes, name: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise Wrong(f"{name} holds no certificate that can be read", "PEM certificates") from None


def _check_pair(reading: Reading, path: KeyPath, cert: tuple[str, bytes], key: tuple[str, bytes]) -> None:
    """Notes what is wrong with a server's certificate and key."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        certified = _certificates(cert[1], cert[0])[0].public_key().public_bytes(*form)
    except Wrong as wrong:
        reading.fault((*path, "cert"), wrong.problem, wrong.expected)
        return
    try:
        owned = load_pem_private_key(key[1], None).public_key().public_bytes(*form)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        reading.fault((*path, "key"), f"{key[0]} holds no private key that can be read", "an unencrypted PEM key")
        return
    if certified != owned:
        reading.fault((*path, "key"), f"{key[0]} doesn't belong to the certificate in {cert[0]}")


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
