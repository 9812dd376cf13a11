"""One request at a provider: its connection, its body, its reply, and the stream that waits for it.

    received → dialing → sent → (head) → over          `Execution` is the ResponseSink of the provider's exchange

The stream may go (its session is lost, its edge asks again over another one): the execution goes on, what it said is
kept, and the next stream with the same request id gets all of it. Per chunk of a reply: no task, no future, no timer.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from edge.relay.egress import Destination
from edge.relay.kept import KeptReply
from edge.relay.means import Means
from edge.relay.record import ExecutionRecord
from edge.resume.recording import Recording
from transport.exchange import Connection, Exchange
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Headers, ResponseHead, end_to_end, header
from transport.path import Path, Protocol
from transport.session.live import LiveSession
from transport.session.record_writers import ReplyWriter
from transport.session.records import Coding, Frame, Request, coding_for
from transport.session.values import Code as Ended

if TYPE_CHECKING:
    from edge.relay.inlet import Inlet

REDIALS = 2
"""Further tries when nothing of a request can have reached the provider."""
REPLAY_BYTES = 1 << 20
"""Of a body that a redial can send once more; requests with longer ones get one try."""
WAITING_BYTES = 256 * 1024
"""Of a body that waits for the provider; then the edge's credit runs out."""
HOLD_SECONDS = 5.0
"""After a session was lost for good: for its edge to ask again over another one."""
STAMP_SECONDS = 0.1
"""At most so often the relay's clock goes into a reply, for the edge to measure how late its bytes are."""


class Owner(Interface):
    """Who keeps the executions."""

    def on_over(self, execution: Execution, *, was_begun: bool) -> None:
        """It is over; exactly once. `was_begun` False: nothing of it can have reached a provider."""


