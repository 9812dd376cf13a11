"""One stream of a session: an edge's request comes in by it, the reply leaves by it."""

from __future__ import annotations

from typing import Protocol as Interface

from transport.failure import Failure
from transport.session.live import LiveSession
from transport.session.record_readers import RequestReader
from transport.session.record_writers import ReplyWriter
from transport.session.records import End, Frame, RecordError, Request, read_message
from transport.session.values import Code, Priority


class Work(Interface):
    """What an inlet's request has become: an execution, or the following of one."""

    body_bytes: int
    """Of the request's body, that came so far."""

    @property
    def takes_body(self) -> bool: ...

    def attach(self, inlet: Inlet) -> None: ...

    def left(self, inlet: Inlet, code: int) -> None: ...

    def begin(self) -> None: ...

    def on_room(self) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_body_end(self) -> None: ...

    def on_frame(self, frame: Frame, *, is_message: bool = False) -> None: ...


class Desk(Interface):
    """Where requests are taken in."""

    def arrived(self, inlet: Inlet, request: Request) -> None:
        """The head of a stream's request is here: give the inlet an execution (`join`), or answer by it."""

    def acked(self, inlet: Inlet) -> None:
        """The edge has the whole reply."""

    def closed(self, inlet: Inlet) -> None:
        """The stream is over; always the last call."""


class Inlet:
    """A StreamSink. `id` is the request's, all zero if a repetition can't be told from a new one."""

    __slots__ = (
        "_desk",
        "_execution",
        "_is_over",
        "_owed",
        "_reader",
        "_skip",
        "id",
        "is_counted",
        "priority",
        "session",
        "stream",
    )

    def __init__(self, desk: Desk, session: LiveSession, stream: int, id: bytes, priority: Priority) -> None:
        self.session = session
        self.stream = stream
        self.id = id
        self.priority = priority
        self.is_counted = True
        self._desk = desk
        self._reader = RequestReader()
        self._execution: Work | None = None
        self._is_over = False
        self._owed = 0  # bytes that came and for which no credit was given yet
        self._skip = 0  # of the body: an earlier stream has brought them

    # --- what the desk says ---

    def join(self, execution: Work) -> None:
        """The request is this execution's, which may have begun with another stream."""
        self._execution = execution
        self._skip = execution.body_bytes
        execution.attach(self)

    def answer(self, data: bytes) -> None:
        """Says all there is to say."""
        self.session.write(self.stream, data, end=True)

    def fail(self, failure: Failure) -> None:
        self.answer(ReplyWriter().failure(failure))

    def give_up(self, code: int, reason: str) -> None:
        """Resets the stream; nothing more is heard of it."""
        if not self._is_over:
            self._is_over = True
            self.session.reset(self.stream, code, reason)
            self._desk.closed(self)

    def grant(self) -> None:
        """Credit for what has gone on, if more may come."""
        if self._owed and (self._execution is None or self._execution.takes_body):
            owed, self._owed = self._owed, 0
            self.session.consumed(self.stream, owed)

    # --- StreamSink ---

    def on_data(self, data: bytes, end: bool) -> None:
        self._owed += len(data)
        try:
            values = self._reader.feed(data)
            if end and not self._reader.is_over:
                raise RecordError("the request was cut")
        except RecordError as error:
            self._break(str(error))
            return
        for value in values:
            if self._is_over:
                return
            if isinstance(value, bytes):
                self._pass_on(value)
            elif isinstance(value, Request):
                self._desk.arrived(self, value)
            elif self._execution is not None:
                if isinstance(value, End):
                    self._execution.on_body_end()
                else:
                    self._execution.on_frame(value)
        if not self._is_over:
            if self._execution is not None:
                self._execution.begin()
            self.grant()

    def on_message(self, data: bytes) -> None:
        if self._execution is None:
            return
        try:
            frame = read_message(data)
        except RecordError as error:
            self._break(str(error))
        else:
            self._execution.on_frame(frame, is_message=True)

    def on_writable(self) -> None:
        if self._execution is not None:
            self._execution.on_room()

    def on_acked(self) -> None:
        self._desk.acked(self)

    def on_over(self, code: int, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._desk.closed(self)
            if self._execution is not None:
                self._execution.left(self, code)

    def _pass_on(self, body: bytes) -> None:
        execution = self._execution
        if execution is None:
            return
        if self._skip:
            skipped = min(self._skip, len(body))
            self._skip -= skipped
            body = body[skipped:]
        if body:
            execution.on_body(body)

    def _break(self, reason: str) -> None:
        execution = self._execution
        self.give_up(Code.MALFORMED, reason)
        if execution is not None:
            execution.left(self, Code.CANCELLED)
