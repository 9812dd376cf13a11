"""Meters against recorded shapes: usage, completeness, boundaries; compressed, cut, oversized and foreign replies."""

from __future__ import annotations

import gzip
import json
import sys
import zlib

import brotli
import pytest
import zstandard

from edge.dialects import by_name, inflate, meters, sse
from edge.dialects.facts import Facts, Repeat, Usage
from edge.dialects.inflate import CannotInflate, inflater
from edge.dialects.usage import OPENAI
from tests.support.dialect_streams import (
    ALL,
    CHAT,
    CHAT_CR,
    CHAT_CRLF,
    DONE,
    GENERATE,
    JSON,
    MESSAGES,
    SSE,
    Recorded,
    candidate,
    chat,
    data,
    named,
)

ENDING = [recorded for recorded in ALL if recorded.ends]


def meter_of(recorded: Recorded):
    return by_name(recorded.dialect).meter(recorded.facts, 200, SSE)


@pytest.mark.parametrize("recorded", ALL, ids=lambda r: f"{r.dialect}-{r.operation}")
@pytest.mark.parametrize("how", ["whole", "events", "bytes"])
def test_a_whole_stream(recorded: Recorded, how: str) -> None:
    meter = meter_of(recorded)
    pieces = {
        "whole": [recorded.body],
        "events": list(recorded.events),
        "bytes": [recorded.body[i : i + 1] for i in range(len(recorded.body))],
    }[how]
    assert meter.at_boundary()
    for piece in pieces:
        meter.feed(piece)
    assert meter.usage() == recorded.usage
    assert meter.is_complete()
    assert meter.at_boundary()
    assert len(recorded.events) - 2 <= meter.tokens_seen() <= len(recorded.events)


@pytest.mark.parametrize("recorded", ENDING, ids=lambda r: f"{r.dialect}-{r.operation}")
def test_a_stream_without_its_last_event_is_not_complete(recorded: Recorded) -> None:
    events = recorded.events[:-1]
    if b"candidates" not in recorded.events[-1] and b"usageMetadata" in recorded.events[-1]:
        events = events[:-1]  # Gemini: the last but one says STOP
    meter = meter_of(recorded)
    for event in events:
        meter.feed(event)
    assert not meter.is_complete()
    assert meter.at_boundary()


@pytest.mark.parametrize("recorded", [CHAT, CHAT_CRLF, CHAT_CR, MESSAGES, GENERATE], ids=str)
def test_boundaries_are_only_after_blank_lines(recorded: Recorded) -> None:
    meter = meter_of(recorded)
    ends = set()
    at = 0
    for event in recorded.events:
        at += len(event)
        ends.add(at)
        if event.endswith(b"\r\n"):
            ends.add(at - 1)  # CR already ends the blank line
    for index in range(len(recorded.body)):
        meter.feed(recorded.body[index : index + 1])
        assert meter.at_boundary() == (index + 1 in ends)


def test_numbered_openai_streams_are_never_at_a_boundary() -> None:
    meter = meter_of(CHAT)
    meter.feed(b"id: 1\n" + CHAT.events[0])
    assert not meter.at_boundary()
    meter.feed(DONE)
    assert meter.is_complete()
    assert not meter.at_boundary()


def test_an_id_inside_content_is_no_number() -> None:
    meter = meter_of(CHAT)
    meter.feed(chat({"content": "uuid: 7"}) * 2)
    assert meter.at_boundary()


def test_done_inside_content_is_no_end() -> None:
    meter = meter_of(CHAT)
    meter.feed(CHAT.events[2] + CHAT.events[2])
    assert not meter.is_complete()


def test_null_errors_are_no_end() -> None:
    meter = meter_of(CHAT)
    meter.feed(data({"error": None, "choices": []}) * 2)
    assert not meter.is_complete()
    meter.feed(data({"error": "overloaded"}))
    assert meter.is_complete()


def test_gemini_goes_by_the_last_event_with_candidates() -> None:
    meter = meter_of(GENERATE)
    meter.feed(candidate("a", "STOP", promptTokenCount=1))
    assert meter.is_complete()
    meter.feed(data({"candidates": [{"content": {}}]}, b"\r\n"))
    assert not meter.is_complete()
    assert meter.usage() == Usage(1, None)
    meter.feed(candidate("a", "FINISH_REASON_UNSPECIFIED"))
    assert not meter.is_complete()