class Execution:
    """Made when a request's head has come; `begin` it."""

    __slots__ = (
        "_body",
        "_body_ended",
        "_dialing",
        "_exchange",
        "_hold",
        "_inlet",
        "_is_draining",
        "_is_upload_slow",
        "_paused",
        "_request",
        "_session",
        "_stamped_at",
        "_stream",
        "_timer",
        "_tries",
        "body_bytes",
        "destination",
        "has_head",
        "is_over",
        "kept",
        "key",
        "means",
        "owner",
        "record",
        "recording",
        "writer",
    )

    only: Protocol | None = None

    def __init__(
        self,
        owner: Owner,
        means: Means,
        key: bytes | None,
        request: Request,
        destination: Destination,
        kept: KeptReply,
        record: ExecutionRecord,
        recording: Recording | None = None,
    ) -> None:
        """`recording`: where the reply is kept for clients that come back, if it turns out to be a stream."""
        self.owner = owner
        self.means = means
        self.key = key
        self.destination = destination
        self.kept = kept
        self.record = record
        self.recording = recording
        self.writer = ReplyWriter()
        self.is_over = False
        self.has_head = False
        self.body_bytes = 0
        self._request = request
        self._body: list[bytes] | None = []  # what a first or further try must send; None: too long to keep
        self._body_ended = request.body_bytes == 0
        self._exchange: Exchange | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._tries = 0
        self._inlet: Inlet | None = None
        self._session: LiveSession | None = None
        self._stream = 0
        self._paused = False
        self._is_upload_slow = False
        self._is_draining = False  # nobody waits any more; it ends for its own sake
        self._stamped_at = 0.0
        self._hold: asyncio.TimerHandle | None = None
        patience = min(request.patience, means.total) if request.patience else means.total
        self._timer = means.loop.call_later(patience, self._on_deadline)

    # ---------------------------------------------------------------------------------------------------- the stream

    def attach(self, inlet: Inlet) -> None:
        """The reply goes to this stream from now on, from its beginning."""
        before, self._inlet = self._inlet, inlet
        if before is not None:
            before.give_up(Ended.CANCELLED, "the request was asked again")
        self._end_hold()
        self._is_draining = False
        self._session, self._stream = inlet.session, inlet.stream
        if self.kept.size:
            self._session.write(self._stream, self.kept.whole())
        self._look_at_room()

    def left(self, inlet: Inlet, code: int) -> None:
        """The stream is over before the reply was."""
        if inlet is not self._inlet or self.is_over:
            return
        self._inlet = self._session = None
        if code == Ended.CANCELLED or self.key is None:
            self._be_left()
        else:
            self._hold = self.means.loop.call_later(HOLD_SECONDS, self._be_left)
            self._look_at_room()

    def _be_left(self) -> None:
        """Nobody waits for it: the provider's policy says whether it goes on. Who follows it does wait."""
        self._end_hold()
        policy, recording = self.destination.provider.on_client_gone, self.recording
        can_be_followed = recording is not None and recording.id is not None
        if can_be_followed and not self._is_followed and policy == "hold":
            self._hold = self.means.loop.call_later(self.means.resume, self._be_forgotten)
        if self._body_ended and (policy == "drain" or self._is_followed or self._hold is not None):
            self._is_draining = True
            self._look_at_room()
        else:
            self.abandon()

    def _end_hold(self) -> None:
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None

    def _be_forgotten(self) -> None:
        """It was held long enough for somebody who would go on with it."""
        self._hold = None
        if not self._is_followed:
            self.abandon()

    @property
    def _is_followed(self) -> bool:
        return self.recording is not None and bool(self.recording.followers)

    def _on_followers(self) -> None:
        """Somebody follows it now, or no longer does."""
        if self.is_over:
            return
        if not self._is_followed and self._is_draining:
            self._be_left()
        self._look_at_room()

    @property
    def is_waited_for(self) -> bool:
        """A stream takes the reply."""
        return self._session is not None

    def abandon(self) -> None:
        """Gives it up at the provider."""
        if not self.is_over:
            self.kept.lose()
            self._end("cancelled")

    def on_room(self) -> None:
        """The stream takes bytes again."""
        self._look_at_room()

    def _look_at_room(self) -> None:
        """Reads on from the provider, or doesn't: a slow stream holds it up, and one that is missing for a while. Those
        who follow it don't wait for that stream, which may belong to an edge that is no more."""
        if self._is_followed:
            has_room = True
        elif self._session is not None:
            has_room = self._session.writable(self._stream) > 0
        else:
            has_room = self._is_draining or not self.kept.is_lost
        if self._paused and has_room:
            self._paused = False
            if self._exchange is not None:
                self._exchange.resume()
        elif not self._paused and not has_room:
            self._paused = True
            if self._exchange is not None:
                self._exchange.pause()

    # ------------------------------------------------------------------------------------------------ to the provider

    @property
    def takes_body(self) -> bool:
        """More of the body may come."""
        if self._exchange is None and self._body is not None:
            return sum(map(len, self._body)) < WAITING_BYTES or self.is_over
        return not self._is_upload_slow or self.is_over

    def on_body(self, data: bytes) -> None:
        self.body_bytes += len(data)
        if self.is_over:
            return
        if self._body is not None:
            self._body.append(data)
            if self._exchange is not None and (self.has_head or self.body_bytes > REPLAY_BYTES):
                self._body = None
        if self._exchange is not None and not self._exchange.send(data):
            self._is_upload_slow = True

    def on_body_end(self) -> None:
        if not self._body_ended:
            self._body_ended = True
            if self._exchange is not None and not self.is_over:
                self._exchange.end()

    def on_frame(self, frame: Frame, *, is_message: bool = False) -> None:
        """Only a WebSocket has them."""

    def begin(self) -> None:
        """Sends the request, once enough of it is here to tell whether it has a body."""
        if self._tries == 0 and (self._body_ended or self._body or self._request.body_bytes):
            self._try()

    def _try(self) -> None:
        """Over a warm connection at once, else by dialing."""
        lines = self.means.lines
        path = Path(lines[self._tries % len(lines)], self.destination.upstream.endpoint.id)
        self._tries += 1
        connection = self.means.connector.take(path, self.only)
        if connection is not None:
            self._open(connection)
        else:
            self._dialing = self.means.tasks.start(self._dial(path))

    async def _dial(self, path: Path) -> None:
        try:
            connection = await self.means.connector.connect(path, self.only)
        except TransportError as error:
            self._dialing = None
            self.on_failure(error.failure)
            return
        self._dialing = None
        if self.is_over:
            connection.release()
        else:
            self._open(connection)

    def _open(self, connection: Connection) -> None:
        assert self._body is not None, "only what is kept is sent once more"
        self.record.dials = self._tries
        self.record.protocol = connection.protocol.value
        self.record.sent_at = monotonic()
        body = b"".join(self._body)
        self._body = [body] if len(body) <= REPLAY_BYTES else None
        head = self.destination.head(self._request)
        self._exchange = connection.open(head, self, body or None, end=self._body_ended)
        if self._paused:
            self._exchange.pause()
        if self._inlet is not None:
            self._inlet.grant()

    # ---------------------------------------------------------------------------------------------- from the provider

    def on_head(self, head: ResponseHead) -> None:
        self.has_head = True
        self._body = None
        self.record.status = head.status
        kept = ResponseHead(head.status, end_to_end(head.headers))
        coding = coding_for(kept)
        length = header(head.headers, b"content-length")
        if length is not None and len(length) > 6:
            self.kept.lose()
        if coding is not Coding.EVENTS or head.status != 200:
            self.recording = None
        elif self.recording is not None:
            self.recording.on_change = self._on_followers
        try:
            self.say(self.writer.response(kept, coding))
        except ValueError as error:
            fault = Failure(Origin.ENDPOINT, Verdict.UNSAFE, Code.HTTP_PROTOCOL_ERROR, f"the reply's head: {error}")
            self._fail(fault)

    def on_data(self, data: bytes) -> None:
        record = self.record
        record.bytes_out += len(data)
        now = monotonic()
        out = self.writer.body(data)
        if now - self._stamped_at > STAMP_SECONDS:
            if record.first_byte_at is None:
                record.first_byte_at = now
            self._stamped_at = now
            out = self.writer.stamp(int(now * 1000)) + out
        self.kept.add(out)
        if self.recording is not None:
            self.recording.add(data)
        session = self._session
        if session is not None:
            session.write(self._stream, out)
            if session.writable(self._stream) <= 0:
                self._look_at_room()
        elif self.kept.is_lost and not self._is_draining:
            self._look_at_room()

    def on_end(self, trailers: Headers) -> None:
        self.say(self.writer.end(end_to_end(trailers)), end=True)
        self._end("done")

    def on_failure(self, failure: Failure) -> None:
        """The connection or the exchange failed; if nothing was executed, it is tried again elsewhere."""
        if self.is_over:
            return
        self._exchange = None
        can_repeat = failure.verdict is Verdict.SAFE and not self.has_head and self._body is not None
        if can_repeat and self._tries <= REDIALS and failure.origin is not Origin.EDGE:
            self._is_upload_slow = False
            self._try()
        else:
            self._fail(failure)

    def on_writable(self) -> None:
        """The provider takes more of the body."""
        self._is_upload_slow = False
        if self._inlet is not None:
            self._inlet.grant()

    # ------------------------------------------------------------------------------------------------------- the ends

    def say(self, data: bytes, *, end: bool = False) -> None:
        """Tells the stream, and whichever comes after it."""
        self.kept.add(data)
        if self._session is not None:
            self._session.write(self._stream, data, end=end)

    def _on_deadline(self) -> None:
        verdict = Verdict.UNKNOWN if self._exchange is not None else Verdict.SAFE
        self._fail(Failure(Origin.EDGE, verdict, Code.DEADLINE, "nobody waits for the reply any more"))

    def _fail(self, failure: Failure) -> None:
        self.record.failure = failure
        self.say(self.writer.failure(failure), end=True)
        self._end("failed")

    def _end(self, outcome: str) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.record.outcome = outcome
        self.record.bytes_in = self.body_bytes
        self.record.ended_at = monotonic()
        self._timer.cancel()
        self._end_hold()
        if self._dialing is not None:
            self._dialing.cancel()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and (outcome != "done" or not self._body_ended):
            exchange.cancel()
        self._body = None
        if self.recording is not None:
            self.recording.end(self.record.ended_at, is_whole=outcome == "done")
        failure = self.record.failure
        may_have_acted = failure is not None and failure.verdict is not Verdict.SAFE
        self.owner.on_over(self, was_begun=exchange is not None or self.has_head or may_have_acted)
        if self._inlet is not None:
            self._inlet.grant()
