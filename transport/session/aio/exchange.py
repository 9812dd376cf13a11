"""One request through a relay: it goes out as records of a session's stream, its reply comes back the same way.

Per token: the session's `on_data` → `ReplyReader.feed` → the sink's `on_data`, in one call chain.

A stream that ends before a reply's head leaves open whether the request was executed, unless the session says that it
never got as far (no new streams, too many). A stream that ends without its reply's explicit end was cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from transport.exchange import Exchange, ResponseSink
from transport.failure import Code as Word
from transport.failure import Failure, Origin, Verdict
from transport.message import Call, RequestHead, ResponseHead, header
from transport.session.events.dictionaries import Dictionary
from transport.session.live import StreamSink
from transport.session.record_readers import ReplyReader
from transport.session.record_writers import RequestWriter
from transport.session.records import End, Frame, RecordError, Stamp, message
from transport.session.sockets import BadFrames, FrameLink
from transport.session.values import CannotOpen, Code, Priority, Redundancy

if TYPE_CHECKING:
    from transport.session.aio.connection import RelayConnection

NOT_TAKEN = frozenset((Code.STREAM_LIMIT, Code.DRAINING))
"""With these codes a stream ends that the relay never looked at."""
_WORDS = {
    Code.STREAM_LIMIT: (Word.STREAM_REFUSED, "the relay takes no more streams"),
    Code.DRAINING: (Word.STREAM_REFUSED, "the relay takes no new requests"),
    Code.EXPIRED: (Word.CONNECTION_TIMEOUT, "the session with the relay has expired"),
    Code.DUPLICATE: (Word.STREAM_RESET, "the relay no longer has the outcome of this request"),
    Code.CANCELLED: (Word.STREAM_RESET, "the relay gave the request up"),
}
_DICTIONARIES = (
    (b"/chat/completions", Dictionary.CHAT),
    (b"/responses", Dictionary.RESPONSES),
    (b"/messages", Dictionary.MESSAGES),
    (b"enerateContent", Dictionary.GENERATE),
)
MAX_DROPPABLE = 32 * 1024  # bytes of a message; a longer one isn't a moment of speech
_MOST_ENCODED = 1 << 20  # bytes of a body; beyond, the time of compressing it costs more than it saves


def dictionary_for(head: RequestHead, size: int | None) -> Dictionary | None:
    """What a request's body is compressed with; None: it goes as it is."""
    if size is None or not 64 <= size <= _MOST_ENCODED or header(head.headers, b"content-encoding") is not None:
        return None
    if not (header(head.headers, b"content-type") or b"").startswith(b"application/json"):
        return None
    path = head.target.partition(b"?")[0]
    return next((dictionary for part, dictionary in _DICTIONARIES if part in path), Dictionary.NONE)


