"""Records, templates, deflate contexts: the parts of the event encoding, one by one."""

from __future__ import annotations

import zlib
from random import Random

import pytest

from transport.session.events.deflate import Rest, Squeezer, Unsqueezer
from transport.session.events.records import (
    MAX_RECORD_BYTES,
    CorruptEvents,
    integer,
    read_integer,
    read_slot,
    slot,
)
from transport.session.events.templates import Learner, Template, template_at


@pytest.mark.parametrize(
    ("value", "coded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**63 - 1, "ffffffffffffffff7f")],
)
def test_integers(value: int, coded: str) -> None:
    assert integer(value).hex() == coded
    assert read_integer(b"x" + bytes.fromhex(coded) + b"x", 1) == (value, 1 + len(coded) // 2)


def test_an_integer_that_is_cut_or_too_long() -> None:
    with pytest.raises(IndexError):
        read_integer(b"\x80\x80", 0)
    with pytest.raises(CorruptEvents):
        read_integer(b"\x80" * 9 + b"\x01", 0)


@pytest.mark.parametrize(
    ("value", "before", "coded"),
    [
        (b"abc", b"abc", b"\x01"),
        (b"abc", b"abd", b"\x06abc"),
        (b"", b"x", b"\x00"),
        (b"18", b"17", b"\x09"),
        (b"17", b"18", b"\x05"),
        (b"0", b"5", b"\x020"),
        (b"9", b"0", b"\x49"),
        (b"07", b"6", b"\x0407"),
        (b"7", b"06", b"\x027"),
        (b"7", b"1" * 18, b"\x027"),
        (b"x" * 100, b"", b"\xc8\x01" + b"x" * 100),
        (b"2026-11-22T08:15:04", b"2026-11-22T08:15:03", b"\x4b\x014"),
        (b"2026-11-22T08:15:03Z", b"2026-11-22T08:15:03", b"\x4f\x01Z"),
    ],
)
def test_slots(value: bytes, before: bytes, coded: bytes) -> None:
    assert slot(value, before) == coded
    assert read_slot(b"?" + coded + b"?", 1, before) == (value, 1 + len(coded))


@pytest.mark.parametrize(
    ("coded", "before", "fault"),
    [
        (b"\x09", b"x", "no number"),
        (b"\x09", b"07", "no number"),
        (b"\x0d", b"0", "out of range"),
        (b"\x09", b"9" * 17, "out of range"),
        (b"\x13\x01x", b"abc", "more of a value"),
        (integer(2 * MAX_RECORD_BYTES + 2), b"", "longer than a record"),
    ],
)
def test_slots_that_cannot_be(coded: bytes, before: bytes, fault: str) -> None:
    with pytest.raises(CorruptEvents, match=fault):
        read_slot(coded, 0, before)


def test_zero_may_come_as_a_difference() -> None:
    assert read_slot(b"\x25", 0, b"5") == (b"0", 1)


def test_a_slot_that_is_cut() -> None:
    for cut in (b"", b"\x06ab", b"\xc8", b"\x4b", b"\x4b\x02x"):
        with pytest.raises(IndexError):
            read_slot(cut, 0, b"2026-11-22T08:15:03")


def test_a_template_cuts_and_fills() -> None:
    template = template_at(b'{"n":1,"t":"a%b"}\n', [(5, 6), (12, 15)])
    assert template.values == [b"1", b"a%b"]
    assert template.cut(b'{"n":22,"t":""}\n') == [b"22", b""]
    assert template.fill([b"22", b""]) == b'{"n":22,"t":""}\n'
    assert template.values == [b"22", b""]


@pytest.mark.parametrize(
    "other",
    [
        b'{"n":1,"t":""',  # shorter than what is fixed
        b'["n":1,"t":"x"}\n',  # begins otherwise
        b'{"n":1,"t":"x"]\n',  # ends otherwise
        b'{"n":1,"u":"x"}\n',  # the part between isn't there
        b'{"n":1,"t":!"x"}\n',  # or only its beginning
        b'{"n":1,"t":"x"}\n{"n":1,"t":"x"}\n',  # two events
    ],
)
def test_what_fits_no_template(other: bytes) -> None:
    assert template_at(b'{"n":1,"t":"x"}\n', [(5, 6), (12, 13)]).cut(other) is None


def test_the_fixed_part_between_may_not_lie_over_the_end() -> None:
    assert Template([b"a", b"bc", b"cd"], [b"", b""]).cut(b"axbcd") is None


def test_a_template_without_slots() -> None:
    template = template_at(b": ping\n\n", [])
    assert template.cut(b": ping\n\n") == []
    assert template.cut(b": ping\n\n: ping\n\n") is None
    assert template.fill([]) == b": ping\n\n"


def test_a_shape_is_learned_at_its_second_event() -> None:
    learner = Learner()
    assert learner.saw(b'data: {"n":1,"t":"a","u":[1,2]}\n\n') is None
    learned = learner.saw(b'data: {"n":2,"t":"b","u":[1,2]}\n\n')
    assert learned is not None
    assert learned[1] == [(11, 12), (18, 19)]
    again = learner.saw(b'data: {"n":2,"t":"c","u":[3]}\n\n')
    assert again == (learned[0], [(11, 12), (18, 19), (25, 28)])


def test_what_is_not_learned() -> None:
    learner = Learner()
    long = b'{"t":"' + b"x" * 3000 + b'"}\n'
    assert [learner.saw(long), learner.saw(long)] == [None, None]
    many = [b"{" + b",".join(b'"a%d":%d' % (i, i + more) for i in range(33)) + b"}\n" for more in (0, 1)]
    assert [learner.saw(event) for event in many] == [None, None]


def test_shapes_are_forgotten_and_the_learner_gives_up() -> None:
    learner = Learner()
    events = [b'{"%d":1}\n' % i for i in range(17)]
    assert {learner.saw(event) for event in events} == {None}
    assert learner.saw(events[0]) is None, "the longest unseen was forgotten"
    assert learner.saw(events[16]) is not None
    assert {learner.saw(b'{"x%d":1}\n' % i) for i in range(64)} == {None}
    assert learner.saw(b'{"x63":1}\n') is None, "it gave up"


def test_deflate_there_and_back() -> None:
    squeezer, unsqueezer, rest = Squeezer(), Unsqueezer(), Rest()
    for text in (b"one more token and one more token", b"one more token again"):
        squeezed = squeezer.squeeze(text, b"a token", rest)
        assert squeezed is not None
        assert len(squeezed) < len(text)
        assert unsqueezer.restore(squeezed, b"a token") == text
    assert squeezer.is_open
    assert unsqueezer.is_open
    squeezer.drop()
    unsqueezer.drop()
    assert not squeezer.is_open
    assert not unsqueezer.is_open


def test_deflate_rests_ever_longer_when_it_fails() -> None:
    squeezer, rest, noise = Squeezer(), Rest(), Random(1).randbytes(1024)
    assert squeezer.squeeze(b"short", b"", rest) is None
    assert not squeezer.is_open
    assert squeezer.squeeze(noise, b"", rest) is None
    assert squeezer.squeeze(noise, b"", rest) is None
    text = b"text " * 256
    assert [squeezer.squeeze(text, b"", rest) for _ in range(4)] == [None] * 4
    assert squeezer.squeeze(noise, b"", rest) is None
    assert [squeezer.squeeze(text, b"", rest) for _ in range(7)] == [None] * 7
    assert squeezer.squeeze(text, b"", rest) is not None
    assert squeezer.squeeze(noise, b"", rest) is None, "and is forgiven when it succeeds"
    assert squeezer.squeeze(text, b"", rest) is not None


def test_what_is_no_deflate_record() -> None:
    with pytest.raises(CorruptEvents, match="not deflate"):
        Unsqueezer().restore(b"\xff\xff\xff", b"")
    context = zlib.compressobj(9, zlib.DEFLATED, -12)
    bomb = context.compress(b"x" * (MAX_RECORD_BYTES + 1)) + context.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(CorruptEvents, match="too long"):
        Unsqueezer().restore(bomb[:-4], b"")
    context = zlib.compressobj(9, zlib.DEFLATED, -12)
    with pytest.raises(CorruptEvents, match="ends the stream"):
        Unsqueezer().restore(context.compress(b"x") + context.flush(), b"")
