"""Node keys: the private key by which a node proves to another that it is itself, and its fingerprint.

A node is known by the SHA-256 of its public key (SubjectPublicKeyInfo, RFC 5280 §4.1.2.7), written as OpenSSH writes
fingerprints: `SHA256:` and 43 characters of base64. Each side has the other's in its configuration; there are no
certificate authorities, no expiry and no names to check.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey

KINDS = ("p256", "ed25519")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]")


class BadKey(ValueError):
    """These bytes are no key of a node; the text says why and repeats none of them."""


def make(kind: str = "p256") -> bytes:
    """A new private key of one of KINDS as PEM (PKCS #8, not encrypted)."""
    key: PrivateKey = generate_private_key(SECP256R1()) if kind == "p256" else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load(pem: bytes) -> PrivateKey:
    """The private key in a PEM text. Raises BadKey."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadKey("the key is encrypted: nodes start by themselves and can't ask for a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("holds no private key that can be read") from None
    if not _is_ours(key):
        raise BadKey("the key is neither P-256 nor Ed25519")
    return key  # type: ignore[return-value]  # _is_ours told


def spki(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(public: bytes) -> str:
    """Of a SubjectPublicKeyInfo."""
    return "SHA256:" + b64encode(sha256(public).digest()).decode().rstrip("=")


def is_fingerprint(text: str) -> bool:
    return _FINGERPRINT.fullmatch(text) is not None


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Ed25519, or ECDSA with SHA-256."""
    return key.sign(message) if isinstance(key, Ed25519PrivateKey) else key.sign(message, ECDSA(SHA256()))


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the owner of `public` (SubjectPublicKeyInfo, DER) signed. False for anything malformed."""
    try:
        key = load_der_public_key(public)
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            key.verify(signature, message, ECDSA(SHA256()))
        else:
            return False
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


def _is_ours(key: object) -> bool:
    is_p256 = isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    return is_p256 or isinstance(key, Ed25519PrivateKey)
