"""A provider's signing keys (RFC 7517), each with the algorithms that it may be used with.

What an algorithm a key is for is decided by the key, never by the token: else a public key would do as an HMAC secret
(RFC 8725 §3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

MOST_KEYS = 100
LEAST_RSA_BITS = 2048  # RFC 7518 §3.3
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",), "Ed448": ("EdDSA",)}
_READERS: dict[str, type[RSAAlgorithm] | type[ECAlgorithm] | type[OKPAlgorithm]] = {
    "RSA": RSAAlgorithm,
    "EC": ECAlgorithm,
    "OKP": OKPAlgorithm,
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`id` None: the provider doesn't name it. `public`: as the JWT library takes it."""

    id: str | None
    algorithms: frozenset[str]
    public: Any


def signing_keys(document: Mapping[str, Any]) -> tuple[SigningKey, ...]:
    """Those of a key set that tokens may be signed with; others are passed over, as they may be for other purposes."""
    found = document.get("keys")
    entries = found[:MOST_KEYS] if isinstance(found, list) else []
    return tuple(key for each in entries if isinstance(each, dict) and (key := _key(each)) is not None)


def choose(keys: Iterable[SigningKey], id: str | None, algorithm: str) -> SigningKey | None:
    """The key for a token. One that doesn't say its key's id may only mean the one key of its algorithm."""
    fitting = [key for key in keys if algorithm in key.algorithms and id in (None, key.id)]
    return fitting[0] if fitting and (id is not None or len(fitting) == 1) else None


def _key(entry: dict[str, Any]) -> SigningKey | None:
    reader, id = _READERS.get(str(entry.get("kty"))), entry.get("kid")
    algorithms = frozenset(_algorithms(entry))
    if reader is None or not algorithms or entry.get("use", "sig") != "sig" or not isinstance(id, str | None):
        return None
    try:
        public = reader.from_jwk({name: value for name, value in entry.items() if name != "d"})
    except (InvalidKeyError, ValueError, TypeError, KeyError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < LEAST_RSA_BITS:
        return None
    return SigningKey(id, algorithms, public)


def _algorithms(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of its type and curve; only the one it is said to be for, if it is."""
    able = _RSA if entry.get("kty") == "RSA" else _BY_CURVE.get(str(entry.get("crv")), ())
    said = entry.get("alg")
    return able if said is None else tuple(each for each in able if each == said)
