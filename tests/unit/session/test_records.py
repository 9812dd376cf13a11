"""Records of requests and replies: what is written is read, however it is cut; what breaks the format is refused."""

from __future__ import annotations

import pytest

from transport.failure import Code, Failure, Origin, Verdict
from transport.message import RequestHead, ResponseHead
from transport.session.events import heads
from transport.session.events.dictionaries import Dictionary
from transport.session.record_readers import ReplyReader, RequestReader
from transport.session.record_writers import ReplyWriter, RequestWriter
from transport.session.records import (
    EVENTS,
    FAILURE,
    FRAME,
    MAX_FRAME_BYTES,
    MAX_HEAD_BYTES,
    REQUEST,
    RESPONSE,
    STAMP,
    TRAILERS,
    Coding,
    End,
    Frame,
    RecordError,
    ReplyValue,
    Request,
    RequestValue,
    Stamp,
    coding_for,
    message,
    read_message,
)
from transport.session.wire import varint

HEAD = RequestHead(b"POST", b"/v1/chat/completions", b"api.openai.com", [(b"authorization", b"Bearer sk-1")])
SSE = ResponseHead(200, [(b"content-type", b"text/event-stream")])
JSON = ResponseHead(200, [(b"content-type", b"application/json")])
UPGRADED = ResponseHead(101, [(b"upgrade", b"websocket")])


def read_request(data: bytes, step: int) -> list[RequestValue]:
    """Values, neighbouring bytes joined."""
    reader = RequestReader()
    values: list[RequestValue] = []
    for at in range(0, len(data), step):
        for value in reader.feed(data[at : at + step]):
            if isinstance(value, bytes) and values and isinstance(last := values[-1], bytes):
                values[-1] = last + value
            else:
                values.append(value)
    assert reader.is_over
    return values


def read_reply(data: bytes, step: int) -> list[ReplyValue]:
    reader = ReplyReader()
    values: list[ReplyValue] = []
    for at in range(0, len(data), step):
        for value in reader.feed(data[at : at + step]):
            if isinstance(value, bytes) and values and isinstance(last := values[-1], bytes):
                values[-1] = last + value
            else:
                values.append(value)
    assert reader.is_over
    return values


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
@pytest.mark.parametrize("dictionary", [None, Dictionary.CHAT])
def test_a_request_arrives_as_it_was_sent(step: int, dictionary: Dictionary | None) -> None:
    writer = RequestWriter(dictionary)
    data = writer.request(HEAD, "openai", 12.5, 11) + writer.body(b"hello ") + writer.body(b"world") + writer.end()
    assert read_request(data, step) == [Request(HEAD, "openai", 12.5, 11), b"hello world", End([])]


def test_the_bytes_of_a_plain_request() -> None:
    writer = RequestWriter()
    head = heads.encode_request(HEAD)
    first = b"\x00" + b"\x06openai" + varint(12_500) + b"\x0c"
    expected = bytes((REQUEST,)) + varint(len(first) + len(head)) + first + head + b"\x02\x03abc" + b"\x05\x00"
    assert writer.request(HEAD, "openai", 12.5, 11) + writer.body(b"abc") + writer.end() == expected


def test_a_body_of_unknown_length_with_trailers() -> None:
    writer = RequestWriter()
    data = writer.request(HEAD, "p", 1e12) + writer.body(b"x") + writer.end([(b"x-sum", b"1")])
    request, body, end = read_request(data, 5)
    assert isinstance(request, Request) and request.body_bytes is None and request.patience > 4_000_000
    assert (body, end) == (b"x", End([(b"x-sum", b"1")]))


@pytest.mark.parametrize("step", [1, 3, 100_000])
def test_frames_both_ways(step: int) -> None:
    request, reply = RequestWriter(), ReplyWriter()
    long = bytes(range(256)) * 600
    data = request.request(HEAD, "openai", 60, websocket=True)
    data += request.frame(1, b"hi") + request.frame(2, long) + request.frame(8, b"\x03\xe8bye") + request.end()
    values = read_request(data, step)
    assert isinstance(values[0], Request) and values[0].websocket
    pieces = [value for value in values if isinstance(value, Frame)]
    assert pieces[0] == Frame(1, b"hi") and pieces[-1] == Frame(8, b"\x03\xe8bye")
    assert [(piece.opcode, piece.is_last, len(piece.payload)) for piece in pieces[1:-1]] == [
        (2, False, MAX_FRAME_BYTES),
        (0, False, MAX_FRAME_BYTES),
        (0, True, len(long) - 2 * MAX_FRAME_BYTES),
    ]
    back = reply.response(UPGRADED) + reply.frame(1, b"one", False) + reply.frame(0, b"two") + reply.end()
    assert read_reply(back, step) == [UPGRADED, Frame(1, b"one", False), Frame(0, b"two"), End([])]


EVENT = b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n'


