"""Parsers for certificates and their keys: PEM files that must be readable and belong together."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from edge.config.fault import KeyPath, kind
from edge.config.model import Secret, TlsFiles
from edge.config.reading import Key, Reading, Wrong
from transport.session.keys import BadKey, load

_NODE_KEY = '"file:node.key" (`farline keys node --out node.key` makes one)'
_NO_CERTIFICATE = "holds no certificate that can be read"


def ca_file(reading: Reading, path: KeyPath, value: object) -> str:
    """A readable PEM file with at least one certificate."""
    name, content = reading.content(_file_name(value))
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        raise Wrong(f"{name} {_NO_CERTIFICATE}", "PEM certificates") from None
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


def node_key(reading: Reading, path: KeyPath, value: object) -> Secret:
    """`file:PATH` or `env:NAME` of a node's private key, PEM."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _NODE_KEY)
    source, _, name = value.partition(":")
    if source == "file" and name:
        where, content = reading.content(name)
    elif source == "env" and name:
        where, content = f"environment variable {name}", reading.environment.get(name, "").encode()
    else:
        raise Wrong("a private key may not stand in the file (value not shown)", _NODE_KEY)
    try:
        load(content)
    except BadKey as error:
        raise Wrong(f"{where}: {error}", "a PEM file that `farline keys node` made") from None
    return Secret(value, content.decode())


def _pem(reading: Reading, path: KeyPath, value: object) -> tuple[str, bytes]:
    return reading.content(_file_name(value))


_TLS = (Key("cert", _pem, required=True), Key("key", _pem, required=True))


def _file_name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong(f"is {kind(value)}" if value != "" else "is empty", "the name of a PEM file")
    return value


def _check_pair(reading: Reading, path: KeyPath, cert: tuple[str, bytes], key: tuple[str, bytes]) -> None:
    """Notes what is wrong with a server's certificate and key."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        certified = x509.load_pem_x509_certificates(cert[1])[0].public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        reading.fault((*path, "cert"), f"{cert[0]} {_NO_CERTIFICATE}", "PEM certificates")
        return
    try:
        owned = load_pem_private_key(key[1], None).public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm, TypeError):  # TypeError: it is encrypted
        reading.fault((*path, "key"), f"{key[0]} holds no private key that can be read", "an unencrypted PEM key")
        return
    if certified != owned:
        reading.fault((*path, "key"), f"{key[0]} doesn't belong to the certificate in {cert[0]}")
