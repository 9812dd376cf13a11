"""A reply of an engine on its way to a caller who speaks another dialect."""

from __future__ import annotations

from edge.dialects.translate import ReplyTranslator
from edge.serve.streaming import ReplyStream
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, ResponseHead


class TranslatedReply:
    """The ResponseSink between an engine's exchange and the client's stream. What was cut never looks complete."""

    def __init__(self, stream: ReplyStream, translator: ReplyTranslator) -> None:
        self._stream = stream
        self._translator = translator

    def on_data(self, data: bytes) -> None:
        self._pass(self._translator.feed(data))

    def on_end(self, trailers: Headers) -> None:
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
