"""The event encoding, end to end: what a stream becomes, and what a decoder refuses."""

from __future__ import annotations

import hashlib
import zlib
from random import Random

import pytest

from tests.support.event_streams import CORPUS, KINDS, Events, all_streams, chat, messages, responses, tokens
from transport.session.events import dictionaries
from transport.session.events.decoder import EventDecoder
from transport.session.events.encoder import EventEncoder
from transport.session.events.records import MAX_RECORD_BYTES, CorruptEvents, integer

STREAMS = [pytest.param(events, id=f"{kind}, {language}") for kind, language, events in all_streams(3, 120)]


def there_and_back(chunks: Events) -> list[bytes]:
    """The records of each chunk; each must restore its chunk at once."""
    encoder, decoder = EventEncoder(), EventDecoder()
    records = []
    for chunk in chunks:
        records.append(encoder.encode(chunk))
        assert decoder.decode(records[-1]) == chunk
    assert decoder.decode(encoder.finish()) == b""
    decoder.finish()
    return records


def crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


@pytest.mark.parametrize("events", STREAMS)
def test_every_kind_of_stream_comes_back_exactly_and_small(events: Events) -> None:
    records = there_and_back(events)
    assert sum(map(len, records)) * 2 < sum(map(len, events))


@pytest.mark.parametrize("events", STREAMS)
def test_events_in_large_chunks(events: Events) -> None:
    whole = b"".join(events)
    for size in (100, 1400, 16 * 1024):
        records = there_and_back([whole[at : at + size] for at in range(0, len(whole), size)])
        assert sum(map(len, records)) < len(whole)


def test_a_text_event_is_its_text_and_a_byte() -> None:
    random = Random(1)
    for make in (chat, messages):
        records = there_and_back(make(random, [" the", " quick", " fox", " jumps", " over"]))
        assert {b"\x06 jumps", b"\x05 over"} <= set(records)


def test_counters_cost_a_byte() -> None:
    records = there_and_back(responses(Random(1), tokens(Random(1), "english", 40)))
    assert {len(record) for record in records[10:40]} <= set(range(4, 11))


def test_events_of_two_templates_in_turn() -> None:
    events = []
    for n in range(6):
        events += [b'event: a\ndata: {"n":%d}\n\n' % n, b'event: b\ndata: {"text":"%d x"}\n\n' % n]
    records = there_and_back(events)
    assert records[-2:] == [b"\x80\x09", b"\x81\x065 x"]


def test_an_event_that_repeats_is_one_byte() -> None:
    assert there_and_back([b": ping\n\n"] * 4)[-1] == b"\x80"


