"""The seam: what a translation takes and gives.

translation.request(target, headers, body, model)        the caller's request as a chat completion for the engine
translation.reply(body, streaming, request_id, target)   a ReplyTranslator for the engine's answer to it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol as Interface
from typing import TypeVar

import msgspec

from transport.message import Headers, header

T = TypeVar("T")

CHAT = b"/v1/chat/completions"
"""Where every engine has its chat completions."""


class Untranslatable(Exception):
    """The request asks for something that a chat completion can't say; `reason` is a sentence for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Translated:
    """A request for the engine: POST `body`, which is JSON, to `target`."""

    target: bytes
    body: bytes
    streaming: bool


class ReplyTranslator(Interface):
    """One reply of the engine, turned into the caller's dialect as it comes. Nothing here raises.

    Obligations: `head` first, then `feed` for every piece of the body, then `end`. A reply that isn't a stream, and an
    error, are written by `end` as a whole, so hold their head back until then. If `is_complete` is False after `end`,
    the engine's reply was cut or made no sense: it must not end in order (send the dialect's `stream_error` and abort;
    if nothing was passed on yet, send the dialect's error).
    """

    def head(self, status: int, headers: Headers) -> tuple[int, Headers]:
        """Status and headers for the caller. The body's length isn't known; none of the engine's headers is kept."""

    def feed(self, data: bytes) -> bytes:
        """What the caller should get now; often empty. `data` must have no content-coding."""

    def end(self) -> bytes:
        """The rest, after the engine's last byte."""

    def is_complete(self) -> bool:
        """Has the engine said all of it (with `[DONE]`, a whole document, or an error of its own)?"""

    def error(self, status: int, body: bytes) -> bytes:
        """The body of an error reply, from the engine's: what `end` writes of a status of 400 and above."""


class Translation(Interface):
    """How one operation of a dialect is asked of an engine that has only chat completions. Stateless; pure."""

    def request(self, target: bytes, headers: Headers, body: bytes, model: str) -> Translated:
        """The request for the engine, which knows `model` by this name.

        Raises:
            Untranslatable: the engine can't be asked this, or the body makes no sense.
        """

    def reply(self, request_body: bytes, streaming: bool, request_id: str, target: bytes = b"") -> ReplyTranslator:
        """For the answer to a request that was translated. `request_body` and `target` are the caller's own."""


def decoded(body: bytes, kind: type[T]) -> T:
    """`body` as a `kind`.

    Raises:
        Untranslatable: it isn't JSON, or not of this shape.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as fault:
        raise Untranslatable(f"The request's body can't be read: {fault}") from None


def check_coding(headers: Headers) -> None:
    """Only a body without a content-coding can be read.

    Raises:
        Untranslatable: it has one.
    """
    coding = header(headers, b"content-encoding")
    if coding not in (None, b"identity"):
        raise Untranslatable("A compressed request can't be translated for the local pool.")
