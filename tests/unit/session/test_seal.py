"""transport.session.seal: datagrams that only their receiver can open, epochs, and loss by numbers."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM
from hypothesis import given
from hypothesis import strategies as st

from transport.session import seal
from transport.session.seal import LossMeter, Opener, Sealer, Worn, connection_of, secrets

EDGE, RELAY = b"e" * 32, b"r" * 32
UP, DOWN = secrets(EDGE, RELAY, 7)


def pair(now: float = 0.0) -> tuple[Sealer, Opener]:
    return Sealer(UP, 7, now), Opener(UP)


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def test_the_same_bytes_by_other_means() -> None:
    """HKDF (RFC 5869) by hand, AES-GCM without its authenticated mode's wrapper."""
    seed = mac(bytes(32), EDGE + RELAY)
    label = b"farline datagrams 1" + (7).to_bytes(4, "big")
    up = mac(seed, label + b"\x01")
    assert (up, mac(seed, up + label + b"\x02")) == (UP, DOWN)
    key, iv = mac(UP, b"farline key\x01")[:16], mac(UP, b"farline iv\x01")[:12]
    header = bytes.fromhex("20 00000007 0000000000")
    gcm = Cipher(AES(key), GCM(iv)).encryptor()
    gcm.authenticate_additional_data(header)
    sealed = gcm.update(b"packet") + gcm.finalize() + gcm.tag
    assert pair()[0].seal(b"packet", 0.0) == header + sealed


def test_what_is_sealed_opens_in_any_order() -> None:
    sealer, opener = pair()
    datagrams = [sealer.seal(b"%d" % number, 0.0) for number in range(5)]
    assert [connection_of(datagram) for datagram in datagrams] == [7] * 5
    for number in (2, 0, 4, 1, 3, 3):
        assert opener.open(datagrams[number]) == b"%d" % number
    assert (opener.highest, opener.received, opener.rejected) == (4, 6, 0)


def test_directions_and_connections_have_keys_of_their_own() -> None:
    datagram = Sealer(UP, 7, 0.0).seal(b"x", 0.0)
    assert Opener(DOWN).open(datagram) is None
    assert Opener(secrets(EDGE, RELAY, 8)[0]).open(datagram) is None
    assert Opener(secrets(RELAY, EDGE, 7)[0]).open(datagram) is None


@given(st.binary(max_size=60), st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(packet: bytes, where: int, flip: int) -> None:
    sealer, opener = pair()
    datagram = bytearray(sealer.seal(packet, 0.0))
    datagram[where % len(datagram)] ^= flip
    assert opener.open(bytes(datagram)) is None
    assert (opener.highest, opener.rejected) == (-1, 1)


@given(st.binary(max_size=80))
def test_garbage_is_nobodys_or_rejected(data: bytes) -> None:
    if connection_of(data) is not None:
        assert Opener(UP).open(data) is None


def test_epochs_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "EPOCH_DATAGRAMS", 4)
    sealer, opener = pair()
    datagrams = [sealer.seal(b"%d" % number, 0.0) for number in range(200)]
    assert {datagram[0] & 0x1F for datagram in datagrams} == set(range(32))
    late = datagrams[2]
    for number, datagram in enumerate(datagrams):
        assert opener.open(datagram) == b"%d" % number
        if number == 5:
            assert opener.open(late) == b"2"  # of the epoch before
    assert opener.open(late) is None  # its key is forgotten


def test_epochs_by_time() -> None:
    sealer, opener = pair()
    assert opener.open(sealer.seal(b"a", seal.EPOCH_SECONDS - 1)) == b"a"
    second = sealer.seal(b"b", seal.EPOCH_SECONDS)
    assert second[0] & 0x1F == 1
    assert opener.open(second) == b"b"
    skipping = bytes((second[0] + 2,)) + second[1:]
    assert opener.open(skipping) is None
    first_epoch_unknown = Opener(UP)
    assert first_epoch_unknown.open(bytes((0x20 | 31,)) + second[1:]) is None


def test_numbers_end() -> None:
    sealer, _ = pair()
    sealer._number = seal._LAST_NUMBER
    sealer.seal(b"the last", 0.0)
    with pytest.raises(Worn):
        sealer.seal(b"one more", 0.0)


def test_loss_is_what_the_numbers_lack() -> None:
    sealer, opener = pair()
    meter = LossMeter()
    assert meter.look(opener, 0.0) == 0.0
    for number in range(400):
        datagram = sealer.seal(b"x", 0.0)
        if number % 4:
            opener.open(datagram)
        if number == 5:
            assert meter.look(opener, 0.5) == 0.0  # too few to tell
        meter.look(opener, 1.0)
    assert 0.2 < meter.look(opener, 2.0) < 0.3
    assert meter.changed_at == 1.0
    for _ in range(1000):
        opener.open(sealer.seal(b"x", 0.0))
        meter.look(opener, 3.0)
    assert meter.ratio < 0.01
