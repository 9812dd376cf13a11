"""A client comes back for the rest of a Responses stream: it is given from what this process keeps, or a relay.

here      another connection of this process carries the stream, or has carried it shortly ago
relay     a relay keeps it: the edge that carried it may be gone
neither   → False: the request goes to the provider like any other
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from edge.observe.record import RequestRecord
from edge.resume.asked import OWNER, RESUME, RESUMED, Asked, resumed
from edge.resume.reading import Reading
from edge.resume.recording import Recording
from edge.serve.client import ClientGone, Leaver
from edge.serve.keeping import owner
from edge.serve.question import Question
from edge.serve.reply import added, added_without_asking, request_head, returned
from edge.serve.streaming import ReplyStream, Source, StreamPolicy
from transport.exchange import Connection, Exchange, ResponseSink
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Call, Headers, RequestHead, ResponseHead, header
from transport.path import Path

if TYPE_CHECKING:
    from edge.serve.pipeline import Pipeline

REPLY_SECONDS = 5.0
"""For one relay to say whether it has the stream."""
START_SECONDS = 4.0
"""For so long after its start a process waits for the sessions to its relays: clients come back at once."""
RETRY_SECONDS = 0.1
_HEADERS: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_CUT = Failure(Origin.EDGE, Verdict.UNSAFE, Code.HTTP_RESPONSE_INCOMPLETE, "the stream that was taken up has broken")


class TakingUp:
    """One request that may go on with a stream."""

    def __init__(self, shared: Pipeline, question: Question) -> None:
        self._shared = shared
        self._question = question
        self._client = question.client
        self._record: RequestRecord = question.record
        self._owner = owner(question)

    async def serve(self) -> bool:
        """True: the client has the rest. Raises ClientGone: it left again before anything was found."""
        question = self._question
        asked = resumed(question.client.method, question.rest)
        if asked is None:
            return False
        recording = self._shared.resuming.recordings.find(self._owner, asked.id, monotonic())
        if recording is not None:
            with suppress(ValueError):
                following = Following(recording, asked)
                own = [*_HEADERS, (RESUMED, b"edge"), *added_without_asking(self._record, monotonic())]
                await self._deliver(following, own, following.begin)
                return True
        return await self._ask_relays()

    async def _ask_relays(self) -> bool:
        relays = self._paths()
        if not relays:
            return False
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as patience:
                self._client.watch(Leaver(lambda: patience.reschedule(loop.time())))
                try:
                    answer = await self._found(relays)
                finally:
                    self._client.watch(None)
        except TimeoutError:
            raise ClientGone from None
        if answer is None:
            return False
        await self._pass_on(answer)
        return True

    def _paths(self) -> list[Path]:
        """One to each relay that is for the provider."""
        tables, provider = self._question.tables, self._question.provider
        snapshot = tables.snapshot
        return [
            Path("+".join(snapshot.lines_of(relay)), provider.endpoints[0].id, relay.id)
            for relay in snapshot.relays
            if not relay.providers or provider.id in relay.providers
        ]

    async def _found(self, paths: list[Path]) -> _Answer | None:
        """The answer of the first relay that has it. One whose session is only coming is asked once it stands."""
        while paths:
            waiting = []
            for path in paths:
                try:
                    connection = await self._shared.connector.connect(path)
                except TransportError:
                    waiting.append(path)
                    continue
                if (answer := await self._answer(path, connection)) is not None:
                    return answer
            if monotonic() - self._shared.resuming.began > START_SECONDS:
                return None
            paths = waiting
            await asyncio.sleep(RETRY_SECONDS)
        return None

    async def _answer(self, path: Path, connection: Connection) -> _Answer | None:
        answer = _Answer(path, connection.protocol.value)
        answer.exchange = connection.open(self._head(path), answer, None, end=True)
        has_it = False
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                head = await answer.head
            has_it = head.status == 200 and header(head.headers, RESUMED) is not None
        except (TimeoutError, TransportError):
            pass
        finally:
            if not has_it:
                answer.exchange.cancel()
        return answer if has_it else None

    def _head(self, path: Path) -> RequestHead:
        """The client's own request: a relay that knows nothing of this would ask the provider, and do no harm."""
        question, upstream = self._question, self._question.tables.upstreams[path.endpoint]
        headers = [*question.outgoing_headers(), (OWNER, self._owner), (RESUME, b"only")]
        call = self._call(path.relay or "")
        return request_head(self._client.method, question.rest, headers, upstream, question.dialect, call)

    def _call(self, relay: str) -> Call:
        tables, record = self._question.tables, self._record
        priority, redundancy = tables.carriage[record.priority]
        id = f"{record.id}/{relay}".encode()
        return Call(id, priority, redundancy, self._question.provider.id, tables.timeouts[""].total)

    async def _pass_on(self, answer: _Answer) -> None:
        record, question = self._record, self._question
        record.path, record.protocol = answer.path, answer.protocol
        upstream = question.tables.upstreams[answer.path.endpoint]
        own = added(record, answer.path, 1)
        headers = returned(answer.head.result().headers, own, upstream, question.here)
        await self._deliver(answer.exchange, headers, answer.deliver_to)

    async def _deliver(self, source: Source, headers: Headers, begin: Callable[[ResponseSink], None]) -> None:
        """Streams what comes of `source` to the client, and notes it."""
        shared, question, record = self._shared, self._question, self._record
        timeouts = question.tables.timeouts["reasoning"]  # which of them it is can't be told any more
        policy = StreamPolicy(timeouts.idle, timeouts.keepalive, drain_when_gone=False)
        loop = asyncio.get_running_loop()
        stream = ReplyStream(self._client, question.dialect, policy, record.id, loop, shared.gaps)
        record.status, record.first_byte_at = 200, monotonic()
        stream.begin(source, 200, headers, question.dialect.meter(question.facts, 200, headers))
        self._client.watch(stream)
        shared.sweep.add(stream)
        try:
            begin(stream)
            await stream.finished()
        finally:
            shared.sweep.remove(stream)
            self._client.watch(None)
            record.bytes_out, record.failure = stream.bytes_out, stream.failure
            record.client_left = stream.client_left
            if not stream.is_done:
                source.cancel()


