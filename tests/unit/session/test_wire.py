"""transport.session.wire: golden bytes of every frame, and what is refused."""

from __future__ import annotations

import pytest

from transport.session.frames import (
    Ack,
    Close,
    CreditFrame,
    GoAway,
    Hello,
    MessageFrame,
    Offsets,
    Opening,
    ResetFrame,
    StreamFrame,
    Welcome,
)
from transport.session.values import Code, Limits, Priority, Redundancy, Role
from transport.session.wire import WireError, decode, encode, encode_header, expand, find_hello, varint

SESSION, TOKEN = bytes(range(16)), bytes(range(32))
LIMITS = Limits(100, 65_536, 1 << 20)
LIMITS_HEX = "4064 80010000 80100000"
HELLO = Hello((1, 1), SESSION, TOKEN, Role.EDGE, 3, "bj-1", LIMITS, 1000)
REQUEST = bytes(range(100, 116))

GOLDEN = {
    "ack": (Ack(2, 0x01020304, 0.008, 3, 0b101), "02 02 01020304 20 03 01 05"),
    "stream": (StreamFrame(1, 0, b"hi", False, None), "10 01 00 02 6869"),
    "stream-end": (StreamFrame(70, 20_000, b"", True, None), "11 4046 80004e20 00"),
    "stream-opening": (
        StreamFrame(1, 0, b"hi", True, Opening(Priority.REALTIME, Redundancy.HOT, REQUEST)),
        "13 01 00 02 01 02" + REQUEST.hex() + "6869",
    ),
    "reset": (ResetFrame(5, 10, 300, "bye"), "20 05 0a 412c 03 627965"),
    "credit": (CreditFrame(0, 1 << 33), "21 00 c000000200000000"),
    "message": (MessageFrame(1, 2, 0, 1, 5, 150, b"a"), "22 01 02 00 01 00000005 0096 01 61"),
    "goaway": (GoAway(9, 11, ""), "24 09 0b 00"),
    "close": (Close(1, "é"), "25 01 02 c3a9"),
    "offsets": (Offsets(((1, 5), (2, 70))), "26 02 01 05 02 4046"),
    "welcome": (Welcome(1, "sjc", LIMITS), "04 0f 01 03 736a63" + LIMITS_HEX),
    "hello": (
        HELLO,
        "03 4047 01 01" + SESSION.hex() + TOKEN.hex() + "00 03 04 626a2d31" + LIMITS_HEX + "43e8 00 00",
    ),
    "hello-resuming": (
        Hello((1, 1), SESSION, TOKEN, Role.EDGE, 3, "bj-1", LIMITS, 1000, True, "cn2"),
        "03 404a 01 01" + SESSION.hex() + TOKEN.hex() + "00 03 04 626a2d31" + LIMITS_HEX + "43e8 01 03 636e32",
    ),
}


def packet(*pieces: str) -> bytes:
    return encode_header(0, True) + bytes.fromhex("".join(pieces))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes(name: str) -> None:
    frame, golden = GOLDEN[name]
    assert encode(frame).hex() == golden.replace(" ", "")
    assert decode(packet(golden)) == (0, True, [frame])


def test_header() -> None:
    assert encode_header(0x1_0203_0405, True).hex() == "1102030405"
    assert decode(encode_header(7, False)) == (7, False, [])


@pytest.mark.parametrize(
    ("number", "golden"), [(0, "00"), (63, "3f"), (64, "4040"), (16_384, "80004000"), (1 << 30, "c000000040000000")]
)
def test_varints(number: int, golden: str) -> None:
    assert varint(number).hex() == golden


def test_several_frames_padding_and_ignorable_ones() -> None:
    _, _, frames = decode(packet("0000", GOLDEN["credit"][1], "80 03 aabbcc", "ff00", GOLDEN["goaway"][1], "00"))
    assert frames == [GOLDEN["credit"][0], GOLDEN["goaway"][0]]


@pytest.mark.parametrize(
    ("hexed", "code"),
    [
        ("05", Code.UNKNOWN_FRAME),
        ("7f", Code.UNKNOWN_FRAME),
        ("10 01 00 05 6869", Code.MALFORMED),
        ("10 00 00 00", Code.MALFORMED),
        ("10 40", Code.MALFORMED),
        ("10", Code.MALFORMED),
        ("21", Code.MALFORMED),
        ("12 01 00 00", Code.MALFORMED),
        ("12 01 00 00 04 00" + REQUEST.hex(), Code.MALFORMED),
        ("12 01 00 00 00 03" + REQUEST.hex(), Code.MALFORMED),
        ("02 02 01020304 20 81 00", Code.MALFORMED),
        ("02 02 01020304 20 00 11" + "00" * 17, Code.MALFORMED),
        ("25 01 02 ffff", Code.MALFORMED),
        ("25 01 4101" + "61" * 257, Code.MALFORMED),
        ("80 05 00", Code.MALFORMED),
        ("03 33 01 01" + SESSION.hex() + TOKEN.hex() + "02", Code.MALFORMED),
    ],
)
def test_refused(hexed: str, code: Code) -> None:
    with pytest.raises(WireError) as caught:
        decode(packet(hexed))
    assert caught.value.code is code


def test_a_short_packet_and_another_format_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        decode(b"\x11\0\0\0")
    assert caught.value.code is Code.MALFORMED
    with pytest.raises(WireError) as caught:
        decode(b"\x21\0\0\0\0")
    assert caught.value.code is Code.VERSION


def test_reasons_are_cut_between_characters() -> None:
    (frame,) = decode(encode_header(0, True) + encode(Close(0, "é" * 200)))[2]
    assert frame == Close(0, "é" * 128)
    (frame,) = decode(encode_header(0, True) + encode(Close(0, "a" + "é" * 200)))[2]
    assert frame == Close(0, "a" + "é" * 127)


def test_later_versions_may_add_fields_to_a_hello() -> None:
    body = bytes.fromhex(GOLDEN["hello"][1].replace(" ", ""))[3:] + b"new"
    assert decode(encode_header(0, True) + b"\x03" + varint(len(body)) + body)[2] == [HELLO]


def test_find_hello() -> None:
    assert find_hello(packet("00", GOLDEN["credit"][1], GOLDEN["hello"][1])) == HELLO
    assert find_hello(packet(GOLDEN["credit"][1])) is None
    newer = Hello((2, 3), SESSION, TOKEN, Role.EDGE, 1, "", LIMITS, 0)
    with pytest.raises(WireError) as caught:
        find_hello(encode_header(0, True) + encode(newer))
    assert caught.value.code is Code.VERSION


@pytest.mark.parametrize(
    ("low", "near", "number"),
    [
        (5, 0, 5),
        (5, 0xFFFF_FFFE, 0x1_0000_0005),
        (0xFFFF_FFF0, 0x1_0000_0005, 0xFFFF_FFF0),
        (0xFFFF_FFF0, 3, 0xFFFF_FFF0),
        (7, 0x5_0000_0001, 0x5_0000_0007),
    ],
)
def test_packet_numbers_are_the_nearest(low: int, near: int, number: int) -> None:
    assert expand(low, near) == number
