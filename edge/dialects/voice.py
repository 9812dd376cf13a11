"""Which WebSocket messages of the vendors' realtime APIs are worthless when late. Pure.

Only what a client's microphone says, and only messages that hold nothing else: OpenAI's `input_audio_buffer.append`,
Gemini's `realtimeInput` with audio. What a provider's voice says is kept however late: the client's transcript, its
playback position and what it truncates count on every piece of it. So does what commits, clears or interrupts.

The whole message must have the expected shape, so a text that merely quotes one is never taken for it.
"""

from __future__ import annotations

import re

_TEXT = 1
_STRING = rb'"[^"\\]*"'
_SPACE = rb"\s*"


def _object(*members: bytes) -> bytes:
    """An object of nothing but these members, in any order, any number of them."""
    one = rb"(?:" + rb"|".join(members) + rb")"
    return _SPACE.join((rb"\{", one, rb"(?:," + _SPACE + one + _SPACE + rb")*\}"))


def _member(names: bytes, value: bytes) -> bytes:
    return rb'"(?:' + names + rb')"' + _SPACE + rb":" + _SPACE + value


_BLOB = _object(_member(rb"data", _STRING), _member(rb"mime_?[tT]ype", rb'"audio/[^"\\]*"'))
_CHUNKS = _SPACE.join((rb"\[", _BLOB, rb"(?:," + _SPACE + _BLOB + _SPACE + rb")*\]"))
_GEMINI_INPUT = _object(_member(rb"audio", _BLOB), _member(rb"media_?[cC]hunks", _CHUNKS))
_OPENAI = re.compile(_SPACE + _object(_member(rb"type|event_id|audio", _STRING)) + _SPACE)
_GEMINI = re.compile(_SPACE + _object(_member(rb"realtime_?[iI]nput", _GEMINI_INPUT)) + _SPACE)
_APPENDS = re.compile(rb'"type"\s*:\s*"input_audio_buffer\.append"')


def is_late_worthless(opcode: int, payload: bytes) -> bool:
    """May a whole message that a client sent be dropped when it would come late?"""
    if opcode == _TEXT and b"input_audio_buffer.append" in payload:
        return _APPENDS.search(payload) is not None and _OPENAI.fullmatch(payload) is not None
    return b"ealtime" in payload[:64] and _GEMINI.fullmatch(payload) is not None
