"""A node's key with what TLS needs of it: a certificate made in memory, and contexts that show and check it.

Certificates carry a key and nothing else: no name, no expiry that matters, no authority. Who is who is decided by the
fingerprint of the key in them. Python's ssl can't ask a client for a certificate without an authority that signed it,
so only relays show one; an edge proves its key by a signature over the connection's channel binding (`setup.prove`).
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from transport.session import keys
from transport.session.setup import ALPN

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "farline")])
_NOT_BEFORE, _NOT_AFTER = datetime(2020, 1, 1), datetime(2120, 1, 1)


class NodeKey:
    """A private key. `public` is its SubjectPublicKeyInfo, `fingerprint` what other nodes' configurations call it."""

    def __init__(self, private: keys.PrivateKey) -> None:
        self.private = private
        self.public = keys.spki(private.public_key())
        self.fingerprint = keys.fingerprint(self.public)

    @classmethod
    def load(cls, pem: bytes) -> NodeKey:
        """Raises keys.BadKey."""
        return cls(keys.load(pem))

    @classmethod
    def generate(cls) -> NodeKey:
        return cls.load(keys.make())

    def certificate(self) -> x509.Certificate:
        """Self-signed, a new one each time."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(_NAME)
            .issuer_name(_NAME)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOT_BEFORE)
            .not_valid_after(_NOT_AFTER)
        )
        return builder.sign(self.private, None if isinstance(self.private, Ed25519PrivateKey) else SHA256())

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 only, without resumption: every connection is bound to its own handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.set_alpn_protocols([ALPN])
        private = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _load(context, private + self.certificate().public_bytes(Encoding.PEM))
        return context


def client_context() -> ssl.SSLContext:
    """TLS 1.3 only. Whom it reached is for the caller to check: `shown_key`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([ALPN])
    return context


def shown_key(tls: ssl.SSLObject) -> bytes:
    """SubjectPublicKeyInfo that the server has proved in the handshake; empty if nodes have no such keys."""
    shown = tls.getpeercert(binary_form=True)
    with suppress(ValueError, TypeError, AttributeError):
        return keys.spki(x509.load_der_x509_certificate(shown or b"").public_key())  # type: ignore[arg-type]  # any key
    return b""


def channel_binding(tls: ssl.SSLObject) -> bytes:
    """The client's Finished: a MAC over the whole handshake, so no two TLS connections have the same."""
    return tls.get_channel_binding("tls-unique") or b""


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """ssl reads keys from files only: this one is in memory and has no name."""
    memory = os.memfd_create("farline-key", os.MFD_CLOEXEC)
    try:
        os.write(memory, pem)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
