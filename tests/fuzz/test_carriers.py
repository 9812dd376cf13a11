"""What anybody can send to a relay before it has proved a key: datagrams, and bytes on a TLS connection."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from transport.session import setup
from transport.session.seal import Opener, Sealer, connection_of, secrets
from transport.session.setup import Proof, SetupError, Unframer

UP, _ = secrets(bytes(32), bytes(32), 7)


def damaged(data: bytes, random: Random) -> bytes:
    """Cut, lengthened, or with some bytes changed."""
    changed = bytearray(data)
    for _ in range(random.randrange(1, 4)):
        match random.randrange(4):
            case 0:
                changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
            case 1:
                del changed[random.randrange(len(changed)) :]
            case 2:
                changed += random.randbytes(random.randrange(1, 40))
            case _:
                changed = bytearray(random.randbytes(5)) + changed[5:]
        if not changed:
            break
    return bytes(changed)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 1 << 32))
def test_damaged_datagrams_open_nothing(seed: int) -> None:
    random = Random(seed)
    sealer, opener = Sealer(UP, 7, 0.0), Opener(UP)
    good = sealer.seal(random.randbytes(random.randrange(1200)), 0.0)
    bad = damaged(good, random)
    if bad != good and connection_of(bad) is not None:
        assert opener.open(bad) is None
        assert opener.highest == -1
    assert opener.open(good) is not None


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_on_a_connection(data: bytes, size: int) -> None:
    """Whole items however they are cut, no more memory than one item, and nothing but SetupError."""
    unframer, found = Unframer(), []
    try:
        for at in range(0, len(data), size):
            found += unframer.feed(data[at : at + size])
    except SetupError:
        return
    assert b"".join(map(setup.frame, found)) == data[: len(data) - len(unframer._rest)]
    for item in found:
        try:
            note = setup.decode(item)
        except SetupError:
            continue
        if isinstance(note, Proof):
            assert setup.proved(note, b"relay", b"binding") is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 32))
def test_damaged_proofs_prove_nothing(seed: int) -> None:
    random = Random(seed)
    good = setup.encode(Proof(random.randbytes(91), random.randbytes(70)))
    try:
        note = setup.decode(damaged(good, random))
    except SetupError:
        return
    assert not isinstance(note, Proof) or setup.proved(note, b"relay", b"binding") is None
