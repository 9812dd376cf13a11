"""Node keys: made, loaded, signed with, and refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

from transport.session import keys


@pytest.mark.parametrize("kind", keys.KINDS)
def test_a_key_signs_what_its_public_half_verifies(kind: str) -> None:
    key = keys.load(keys.make(kind))
    public = keys.spki(key.public_key())
    signature = keys.sign(key, b"message")
    assert keys.verify(public, signature, b"message")
    assert not keys.verify(public, signature, b"another")
    assert not keys.verify(public, b"", b"message")
    assert keys.is_fingerprint(keys.fingerprint(public))
    assert len(keys.fingerprint(public)) == 50


def test_nonsense_verifies_nothing() -> None:
    assert not keys.verify(b"", b"", b"")
    assert not keys.verify(bytes(91), bytes(64), b"m")
    other = generate_private_key(SECP384R1())
    assert not keys.verify(keys.spki(other.public_key()), bytes(64), b"m")


@pytest.mark.parametrize(
    "text", ["", "SHA256:", "sha256:" + "A" * 43, "SHA256:" + "A" * 44, "SHA256:" + "A" * 42 + "B"]
)
def test_what_is_no_fingerprint(text: str) -> None:
    assert not keys.is_fingerprint(text)


def test_bad_files() -> None:
    with pytest.raises(keys.BadKey):
        keys.load(b"nothing")