class RelayExchange(Exchange, StreamSink):
    """One request and its reply on a stream of the session."""

    __slots__ = (
        "_call",
        "_connection",
        "_frames",
        "_has_ended",
        "_head",
        "_is_paused",
        "_reader",
        "_session",
        "_sink",
        "_stream",
        "_withheld",
        "_writer",
    )

    def __init__(self, connection: RelayConnection, sink: ResponseSink, call: Call) -> None:
        self._connection = connection
        self._session = connection.session
        self._sink: ResponseSink | None = sink
        self._call = call
        self._reader = ReplyReader()
        self._writer: RequestWriter
        self._stream = 0
        self._head: ResponseHead | None = None
        self._frames: FrameLink | None = None  # of a WebSocket, once it stands
        self._has_ended = False  # our side
        self._is_paused = False
        self._withheld = 0

    # --- the request ---

    def begin(self, head: RequestHead, body: bytes | None, end: bool) -> None:
        """Opens the stream and writes what there is."""
        call, session = self._call, self._session
        size = _body_size(head, body, end)
        self._writer = writer = RequestWriter(dictionary_for(head, size))
        is_socket = header(head.headers, b"upgrade") == b"websocket"
        try:
            record = writer.request(head, call.provider, call.patience, size, websocket=is_socket)
            self._stream = session.open(
                self,
                Priority(call.priority),
                redundancy=None if call.redundancy is None else Redundancy(call.redundancy),
                request=self._connection.id_of(call) if call.id else bytes(16),
            )
        except CannotOpen as error:
            self.refuse(error.code)
            return
        except ValueError as error:
            self._fail_soon(Failure(Origin.EDGE, Verdict.SAFE, Word.HTTP_REQUEST_ERROR, str(error)))
            return
        if body:
            record += writer.body(body)
        if end and not is_socket:
            record += writer.end()
            self._has_ended = True
        session.write(self._stream, record, end=self._has_ended)

    def refuse(self, code: int) -> None:
        """There is no stream for it."""
        word, detail = _WORDS.get(_known(code), (Word.CONNECTION_TERMINATED, "the session with the relay is over"))
        self._fail_soon(Failure(Origin.RELAY, Verdict.SAFE, word, detail))

    def _fail_soon(self, failure: Failure) -> None:
        """Never from within `open`."""
        self._has_ended = True
        asyncio.get_running_loop().call_soon(self._fail, failure)

    def send(self, data: bytes) -> bool:
        if self._has_ended or self._sink is None:
            return True
        if self._frames is not None:
            self._send_frames(self._frames, data)
        else:
            self._session.write(self._stream, self._writer.body(data))
        return self._session.writable(self._stream) > 0

    def _send_frames(self, frames: FrameLink, data: bytes) -> None:
        """A WebSocket's bytes: each message is a record, and pings are answered here."""
        try:
            found, answer = frames.up(data)
        except BadFrames as error:
            failure = Failure(Origin.EDGE, self._verdict(), Word.HTTP_PROTOCOL_ERROR, str(error))
            asyncio.get_running_loop().call_soon(self._break, failure)
            return
        for frame in found:
            self._send_frame(frame)
        if answer:
            asyncio.get_running_loop().call_soon(self._answer, answer)

    def _send_frame(self, frame: Frame) -> None:
        lifetime = self._connection.lifetime(frame.opcode, frame.payload) if frame.is_last and frame.opcode else 0.0
        if lifetime and len(frame.payload) < MAX_DROPPABLE:
            self._session.message(self._stream, message(frame), lifetime)
        else:
            self._session.write(self._stream, self._writer.frame(frame.opcode, frame.payload, frame.is_last))

    def _answer(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink.on_data(data)

    def end(self) -> None:
        if not self._has_ended and self._sink is not None:
            self._has_ended = True
            self._session.write(self._stream, self._writer.end(), end=True)

    # --- the reply ---

    def on_data(self, data: bytes, end: bool) -> None:
        sink = self._sink
        if sink is None:
            return
        try:
            values = self._reader.feed(data)
        except RecordError as error:
            self._break(Failure(Origin.RELAY, self._verdict(), Word.HTTP_PROTOCOL_ERROR, f"the relay sent {error}"))
            return
        for value in values:
            if type(value) is bytes:
                sink.on_data(value)
            else:
                self._take(value, sink)
            if self._sink is None:
                return
        if self._is_paused:
            self._withheld += len(data)
        else:
            self._session.consumed(self._stream, len(data))
        if end:
            self._fail(self._cut_failure("the reply has no end"))

    def _take(self, value: object, sink: ResponseSink) -> None:
        match value:
            case Stamp(ms):
                self._connection.stamped(ms)
            case ResponseHead():
                self._head = value
                self._call.answered += 1
                if value.status == 101:
                    self._frames = FrameLink()
                sink.on_head(value)
            case End(trailers):
                self._finish_with(lambda: sink.on_end(trailers))
            case Failure():
                if self._head is None:
                    self._call.answered += 1
                self._finish_with(lambda: sink.on_failure(self._told(value)))
            case Frame():
                self._take_frame(value, sink)

    def _take_frame(self, frame: Frame, sink: ResponseSink) -> None:
        assert self._frames is not None, "the reader passes frames on after a 101 only"
        try:
            data = self._frames.down(frame)
        except BadFrames as error:
            self._break(Failure(Origin.RELAY, self._verdict(), Word.HTTP_PROTOCOL_ERROR, f"the relay sent {error}"))
            return
        sink.on_data(data)

    def _told(self, failure: Failure) -> Failure:
        """What the relay says, seen from here: what isn't the endpoint's fault is the relay's, never the line's. After
        a head nothing may be sent again."""
        origin = failure.origin if failure.origin is Origin.ENDPOINT else Origin.RELAY
        verdict = failure.verdict if self._head is None else Verdict.UNSAFE
        return Failure(origin, verdict, failure.code, failure.detail, failure.retry_after)

    def on_message(self, data: bytes) -> None:
        """Only frames of a WebSocket come so."""

    def on_writable(self) -> None:
        if self._sink is not None:
            self._sink.on_writable()

    def on_acked(self) -> None:
        """The relay has the whole request."""

    def on_over(self, code: int, reason: str) -> None:
        known = _known(code)
        if known in NOT_TAKEN and self._head is None:
            word, detail = _WORDS[known]
            self._fail(Failure(Origin.RELAY, Verdict.SAFE, word, detail))
            return
        if known is Code.DUPLICATE:
            self._call.answered += 1
        word, detail = _WORDS.get(known, (Word.CONNECTION_TERMINATED, "the session with the relay ended"))
        self._fail(Failure(Origin.RELAY, self._verdict(), word, f"{detail}: {reason}" if reason else detail))

    def cut(self, detail: str) -> None:
        """The connection is aborted."""
        if self._stream:
            self._session.reset(self._stream, Code.CANCELLED, "")
        self._fail(self._cut_failure(detail))

    def _verdict(self) -> Verdict:
        return Verdict.UNKNOWN if self._head is None else Verdict.UNSAFE

    def _cut_failure(self, detail: str) -> Failure:
        word = Word.CONNECTION_TERMINATED if self._head is None else Word.HTTP_RESPONSE_INCOMPLETE
        return Failure(Origin.RELAY, self._verdict(), word, detail)

    # --- its end ---

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        if self._withheld and self._sink is not None:
            size, self._withheld = self._withheld, 0
            self._session.consumed(self._stream, size)

    def cancel(self) -> None:
        if self._sink is not None:
            self._sink = None
            if self._stream:
                self._session.reset(self._stream, Code.CANCELLED, "")
            self._connection.ended(self)

    def _break(self, failure: Failure) -> None:
        if self._sink is None:
            return
        self._session.reset(self._stream, Code.INTERNAL, "the records make no sense")
        self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        sink = self._sink
        if sink is not None:
            self._finish_with(lambda: sink.on_failure(failure))

    def _finish_with(self, tell: Callable[[], None]) -> None:
        """Once: the reply is complete, or will never be. What wasn't sent of the request is of no use any more."""
        self._sink = None
        if not self._has_ended:
            self._has_ended = True
            self._session.reset(self._stream, Code.NO_ERROR, "")
        self._connection.ended(self)
        tell()


def _body_size(head: RequestHead, body: bytes | None, end: bool) -> int | None:
    if end:
        return len(body or b"")
    told = header(head.headers, b"content-length")
    return int(told) if told is not None and told.isdigit() else None


def _known(code: int) -> Code:
    """Unknown codes mean INTERNAL (SPEC.md §11)."""
    try:
        return Code(code)
    except ValueError:
        return Code.INTERNAL
