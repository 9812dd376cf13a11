"""A reply of an engine on its way to a caller who speaks another dialect."""

from __future__ import annotations

from edge.dialects.translate import ReplyTranslator
from edge.serve.streaming import ReplyStream
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, ResponseHead

ERROR_BYTES = 64 * 1024  # of an engine's error that are read for its message


class TranslatedReply:
    """The ResponseSink between an engine's exchange and the client's stream. What was cut never looks complete."""

    def __init__(self, stream: ReplyStream, translator: ReplyTranslator, status: int) -> None:
        self._stream = stream
        self._translator = translator
        self._status = status
        self._error: bytearray | None = bytearray() if status >= 400 else None

    def on_data(self, data: bytes) -> None:
        if self._error is not None:
            self._error += data[: ERROR_BYTES - len(self._error)]
            return
        self._pass(self._translator.feed(data))

    def on_end(self, trailers: Headers) -> None:
        if self._error is not None:
            self._pass(self._translator.error(self._status, bytes(self._error)))
            self._stream.on_end([])
            return
        self._pass(self._translator.end())
        if self._translator.is_complete():
            self._stream.on_end([])
        else:
            detail = "the local pool's reply ended early"
            self._stream.on_failure(Failure(Origin.ENDPOINT, Verdict.UNSAFE, Code.HTTP_RESPONSE_INCOMPLETE, detail))

    def on_failure(self, failure: Failure) -> None:
        self._stream.on_failure(failure)

    def on_head(self, head: ResponseHead) -> None:
        """The head was seen before commit; there is no second one."""

    def on_writable(self) -> None:
        """The upload is the runner's business."""

    def _pass(self, data: bytes) -> None:
        if data:
            self._stream.on_data(data)