def test_a_value_that_changes_after_all_becomes_a_slot_of_the_same_template() -> None:
    events = [b'data: {"i":%d,"t":"%s"}\n\n' % (n // 4, b"abcdefgh"[n : n + 1]) for n in range(8)]
    records = there_and_back(events)
    assert b"\x90" in records[1]
    assert b"\x90" in records[4]
    assert records[-1] == b"\x80\x01\x02h"


def test_long_slots_are_deflated_if_that_is_shorter() -> None:
    text = b"a long passage that says the same again and again and again and again, as texts do. "
    events = [b'{"t":"%d %s"}\n' % (n, text * 3) for n in range(5)]
    records = there_and_back(events)
    assert records[-1][0] == 0xA0
    assert len(records[-1]) < 40


def test_long_slots_are_left_alone_if_it_is_not() -> None:
    random = Random(1)
    events = [b'{"t":"%s"}\n' % random.randbytes(120).hex().upper().encode() for _ in range(2)]
    events += [b'{"t":"%s"}\n' % random.randbytes(400).replace(b"\n", b"").replace(b'"', b"") for _ in range(8)]
    records = there_and_back(events)
    assert all(len(record) <= len(event) for record, event in zip(records[2:], events[2:], strict=True))


def test_text_of_64_bytes_and_more_takes_two_bytes_of_length_elsewhere_only() -> None:
    events = [b'{"t":"%s","u":"%d"}\n' % (b"%c" % (n + 30) * n, n) for n in (64, 63, 65, 64, 80, 82)]
    assert there_and_back(events)[-1][0] == 82


def test_quiet_streams_drop_their_deflate_contexts() -> None:
    for events in (
        [b'data: {"t":"%d x"}\n\n' % n for n in range(80)],
        [b'data: {"n":%d,"t":"%d x"}\n\n' % (n, n) for n in range(80)],
    ):
        records = there_and_back(events)
        assert sum(record.startswith(b"\xb2") for record in records) == 1
        records = there_and_back([*events, b"data: [DONE]\n\n" * 3])
        assert records[-1][0] == 0xB1


def test_a_stream_that_never_used_deflate_has_nothing_to_drop() -> None:
    records = there_and_back([b"{}\n"] * 80)
    assert records[2:] == [b"\x80"] * 78


def test_bytes_that_cannot_be_made_smaller_cost_three_bytes_a_chunk() -> None:
    random = Random(1)
    chunks = [random.randbytes(4096) for _ in range(20)]
    records = there_and_back(chunks)
    assert len(records[0]) == 4096 + 3 + 1  # the version
    assert all(len(record) == 4096 + 3 for record in records[1:])
    assert [len(record) for record in there_and_back([random.randbytes(100)] * 1)] == [103]


def test_deflate_that_fails_on_the_way_begins_anew() -> None:
    random = Random(1)
    text = b"words and words and words and more words"
    records = there_and_back([text, random.randbytes(300), text, text])
    assert [record[0] for record in records[1:]] == [0xB2, 0xB1, 0xB1]


def test_chunks_longer_than_a_record() -> None:
    random = Random(1)
    for long in (b"words and more " * 20_000, random.randbytes(200_000)):
        there_and_back([long, long])


def test_an_event_is_learned_only_from_a_record_that_holds_it() -> None:
    """Events that share a record never lie across two: a template could not be cut out."""
    random = Random(1)
    events = [b'data: {"k%d":"%s"}\n\n' % (n, random.randbytes(400).hex().encode()) for n in range(60)]
    there_and_back([b"".join(events) + events[7] + events[0]])


def test_more_shapes_than_templates() -> None:
    random = Random(1)
    events = [b'data: {"k%d":"%d"}\n\n' % (shape, n) for shape in range(20) for n in range(3)]
    there_and_back(events)
    random.shuffle(events)
    there_and_back(events * 2)


def test_an_event_too_long_for_its_template_is_left_to_deflate() -> None:
    small = [b'{"t":"a"}\n', b'{"t":"b"}\n']
    large = b'{"t":"' + b"x" * 70_000 + b'"}\n'
    there_and_back([*small, large, b'{"u":1}\n' + large, *small])


def test_lines_of_objects_share_a_chunk() -> None:
    lines = [b'{"t":"%d x"}\n' % n for n in range(9)]
    assert there_and_back([*lines[:3], b"".join(lines[3:])])[-1] == b"".join(b"\x03%d x" % n for n in range(3, 9))


def test_an_empty_stream_and_an_empty_chunk() -> None:
    assert EventEncoder().finish().hex() == "01b300000000"
    assert there_and_back([b""])
    assert there_and_back([b"", b"x", b""])[-1] == b""
    assert EventDecoder().decode(b"") == b""


def test_records_of_another_deflate_are_read_as_well() -> None:
    """Golden: written down once. Nodes of every later version read it."""
    stream = bytes.fromhex(
        "01b0107b2274223a2261222c226e223a317d0a"  # a literal
        "9010" + "02" + "0601" + "0601"  # a template of two slots, cut out of it
        "03626164" + "09"  # its first slot as text, its second one more
        "80" + "0101"  # all as before
        "80" + "0268" + "05"  # another text, one less
        "b2" + "b105aa484a0400"  # a fresh context: deflate
        "b3"
    )
    plain = b'{"t":"a","n":1}\n{"t":"bad","n":2}\n{"t":"bad","n":2}\n{"t":"h","n":1}\nxba'
    decoder = EventDecoder()
    assert decoder.decode(stream + crc(plain)) == plain
    decoder.finish()


def test_records_that_need_the_dictionary_are_read_as_well() -> None:
    """Golden: six events of a chat, deflated with the dictionary and with what the templates hold."""
    stream = bytes.fromhex(
        "01b13bc21ed5ce159986896ec6699ebec91541cec159f9e96ea6dee115a1e9c501c18e2447b581a5a1a5b931b5a3dac424d934d93cc5d0c2"
        "6c9014c10000b10e1a1941890837058f4cb20b600000b10b1a716155995f4a7660010090ad0201f001040121b1081a1181457e6d0500b112"
        "1a76c183afb6323131c75a5b190fd3da0a00b10542adad0000b30448d026"
    )
    decoder = EventDecoder()
    events = decoder.decode(stream).split(b"\n\n")
    decoder.finish()
    assert events[2].startswith(b'data: {"id":"chatcmpl-') and events[2].endswith(b'"usage":null}')
    assert [b'"content":" you"' in event for event in events] == [False, False, True] + [False] * 5
    assert events[6:] == [b"data: [DONE]", b""]
    assert hashlib.sha256(b"\n\n".join(events)).hexdigest().startswith("69db240366446e56")


def test_the_dictionaries_never_change() -> None:
    """Records made with a dictionary can only be read with the same. Another text needs another name."""
    folder = CORPUS.parents[2] / "transport" / "session" / "events" / "dictionaries"
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in folder.iterdir()}
    assert found == {
        "chat-1.dict": "95e9f3074d3f05ca",
        "events-1.dict": "719cf728c170f302",
        "generate-1.dict": "58b402879cd6ba7d",
        "heads-1.dict": "74f7e1fb034f41b2",
        "messages-1.dict": "5a6aed2ad18c191d",
        "responses-1.dict": "651dffa1a6845dd6",
    }
    assert len(dictionaries.events()) <= 4096 - 262


def test_records_cut_anywhere() -> None:
    for events in (chat(Random(2), tokens(Random(2), "chinese", 30)), responses(Random(2), [" a", " b"] * 9)):
        encoder = EventEncoder()
        stream = b"".join(map(encoder.encode, events)) + encoder.finish()
        decoder = EventDecoder()
        assert b"".join(decoder.decode(stream[at : at + 1]) for at in range(len(stream))) == b"".join(events)
        decoder.finish()


LITERAL = b"\x01\xb0\x08" + b'{"a":1}\n'
ONE_SLOT = LITERAL + b"\x90\x08\x01\x05\x01"


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (b"\x02", "version 2"),
        (b"\x01\x03abc", "text without a template"),
        (b"\x01\x80", "template 0 is unknown"),
        (b"\x01\xa3\x00", "template 3 is unknown"),
        (b"\x01\xb4", "0xb4 is unknown"),
        (b"\x01\xff", "0xff is unknown"),
        (b"\x01\xb0" + integer(MAX_RECORD_BYTES + 1), "longer than records"),
        (b"\x01\xb1\x02\xff\xff", "not deflate"),
        (b"\x01\x90\x01\x00", "larger than its event"),
        (LITERAL + b"\x90\x09\x00", "larger than its event"),
        (LITERAL + b"\x90\x08\x21", "larger than its event"),
        (LITERAL + b"\x90\x08\x01\x05\x04", "beyond its event"),
        (LITERAL + b"\x90\x08\x00\x05abcde", "text without a template"),
        (ONE_SLOT + b"\xa0\x03\x01\x04\x00", "deflate"),
        (b"\x01\xb3abcd", "checksum"),
        (b"\x01\xb3\x00\x00\x00\x00\x80", "after the end"),
        (ONE_SLOT + b"\xb3" + crc(b'{"a":1}\n') + b"\x011", "text without"),
    ],
)
def test_what_a_decoder_refuses(stream: bytes, fault: str) -> None:
    for pieces in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        decoder = EventDecoder()
        with pytest.raises(CorruptEvents, match=fault):
            list(map(decoder.decode, pieces))
        for again in (lambda: decoder.decode(b"\x01x"), decoder.finish):  # noqa: B023 - used at once
            with pytest.raises(CorruptEvents, match=fault):
                again()