class _Answer:
    """A relay's reply (a ResponseSink): first its head, then all that comes goes to whoever takes it."""

    def __init__(self, path: Path, protocol: str) -> None:
        self.path = path
        self.protocol = protocol
        self.exchange: Exchange
        self.head: asyncio.Future[ResponseHead] = asyncio.get_running_loop().create_future()
        self._held: list[Callable[[ResponseSink], None]] = []
        self._receiver: ResponseSink | None = None

    def deliver_to(self, receiver: ResponseSink) -> None:
        self._receiver = receiver
        for tell in self._held:
            tell(receiver)
        self._held.clear()

    def _tell(self, tell: Callable[[ResponseSink], None]) -> None:
        if self._receiver is None:
            self._held.append(tell)
        else:
            tell(self._receiver)

    def on_head(self, head: ResponseHead) -> None:
        if not self.head.done():
            self.head.set_result(head)

    def on_data(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.on_data(data)
        else:
            self._held.append(lambda receiver: receiver.on_data(data))

    def on_end(self, trailers: Headers) -> None:
        self._tell(lambda receiver: receiver.on_end(trailers))

    def on_failure(self, failure: Failure) -> None:
        if not self.head.done():
            self.head.set_exception(TransportError(failure))
        else:
            self._tell(lambda receiver: receiver.on_failure(failure))

    def on_writable(self) -> None:
        """Everything was sent at once."""


class Following:
    """A Source that reads from a recording, at its client's pace. Raises ValueError: events between are missing."""

    __slots__ = ("_is_paused", "_reading", "_stream")

    def __init__(self, recording: Recording, asked: Asked) -> None:
        self._reading = Reading(recording, asked.after)
        self._stream: ResponseSink | None = None
        self._is_paused = False

    def begin(self, stream: ResponseSink) -> None:
        self._stream = stream
        self._reading.recording.follow(self)
        self.on_more()

    def on_more(self) -> None:
        stream = self._stream
        if stream is None or self._is_paused:
            return
        data = self._reading.more()
        if data:
            stream.on_data(data)
        if data is None or self._reading.is_at_end:
            self.cancel()
            if data is not None and self._reading.recording.is_whole:
                stream.on_end([])
            else:
                stream.on_failure(_CUT)

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self.on_more()

    def cancel(self) -> None:
        self._stream = None
        self._reading.recording.leave(self)
