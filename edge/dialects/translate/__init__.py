"""Other vendors' requests for engines that have only OpenAI's chat completions, and the engine's answers back. All
pure: bytes in, bytes out.

values.py            the seam: Translation, Translated, ReplyTranslator, Untranslatable
chat.py              the making of a chat completion request
engine.py            what engines answer: completions, chunks, endings, errors
replies.py           follows one reply and has a vendor's writer say the same

anthropic_request.py, anthropic_reply.py    Messages
gemini_request.py, gemini_schema.py, gemini_reply.py    generateContent and its stream
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.dialects import by_name
from edge.dialects.facts import Dialect
from edge.dialects.gemini import model_of
from edge.dialects.request import segments
from edge.dialects.translate import anthropic_request, gemini_request
from edge.dialects.translate.anthropic_reply import MessageWriter
from edge.dialects.translate.gemini_reply import GenerateWriter
from edge.dialects.translate.replies import Reply, Writer
from edge.dialects.translate.values import (
    ReplyTranslator,
    Translated,
    Translation,
    Untranslatable,
    check_coding,
    decoded,
)
from transport.message import Headers

__all__ = ["ReplyTranslator", "Translated", "Translation", "Untranslatable", "translation"]


@dataclass(frozen=True, slots=True)
class _Translation:
    """See `edge.dialects.translate.values.Translation`."""

    dialect: Dialect
    ask: Callable[[bytes, bytes, str], Translated]
    answer: Callable[[bytes, bytes, str], tuple[Writer, str]]  # from target, body and id; the answer's given beginning

    def request(self, target: bytes, headers: Headers, body: bytes, model: str) -> Translated:
        check_coding(headers)
        return self.ask(target, body, model)

    def reply(self, request_body: bytes, streaming: bool, request_id: str, target: bytes = b"") -> ReplyTranslator:
        writer, begun = self.answer(target, request_body, request_id)
        return Reply(self.dialect, writer, streaming, request_id, begun)


def _message(target: bytes, body: bytes, request_id: str) -> tuple[Writer, str]:
    asked = decoded(body, anthropic_request.Message)
    return MessageWriter(asked.model, asked.shows_thinking, request_id), anthropic_request.begun_answer(asked)


def _content(target: bytes, body: bytes, request_id: str) -> tuple[Writer, str]:
    asked = gemini_request.body_of(body)
    model = model_of(segments(target)) or ""
    writer = GenerateWriter(model, asked.shows_thoughts, gemini_request.is_array(target), request_id)
    return writer, gemini_request.begun_answer(asked)


_ANTHROPIC = _Translation(by_name("anthropic"), anthropic_request.chat_of, _message)
_GEMINI = _Translation(by_name("gemini"), gemini_request.chat_of, _content)
_FOREIGN = {"anthropic": _ANTHROPIC, "gemini": _GEMINI}


def translation(dialect: str, operation: str) -> Translation | None:
    """How an operation (of `edge.dialects.facts.Facts`) of a dialect is asked of an engine that has only OpenAI's chat
    completions. None: as it is, because it is OpenAI's already. What can't be translated is refused by `request`."""
    return _FOREIGN.get(dialect)
