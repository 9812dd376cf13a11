"""Tokens out of bytes: whatever the pieces, the same tokens; errors and ends are seen."""

from __future__ import annotations

import pytest

from netem.bench.tokens import RealtimeReader, SseReader

STREAM = (
    b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"t0001@0000000000000123 "}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"t0002@0000000000000456 "}}]}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_pieces_may_be_cut_anywhere(size: int) -> None:
    reader = SseReader()
    for at in range(0, len(STREAM), size):
        reader.feed(STREAM[at : at + size], at)
    assert [(number, stamp) for number, _, stamp in reader.tokens] == [(1, 123), (2, 456)]
    assert reader.is_done
    assert not reader.is_error


def test_a_token_has_arrived_when_its_whole_event_has() -> None:
    reader = SseReader()
    at = STREAM.index(b"t0001") + 24
    reader.feed(STREAM[:at], 5)
    assert reader.tokens == []
    reader.feed(STREAM[at:], 9)
    assert [now for _, now, _ in reader.tokens] == [9, 9]


@pytest.mark.parametrize("event", [b'data: {"error":{"message":"x"}}\n\n', b'event: error\ndata: {"type":"error"}\n\n'])
def test_error_events(event: bytes) -> None:
    reader = SseReader()
    reader.feed(STREAM[: STREAM.index(b"\n\n") + 2] + event, 1)
    assert reader.is_error
    assert not reader.is_done


def test_a_realtime_conversation() -> None:
    reader = RealtimeReader()
    for text in (
        '{"type":"session.created"}',
        '{"type":"response.output_text.delta","event_id":"event_4","delta":"t0001 "}',
        '{"type":"response.output_text.delta","event_id":"event_5","delta":"t0002 "}',
        '{"type":"response.done","response":{}}',
    ):
        reader.feed(text, 3)
    assert reader.tokens == [(1, 3, 0), (2, 3, 0)]
    assert reader.is_done
    assert not reader.is_error
    reader.feed('{"type":"error","error":{}}', 4)
    assert reader.is_error