@pytest.mark.parametrize("step", [1, 2, 9, 100_000])
def test_an_event_stream_arrives_as_it_was_sent(step: int) -> None:
    writer = ReplyWriter()
    words = [b"a", b"token", b"and", b"some more", b"x" * 300, b"end"] * 5
    data = writer.response(SSE, coding_for(SSE)) + writer.stamp((1 << 32) + 5)
    data += b"".join(writer.body(EVENT % word) for word in words) + writer.end([(b"x", b"y")])
    whole = b"".join(EVENT % word for word in words)
    assert read_reply(data, step) == [SSE, Stamp(5), whole, End([(b"x", b"y")])]
    assert len(data) < len(whole) / 3


def test_records_that_come_one_by_one_take_the_short_way() -> None:
    writer, reader = ReplyWriter(), ReplyReader()
    assert reader.feed(writer.response(SSE, Coding.EVENTS)) == [SSE]
    first = writer.body(EVENT % b"first")
    assert first[:2] == bytes((EVENTS, len(first) - 2))
    assert reader.feed(b"\x03\x01" + first[2:3]) == []  # an event's record may be cut, too
    assert reader.feed(bytes((EVENTS, len(first) - 3)) + first[3:]) == [EVENT % b"first"]
    for word in (b"a", b"b", b"c", b"d" * 90):
        assert reader.feed(writer.body(EVENT % word)) == [EVENT % word]
    assert reader.feed(writer.body(b"")) == []
    assert reader.feed(b"") == []
    assert reader.feed(writer.end()) == [End([])]


def test_large_event_records_are_restored_piece_by_piece() -> None:
    writer = ReplyWriter()
    noise = b"".join(b"%d," % (n * n * 7919 % 1_000_003) for n in range(8000))
    data = writer.response(SSE, Coding.EVENTS) + writer.body(noise) + writer.end()
    assert read_reply(data, 1 << 20) == [SSE, noise, End([])]


@pytest.mark.parametrize("coding", [Coding.PLAIN, Coding.ZSTD])
@pytest.mark.parametrize("step", [1, 64, 100_000])
def test_other_bodies(coding: Coding, step: int) -> None:
    writer = ReplyWriter()
    body = b'{"data": [0.25, 0.5]}' * 200
    data = writer.response(JSON, coding) + writer.body(body[:1000]) + writer.body(body[1000:]) + writer.end()
    assert read_reply(data, step) == [JSON, body, End([])]
    assert (len(data) < 400) is (coding is Coding.ZSTD)


