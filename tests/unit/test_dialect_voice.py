"""Which messages of realtime APIs are worthless when late: a microphone's audio, and nothing that looks like it."""

from __future__ import annotations

import base64
import json

import pytest

from edge.dialects.voice import is_late_worthless

AUDIO = base64.b64encode(bytes(range(256)) * 10).decode()
BLOB = {"mimeType": "audio/pcm;rate=16000", "data": AUDIO}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "input_audio_buffer.append", "audio": AUDIO},
        {"event_id": "e1", "type": "input_audio_buffer.append", "audio": AUDIO},
        {"realtimeInput": {"mediaChunks": [BLOB]}},
        {"realtimeInput": {"mediaChunks": [BLOB, BLOB]}},
        {"realtimeInput": {"audio": BLOB}},
        {"realtime_input": {"media_chunks": [{"data": AUDIO, "mime_type": "audio/pcm"}]}},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_microphones_audio(message: dict[str, object], indent: int | None) -> None:
    assert is_late_worthless(1, json.dumps(message, indent=indent).encode())
    assert is_late_worthless(1, json.dumps(message, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "message",
    [
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.clear"},
        {"type": "response.audio.delta", "delta": AUDIO},
        {"type": "response.cancel"},
        {"type": "session.update", "session": {"type": "input_audio_buffer.append"}},
        {"type": "conversation.item.create", "item": {"text": '"type": "input_audio_buffer.append"'}},
        {"type": "session.update", "event_id": "input_audio_buffer.append", "audio": ""},
        {"type": "input_audio_buffer.append", "audio": AUDIO, "more": "x"},
        {"realtimeInput": {"activityEnd": {}}},
        {"realtimeInput": {"audio": BLOB, "activityEnd": {}}},
        {"realtimeInput": {"audioStreamEnd": True}},
        {"realtimeInput": {"text": "hi"}},
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": AUDIO}}},
        {"realtimeInput": {"audio": {"mimeType": "image/jpeg", "data": AUDIO}}},
        {"clientContent": {"turnComplete": True}},
        {"serverContent": {"modelTurn": {"parts": [{"inlineData": BLOB}]}}},
    ],
)
def test_everything_else_is_kept(message: dict[str, object]) -> None:
    assert not is_late_worthless(1, json.dumps(message).encode())


def test_binary_messages_of_gemini_count_and_those_of_others_do_not() -> None:
    assert is_late_worthless(2, json.dumps({"realtimeInput": {"audio": BLOB}}).encode())
    assert not is_late_worthless(2, json.dumps({"type": "input_audio_buffer.append", "audio": AUDIO}).encode())
    assert not is_late_worthless(2, bytes(range(256)))
    assert not is_late_worthless(8, b"")
