"""OpenAI Realtime and Gemini Live as message → messages, without a socket.

A `Conversation` gets each incoming message and returns what to send: pairs of seconds to wait after the pair before,
and the message. Faults are the socket's business.
"""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import msgspec

from netem.provider.reply import encode
from netem.provider.sim import Sim
from netem.provider.words import count, text_of, words_for

Timed = tuple[float, str | bytes]


class Conversation(Protocol):
    """One WebSocket's API. `audio_bytes` counts what was echoed."""

    def open(self) -> list[Timed]: ...

    def receive(self, message: str | bytes) -> list[Timed]: ...


def conversation_for(path: str, model: str, sim: Sim) -> Conversation | None:
    """The API that a WebSocket's path belongs to, or None."""
    if path.endswith("/realtime"):
        return Realtime(model, sim)
    return Live(sim) if "BidiGenerateContent" in path else None


def _text(value: Any) -> str:
    return bytes(encode(value)).decode()


class Realtime:
    """https://platform.openai.com/docs/api-reference/realtime: audio is echoed, text is answered."""

    def __init__(self, model: str, sim: Sim) -> None:
        self._sim = sim
        self._session: dict[str, Any] = {"type": "realtime", "object": "realtime.session", "id": "sess_1"}
        self._session["model"] = model or "gpt-realtime"
        self._number = itertools.count(1)
        self._prompt = ""

    def _event(self, kind: str, **rest: Any) -> str:
        return _text({"type": kind, "event_id": f"event_{next(self._number)}", **rest})

    def open(self) -> list[Timed]:
        return [(0.0, self._event("session.created", session=self._session))]

    def receive(self, message: str | bytes) -> list[Timed]:
        """Binary frames come back as they are; unknown events are answered with an error event, as OpenAI does."""
        if isinstance(message, bytes):
            return [(0.0, message)]
        try:
            event = msgspec.json.decode(message)
            kind = event["type"]
        except (msgspec.DecodeError, KeyError, TypeError):
            return [(0.0, self._error("not a JSON object with a type"))]
        if kind == "session.update":
            self._session |= event.get("session") or {}
            return [(0.0, self._event("session.updated", session=self._session))]
        if kind == "input_audio_buffer.append":
            return [(0.0, self._audio(event.get("audio", "")))]
        if kind == "input_audio_buffer.commit":
            return [(0.0, self._event("input_audio_buffer.committed", item_id="item_1", previous_item_id=None))]
        if kind == "input_audio_buffer.clear":
            return [(0.0, self._event("input_audio_buffer.cleared"))]
        if kind == "conversation.item.create":
            item = {"id": "item_1", "object": "realtime.item", "status": "completed", **event.get("item", {})}
            self._prompt = text_of(item)
            return [(0.0, self._event("conversation.item.added", item=item, previous_item_id=None))]
        return self._respond() if kind == "response.create" else [(0.0, self._error(f"unknown event {kind!r}"))]

    def _error(self, message: str) -> str:
        about = {"type": "invalid_request_error", "code": "invalid_event", "message": message, "param": None}
        return self._event("error", error=about)

    def _audio(self, audio: str) -> str:
        where = {"response_id": "resp_audio", "item_id": "item_audio", "output_index": 0, "content_index": 0}
        return self._event("response.output_audio.delta", **where, delta=audio)

    def _respond(self) -> list[Timed]:
        sim = self._sim
        words = words_for(sim, self._prompt, None)
        where = {"response_id": "resp_1", "item_id": "item_2", "output_index": 0, "content_index": 0}
        response: dict[str, Any] = {"id": "resp_1", "object": "realtime.response", "output": []}
        running = {**response, "status": "in_progress", "usage": None}
        timed: list[Timed] = [(sim.think_ms / 1000, self._event("response.created", response=running))]
        for index in range(words.tokens):
            delta = self._event("response.output_text.delta", **where, delta=words.word(index))
            timed.append((sim.interval_ms / 1000 if index else 0.0, delta))
        text = words.text()
        timed.append((0.0, self._event("response.output_text.done", **where, text=text)))
        spent = count(self._prompt)
        usage = {"total_tokens": spent + words.tokens, "input_tokens": spent, "output_tokens": words.tokens}
        message = {"id": "item_2", "object": "realtime.item", "type": "message", "role": "assistant"}
        item = {**message, "status": "completed", "content": [{"type": "output_text", "text": text}]}
        done = {**response, "status": "completed", "output": [item], "usage": usage}
        timed.append((0.0, self._event("response.done", response=done)))
        return timed


class Live:
    """https://ai.google.dev/api/live: setup → setupComplete; audio is echoed, text is answered.

    Gemini sends its JSON in binary frames, and so does this.
    """

    def __init__(self, sim: Sim) -> None:
        self._sim = sim

    def open(self) -> list[Timed]:
        return []

    def receive(self, message: str | bytes) -> list[Timed]:
        """A binary frame that isn't JSON is echoed."""
        try:
            event = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [(0.0, message)]
        if not isinstance(event, dict):
            return [(0.0, message)]
        if "setup" in event:
            return [(0.0, encode({"setupComplete": {"sessionId": "sim"}})), *self._resumption(event["setup"])]
        if "realtimeInput" in event or "realtime_input" in event:
            return self._echo(event.get("realtimeInput") or event.get("realtime_input"))
        content = event.get("clientContent") or event.get("client_content") or {}
        ends = content.get("turnComplete") or content.get("turn_complete")
        return self._answer(text_of(content.get("turns"))) if ends else []

    def _resumption(self, setup: Any) -> list[Timed]:
        """https://ai.google.dev/gemini-api/docs/live-session#session-resumption: a handle, made of the one before."""
        wanted = setup.get("sessionResumption") if isinstance(setup, dict) else None
        if not isinstance(wanted, dict):
            return []
        handle = f"{wanted.get('handle') or 'sim'}-1"
        return [(0.0, encode({"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}))]

    def _echo(self, given: Any) -> list[Timed]:
        chunks = given.get("mediaChunks") or [given.get("audio")] if isinstance(given, dict) else []
        if isinstance(given, dict) and isinstance(given.get("text"), str):
            return self._answer(given["text"])
        return [(0.0, _content({"parts": [{"inlineData": chunk}]})) for chunk in chunks if chunk]

    def _answer(self, prompt: str) -> list[Timed]:
        words = words_for(self._sim, prompt, None)
        timed: list[Timed] = []
        for index in range(words.tokens):
            wait = self._sim.interval_ms if index else self._sim.think_ms
            timed.append((wait / 1000, _content({"parts": [{"text": words.word(index)}]})))
        spent = {"promptTokenCount": count(prompt), "responseTokenCount": words.tokens}
        ending = {"serverContent": {"turnComplete": True, "generationComplete": True}, "usageMetadata": spent}
        timed.append((0.0, encode(ending)))
        return timed


def _content(turn: dict[str, Any]) -> bytes:
    return encode({"serverContent": {"modelTurn": {**turn, "role": "model"}}})
