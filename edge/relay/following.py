"""A stream of a response that is, or was, another request's: its events from a number on, as they were kept and as
they come. Nothing is executed."""

from __future__ import annotations

from edge.relay.inlet import Inlet
from edge.resume.asked import RESUMED, Asked
from edge.resume.reading import Reading
from edge.resume.recording import Recording
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import ResponseHead
from transport.session.record_writers import ReplyWriter
from transport.session.records import Coding, Frame

_HEAD = ResponseHead(200, [(b"content-type", b"text/event-stream; charset=utf-8"), (RESUMED, b"relay")])
_UNKNOWN = ResponseHead(404, [(b"content-length", b"0")])
_CUT = Failure(Origin.EDGE, Verdict.UNSAFE, Code.HTTP_RESPONSE_INCOMPLETE, "the stream that was followed has broken")


def unknown() -> bytes:
    """The reply to an edge that asks for what isn't kept here."""
    writer = ReplyWriter()
    return writer.response(_UNKNOWN) + writer.end()


class Following:
    """What an inlet has joined. It reads from the recording when its stream takes bytes, at its own pace.

    Raises ValueError: events between are no longer here.
    """

    __slots__ = ("_inlet", "_is_done", "_reading", "_writer", "body_bytes")

    takes_body = True

    def __init__(self, recording: Recording, asked: Asked) -> None:
        self._reading = Reading(recording, asked.after)
        self._inlet: Inlet
        self._is_done = False
        self._writer = ReplyWriter()
        self.body_bytes = 0

    def attach(self, inlet: Inlet) -> None:
        self._inlet = inlet
        inlet.session.write(inlet.stream, self._writer.response(_HEAD, Coding.EVENTS))
        self._reading.recording.follow(self)
        self.on_more()

    def left(self, inlet: Inlet, code: int) -> None:
        """The edge is gone, or its client."""
        self._is_done = True
        self._reading.recording.leave(self)

    def on_more(self) -> None:
        """As much as the stream takes; the rest is where it is kept."""
        if self._is_done or self._inlet.session.writable(self._inlet.stream) <= 0:
            return
        data = self._reading.more()
        if data:
            self._inlet.session.write(self._inlet.stream, self._writer.body(data))
        if data is None:
            self._end(self._writer.failure(_CUT))
        elif self._reading.is_at_end:
            is_whole = self._reading.recording.is_whole
            self._end(self._writer.end() if is_whole else self._writer.failure(_CUT))

    def _end(self, said: bytes) -> None:
        self._is_done = True
        self._inlet.session.write(self._inlet.stream, said, end=True)
        self._reading.recording.leave(self)

    def on_room(self) -> None:
        self.on_more()

    def begin(self) -> None:
        """There is nothing to send."""

    def on_body(self, data: bytes) -> None:
        """The question has no body."""

    def on_body_end(self) -> None:
        """The question has no body."""

    def on_frame(self, frame: Frame, *, is_message: bool = False) -> None:
        """Only a WebSocket has them."""
