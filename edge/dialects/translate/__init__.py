"""The vendors' requests and replies as OpenAI chat completions, and back."""

from __future__ import annotations

from typing import Protocol as Interface

from msgspec import Struct

from transport.message import Headers


class Untranslatable(Exception):
    """Something of the request has no counterpart; `reason` says what."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Translated(Struct, frozen=True):
    """A request in OpenAI's dialect."""

    target: bytes
    body: bytes
    streaming: bool


class ReplyTranslator(Interface):
    """One reply, on its way back to the caller's dialect."""

    def head(self, status: int, headers: Headers) -> tuple[int, Headers]: ...

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...

    def is_complete(self) -> bool: ...

    def error(self, status: int, body: bytes) -> bytes: ...


class Translation(Interface):
    """One operation of one dialect."""

    def request(self, target: bytes, headers: Headers, body: bytes, model: str) -> Translated: ...

    def reply(self, request_body: bytes, streaming: bool, request_id: str) -> ReplyTranslator: ...


def translation(dialect: str, operation: str) -> Translation | None:
    """The translation of an operation; None: it has none."""
    return None