@pytest.mark.parametrize(
    ("headers", "coding"),
    [
        ([(b"content-type", b"text/event-stream; charset=utf-8")], Coding.EVENTS),
        ([(b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")], Coding.PLAIN),
        ([(b"content-type", b"text/event-stream"), (b"content-encoding", b"identity")], Coding.EVENTS),
        ([(b"content-type", b"application/json")], Coding.ZSTD),
        ([(b"content-type", b"application/json"), (b"content-length", b"99")], Coding.PLAIN),
        ([(b"content-type", b"application/json"), (b"content-length", b"100")], Coding.ZSTD),
        ([(b"content-type", b"application/json"), (b"content-length", b"100000000")], Coding.PLAIN),
        ([(b"content-type", b"audio/mpeg")], Coding.PLAIN),
        ([], Coding.PLAIN),
    ],
)
def test_the_coding_that_suits_a_reply(headers: list[tuple[bytes, bytes]], coding: Coding) -> None:
    assert coding_for(ResponseHead(200, headers)) is coding


@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("after", [None, 0.0, 1.5])
def test_a_failure_crosses(origin: Origin, verdict: Verdict, after: float | None) -> None:
    failure = Failure(origin, verdict, Code.CONNECTION_REFUSED, "nobody listens – there", after)
    assert read_reply(ReplyWriter().failure(failure), 3) == [failure]


def test_a_failure_may_end_a_reply_that_has_begun_and_its_detail_is_cut_between_characters() -> None:
    writer = ReplyWriter()
    failure = Failure(Origin.ENDPOINT, Verdict.UNSAFE, Code.STREAM_RESET, "ä" * 2000)
    data = writer.response(SSE, Coding.EVENTS) + writer.body(EVENT % b"a") + writer.failure(failure)
    _, _, told = read_reply(data, 50)
    assert isinstance(told, Failure) and told.detail == "ä" * 512


def test_unknown_records_above_0x80_are_skipped_wherever_they_stand() -> None:
    other = b"\x90" + varint(100_000) + bytes(100_000)
    stamp = b"\x80\x04\x00\x00\x00\x01"
    request, reply = RequestWriter(), ReplyWriter()
    data = other + stamp + request.request(HEAD, "p", 1) + other + request.body(b"x") + request.end() + other
    assert read_request(data, 9999) == [Request(HEAD, "p", 1.0), b"x", End([])]
    data = other + reply.response(JSON) + other + reply.body(b"x") + reply.end() + other
    assert read_reply(data, 9999) == [JSON, b"x", End([])]


def test_a_stream_that_just_ends_is_not_over() -> None:
    writer, reader = ReplyWriter(), ReplyReader()
    reader.feed(writer.response(JSON) + writer.body(b"x"))
    assert not reader.is_over


@pytest.mark.parametrize("frame", [Frame(1, b"hi"), Frame(2, b"", False)])
def test_frames_as_messages(frame: Frame) -> None:
    assert read_message(message(frame)) == frame


@pytest.mark.parametrize("data", [b"", b"\x70x"])
def test_messages_that_are_no_frames(data: bytes) -> None:
    with pytest.raises(RecordError):
        read_message(data)


GOOD_REQUEST = RequestWriter().request(HEAD, "p", 1)
WEBSOCKET = RequestWriter().request(HEAD, "p", 1, websocket=True)
ENCODED = RequestWriter(Dictionary.NONE).request(HEAD, "p", 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x02\x01x",  # a body before the request
        b"\x05\x00",
        b"\x07\x02\x81x",
        b"\x04\x01\x00",
        b"\x00\x00",
        bytes((REQUEST,)) + varint(MAX_HEAD_BYTES + 1),
        b"\x01\x02\x00\x05",  # cut short
        b"\x01\x03\x00\x01\xff",  # not UTF-8
        b"\x01\x06\x00\x01p\x01\x00\x07",  # no head
        GOOD_REQUEST + GOOD_REQUEST,
        GOOD_REQUEST + b"\x07\x02\x81x",  # a frame without an upgrade
        GOOD_REQUEST + bytes((EVENTS, 1, 1)),
        GOOD_REQUEST + b"\x05\x00\x05\x00",  # after the end
        GOOD_REQUEST + b"\x05\x02\x01\x07",
        WEBSOCKET + b"\x02\x01x",
        WEBSOCKET + b"\x07\x01\x70",
        WEBSOCKET + bytes((FRAME,)) + varint(MAX_FRAME_BYTES + 2),
        ENCODED + b"\x02\x04\x01xyz",
        ENCODED + b"\x05\x00",  # the encoded body was cut
    ],
)
def test_what_no_edge_may_say(data: bytes) -> None:
    reader = RequestReader()
    with pytest.raises(RecordError):
        reader.feed(data)
    with pytest.raises(RecordError):
        reader.feed(b"")


PLAIN_REPLY = ReplyWriter().response(JSON)
EVENT_REPLY = ReplyWriter().response(SSE, Coding.EVENTS)
ZSTD_REPLY = ReplyWriter().response(JSON, Coding.ZSTD)
FRAME_REPLY = ReplyWriter().response(UPGRADED)


@pytest.mark.parametrize(
    "data",
    [
        b"\x02\x01x",
        b"\x03\x01\x01",
        bytes((TRAILERS, 0)),
        bytes((REQUEST, 0)),
        bytes((RESPONSE, 0)),
        bytes((RESPONSE, 1, 3)),  # no such coding
        bytes((RESPONSE, 2, 0, 7)),
        bytes((STAMP, 2, 0, 0)),
        bytes((FAILURE, 5, 5, 0, 0, 0, 0)),
        bytes((FAILURE, 5, 0, 3, 0, 0, 0)),
        bytes((FAILURE, 3, 0, 0, 0)),
        PLAIN_REPLY + PLAIN_REPLY,
        PLAIN_REPLY + b"\x03\x01\x01",
        PLAIN_REPLY + b"\x07\x02\x81x",
        PLAIN_REPLY + b"\x05\x00\x05\x00",
        EVENT_REPLY + b"\x02\x01x",
        EVENT_REPLY + b"\x03\x01\x07",
        EVENT_REPLY + b"\x03\x02\x01\x10",
        EVENT_REPLY + b"\x05\x00",  # without the events' end
        ZSTD_REPLY + b"\x05\x00",
        FRAME_REPLY + b"\x02\x01x",
        FRAME_REPLY + b"\x03\x01\x01",
    ],
)
def test_what_no_relay_may_say(data: bytes) -> None:
    reader = ReplyReader()
    with pytest.raises(RecordError):
        reader.feed(data)
    with pytest.raises(RecordError):
        reader.feed(b"")


def test_a_reader_that_failed_on_the_short_way_stays_dead() -> None:
    reader = ReplyReader()
    reader.feed(EVENT_REPLY)
    with pytest.raises(RecordError, match="version"):
        reader.feed(b"\x03\x01\x07")
    with pytest.raises(RecordError, match="version"):
        reader.feed(b"\x03\x01\x01")


def test_heads_may_not_contain_what_separates_their_parts() -> None:
    with pytest.raises(ValueError, match="0 and 1"):
        RequestWriter().request(RequestHead(b"GET", b"/", b"a", [(b"x", b"a\0b")]), "p", 1)
    with pytest.raises(ValueError, match="0 and 1"):
        ReplyWriter().response(ResponseHead(200, [(b"x", b"a\x01b")]))