def test_an_endless_event_is_not_held_whole() -> None:
    meter = meter_of(Recorded("openai", "responses", (), Usage()))
    text = "字" * 100_000
    body = named(
        {
            "type": "response.completed",
            "response": {"output": [text] * 4, "usage": {"input_tokens": 3, "output_tokens": 4}},
        }
    )
    for start in range(0, len(body), 10_000):
        meter.feed(body[start : start + 10_000])
        assert len(meter._held) <= sse.HOLD_BYTES + 10_000
    assert meter.is_complete()
    assert meter.usage() == Usage(3, 4)
    assert meter.at_boundary()


def test_anthropic_usage_that_is_no_usage() -> None:
    meter = meter_of(MESSAGES)
    meter.feed(b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":"many"}}\n\n')
    meter.feed(b'event: message_delta\ndata: {"type":"message_delta"}\n\n')
    assert meter.usage() == Usage()


def test_the_scanner_alone_takes_anything() -> None:
    scanner = sse.EventScanner((b"data: {",), 1, b"x")
    scanner.feed(b"data: {x}\n\n")
    scanner.feed(b": comment\n\ndata: 1\n\n")
    assert scanner.events_seen == 2
    assert scanner.at_boundary()


def test_fields_and_types_of_events() -> None:
    assert sse.data_of(b"\xef\xbb\xbfdata: a\r\ndata:b\rdata\nid: 3") == b"a\nb\n"
    assert sse.type_of(b"event: error\ndata: x", b"x") == "error"
    assert sse.field(b"data: x", b"event") == b""


# ---- documents

CHAT_DOCUMENT = json.dumps({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}).encode()


@pytest.mark.parametrize(
    ("dialect", "operation", "document", "usage"),
    [
        ("openai", "chat", {"usage": {"prompt_tokens": 4, "prompt_cache_hit_tokens": 3}}, Usage(4, None, 3)),
        ("openai", "embeddings", {"data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8)),
        ("openai", "chat", {"choices": []}, Usage()),
        ("openai", "chat", {"usage": None, "x": "usage", "y": {"usage": [1]}}, Usage()),
        ("openai", "chat", {"usage": {"prompt_tokens": "x"}}, Usage()),
        ("azure", "responses", {"usage": {"input_tokens": 1, "output_tokens": 2}}, Usage(1, 2)),
        ("anthropic", "messages", {"usage": {"input_tokens": 1, "output_tokens": 2}}, Usage(1, 2)),
        ("anthropic", "messages", {"usage": {"input_tokens": []}}, Usage()),
        ("gemini", "generate", {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}}, Usage(1, 2)),
        ("gemini", "generate", {"usageMetadata": {"promptTokenCount": None}}, Usage()),
        ("gemini", "generate", {"usageMetadata": {"promptTokenCount": {}}}, Usage()),
        ("gemini", "interactions", {"usage": {"total_input_tokens": 1, "total_output_tokens": 2}}, Usage(1, 2)),
        ("gemini", "interactions", {"usage": {"total_input_tokens": "1"}}, Usage()),
        ("generic", "generate", {"usage": {"input_tokens": 1, "output_tokens": 2}}, Usage(1, 2)),
    ],
)
def test_documents(dialect: str, operation: str, document: dict, usage: Usage) -> None:
    meter = by_name(dialect).meter(Facts(operation), 200, JSON)
    for byte in json.dumps(document).encode():
        meter.feed(bytes([byte]))
    assert meter.usage() == usage
    assert meter.is_complete()
    assert not meter.at_boundary()
    assert meter.tokens_seen() == 0


def test_big_documents_are_kept_at_both_ends() -> None:
    meter = meters.DocumentMeter(OPENAI)
    meter.feed(b'{"data":"' + b"A" * 1_000_000)
    for _ in range(20):
        meter.feed(b"A" * 50_000)
        assert len(meter._tail) <= 2 * meters.TAIL_BYTES
    meter.feed(b'",' + CHAT_DOCUMENT[1:])
    assert meter.usage() == Usage(4, 2)


def test_a_streamed_array_is_complete_with_its_bracket() -> None:
    meter = by_name("gemini").meter(Facts("stream", streaming=True), 200, JSON)
    meter.feed(b'[{"usageMetadata": {"promptTokenCount": 2}}\n,\r\n{"usageMetadata": {"promptTokenCount": 3}}')
    assert not meter.is_complete()
    meter.feed(b"\n]\n")
    assert meter.is_complete()
    assert meter.usage() == Usage(3)
    meter.feed(b" " * 70_000 + b"]")
    assert meter.is_complete()


def test_an_object_where_an_array_was_expected_is_complete() -> None:
    meter = by_name("gemini").meter(Facts("stream", streaming=True), 200, JSON)
    meter.feed(b'{"candidates": []}')
    assert meter.is_complete()


@pytest.mark.parametrize("dialect", ["openai", "azure", "anthropic", "gemini", "generic"])
@pytest.mark.parametrize(
    ("status", "headers"),
    [(500, JSON), (200, [(b"content-type", b"audio/mpeg")]), (200, []), (101, []), (429, SSE)],
)
def test_replies_without_usage(dialect: str, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    meter = by_name(dialect).meter(Facts("messages" if dialect == "anthropic" else "chat"), status, headers)
    meter.feed(b"\x00\x01" + CHAT_DOCUMENT)
    assert meter.is_complete()
    assert not meter.at_boundary()
    assert meter.usage() == Usage()
    assert meter.tokens_seen() == 0


def test_what_is_read_again_is_not_counted_again() -> None:
    stored = by_name("openai").meter(Facts("responses", repeat=Repeat.FREE), 200, JSON)
    stored.feed(CHAT_DOCUMENT)
    assert stored.usage() == Usage()
    resumed = by_name("openai").meter(Facts("responses", streaming=True, repeat=Repeat.FREE), 200, SSE)
    resumed.feed(named({"type": "response.completed", "response": {"usage": {"input_tokens": 1}}}))
    assert resumed.is_complete()
    assert resumed.usage() == Usage()


# ---- compressed replies

CODINGS = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_compressed_streams(coding: bytes, step: int) -> None:
    meter = by_name("openai").meter(CHAT.facts, 200, [*SSE, (b"content-encoding", coding)])
    packed = CODINGS[coding](CHAT.body)
    for start in range(0, len(packed), step):
        meter.feed(packed[start : start + step])
    assert meter.usage() == CHAT.usage
    assert meter.is_complete()
    assert not meter.at_boundary()
    assert meter.tokens_seen() == len(CHAT.events)


@pytest.mark.parametrize("coding", [*CODINGS, b"compress", b"identity"])
def test_bytes_that_are_not_what_the_coding_says(coding: bytes) -> None:
    meter = by_name("openai").meter(CHAT.facts, 200, [*SSE, (b"content-encoding", coding)])
    meter.feed(b"\xff\xfenonsense" * 20)
    meter.feed(b"more")
    assert meter.usage() == Usage()
    assert meter.is_complete() == (coding != b"identity")


@pytest.mark.parametrize("coding", CODINGS)
def test_bombs_are_defused(coding: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "MAX_EXPANSION_BYTES", 1 << 20)
    unpack = inflater(coding)
    assert unpack is not None
    total = 0
    try:
        for piece in unpack.inflate(CODINGS[coding](b"\0" * (4 << 20))):
            total += len(piece)
    except CannotInflate:
        pass
    else:
        pytest.fail("inflated the whole bomb")
    assert total <= 1 << 20


@pytest.mark.parametrize("coding", CODINGS)
def test_bytes_after_the_end_are_dropped_or_refused(coding: bytes) -> None:
    unpack = inflater(coding)
    assert unpack is not None
    assert b"".join(unpack.inflate(CODINGS[coding](b"abc"))) == b"abc"
    try:
        assert b"".join(unpack.inflate(b"trailing")) == b""
    except CannotInflate:
        pass


@pytest.mark.timeout(5)
@pytest.mark.parametrize("coding", CODINGS)
def test_bytes_after_the_end_in_the_same_piece(coding: bytes) -> None:
    """Once there was a loop that never ended."""
    unpack = inflater(coding)
    assert unpack is not None
    whole = bytes(range(256)) * 1000
    try:
        assert b"".join(unpack.inflate(CODINGS[coding](whole) + b"trailing" * 1000)) == whole
    except CannotInflate:
        return
    assert not unpack.has_ended()


def test_a_coding_whose_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    meter = by_name("openai").meter(CHAT.facts, 200, [*SSE, (b"content-encoding", b"br")])
    meter.feed(b"x")
    assert meter.is_complete()
    assert meter.usage() == Usage()