def squeezed(slots: bytes) -> bytes:
    context = zlib.compressobj(6, zlib.DEFLATED, -12)
    made = (context.compress(slots) + context.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return b"\xa0" + integer(len(made)) + made


@pytest.mark.parametrize(
    ("slots", "fault"), [(b"\x04a", "end early"), (b"", "end early"), (b"\x02ab", "more deflated slots")]
)
def test_deflated_slots_that_do_not_fit(slots: bytes, fault: str) -> None:
    with pytest.raises(CorruptEvents, match=fault):
        EventDecoder().decode(ONE_SLOT + squeezed(slots))


def test_slots_longer_together_than_a_record() -> None:
    two = LITERAL + b"\x90\x08\x02\x02\x01\x02\x01"
    half = MAX_RECORD_BYTES // 2 + 1
    with pytest.raises(CorruptEvents, match="longer than a record"):
        EventDecoder().decode(two + b"\x80" + 2 * (integer(2 * half) + b"x" * half))


def test_an_event_longer_than_templates_restore() -> None:
    fits = b"\x80" + integer(2 * (4096 - 7)) + b"x" * (4096 - 7)
    assert len(EventDecoder().decode(ONE_SLOT + fits)) == 8 + 4096
    with pytest.raises(CorruptEvents, match="longer than templates"):
        EventDecoder().decode(ONE_SLOT + b"\x80" + integer(2 * 4090) + b"x" * 4090)
    there_and_back([b'{"a":%d}\n' % n for n in range(4)] + [b'{"a":%s}\n' % (b"1" * n) for n in (4089, 4090)])


def test_a_call_restores_no_more_than_its_limit() -> None:
    bomb = b"\x01\xb0\x08" + b"12345678" + b"\x90\x08\x00" + b"\x80" * 100
    with pytest.raises(CorruptEvents, match="more is restored"):
        EventDecoder(limit_bytes=800).decode(bomb)
    assert len(EventDecoder(limit_bytes=808).decode(bomb)) == 808


def test_a_stream_that_was_cut() -> None:
    encoder, decoder = EventEncoder(), EventDecoder()
    decoder.decode(encoder.encode(b"data: x\n\n"))
    decoder.decode(encoder.finish()[:-1])
    with pytest.raises(CorruptEvents, match="cut"):
        decoder.finish()


def test_every_kind_has_a_goal_of_its_size() -> None:
    """Bytes per event in the middle of a stream, its text included."""
    goals = {"gemini": 140, "json lines": 24, "chat, padded": 20, "responses, padded": 22}
    for kind, language, events in all_streams(5):
        sizes = sorted(map(len, there_and_back(events)))
        assert sizes[len(sizes) // 2] <= goals.get(kind, 12), (kind, language)
    assert goals.keys() < KINDS.keys()
