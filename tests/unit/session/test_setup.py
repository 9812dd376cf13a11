"""transport.session.setup: the notes between packets, and the edge's proof."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.session import keys, setup
from transport.session.setup import Ask, End, Grant, Next, Note, Proof, Refused, SetupError, Unframer, decode, encode

KEY, RELAY_KEY = keys.load(keys.make()), keys.load(keys.make("ed25519"))
RELAY = keys.spki(RELAY_KEY.public_key())
BINDING = b"f" * 48

GOLDEN: dict[str, tuple[Note, str]] = {
    "proof": (Proof(b"key", b"signature"), "c0 01 0003 6b6579 7369676e6174757265"),
    "refused": (Refused("é"), "c1 c3a9"),
    "ask": (Ask(bytes(range(32))), "c2" + bytes(range(32)).hex()),
    "grant": (Grant(258, bytes(range(32))), "c3 00000102" + bytes(range(32)).hex()),
    "next": (Next(), "c4"),
    "end": (End(258), "c5 00000102"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes(name: str) -> None:
    note, golden = GOLDEN[name]
    assert encode(note).hex() == golden.replace(" ", "")
    assert decode(encode(note)) == note


@pytest.mark.parametrize(
    "data",
    [
        "-",
        "10",
        "c0",
        "c001",
        "c0010000",
        "c0020001aa01",
        "c0010005aabb",
        "c001ffff",
        "c200",
        "c300",
        "c401",
        "c500",
        "c6",
    ],
)
def test_what_is_no_note(data: str) -> None:
    with pytest.raises(SetupError):
        decode(bytes.fromhex(data.strip("-")))


@given(st.binary(max_size=600))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = decode(data)
    except SetupError:
        return
    assert decode(encode(note)) == note


def test_a_proof_is_worth_something_on_its_connection_only() -> None:
    proof = setup.prove(KEY, RELAY, BINDING)
    public = keys.spki(KEY.public_key())
    assert setup.proved(proof, RELAY, BINDING) == keys.fingerprint(public)
    other = keys.spki(keys.load(keys.make()).public_key())
    assert setup.proved(proof, RELAY, b"g" * 48) is None  # another connection
    assert setup.proved(proof, other, BINDING) is None  # another relay
    assert setup.proved(Proof(other, proof.signature), RELAY, BINDING) is None  # another edge
    assert setup.proved(Proof(b"", b""), RELAY, BINDING) is None


def test_frames_cut_anywhere() -> None:
    items = [b"a", b"bc" * 300, b"\xc4"]
    data = b"".join(map(setup.frame, items))
    for size in (1, 2, 3, 100, len(data)):
        unframer = Unframer()
        found = [item for at in range(0, len(data), size) for item in unframer.feed(data[at : at + size])]
        assert found == items
    with pytest.raises(SetupError):
        Unframer().feed(b"\0\0")
