"""Takes the sessions' streams: each request once, repetitions to the execution that is, or to what is kept of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from time import monotonic
from typing import Protocol as Interface

from edge.config.model import Snapshot
from edge.relay.conversation import Conversation
from edge.relay.egress import Egress
from edge.relay.execution import Execution
from edge.relay.following import Following, unknown
from edge.relay.inlet import Inlet
from edge.relay.kept import KeptReplies
from edge.relay.means import Means
from edge.relay.quotas import Quotas
from edge.relay.record import ExecutionRecord
from edge.resume.asked import NOBODY, OWNER, RESUME, makes_response, resumed
from edge.resume.recording import Recording, Recordings
from transport.aio.tasks import TaskOwner
from transport.connector import Connector
from transport.failure import Failure
from transport.message import header
from transport.session.core import NO_REQUEST
from transport.session.live import LiveSession, StreamSink
from transport.session.once import OnceTable, Verdict
from transport.session.records import Request
from transport.session.values import Code, StreamOpened


class Watcher(Interface):
    """What the relay tells of itself; all must return at once."""

    def on_execution(self, record: ExecutionRecord) -> None:
        """An execution is over, or was refused."""

    def on_repetition(self, edge: str, kind: str) -> None:
        """A request id came again: joined, replayed or refused. Or a response's stream was gone on with: resumed."""

    def on_session_over(self, session: LiveSession, code: int, reason: str) -> None: ...

    def on_suspected(self, session: LiveSession, line: str) -> None: ...

    def on_carrier_lost(self, session: LiveSession, line: str) -> None: ...


class Service:
    """The SessionListener of a relay's SessionServer, and its inlets' desk."""

    def __init__(self, snapshot: Snapshot, connector: Connector, tasks: TaskOwner, watcher: Watcher) -> None:
        self.sessions: dict[int, LiveSession] = {}
        self.executions: set[Execution] = set()
        self.streams: Counter[str] = Counter()  # open, by edge
        self.kept = KeptReplies()
        self.recordings = Recordings(0, 0.0)
        self._connector = connector
        self._tasks = tasks
        self._watcher = watcher
        self._once: OnceTable[None] = OnceTable(kept=100_000)
        self._by_key: dict[bytes, Execution] = {}
        self._news = asyncio.Event()
        self.quotas = Quotas()
        self.configure(snapshot)

    def configure(self, snapshot: Snapshot) -> None:
        """A new configuration; what executes goes on as it began."""
        self._snapshot = snapshot
        self._egress = Egress.of(snapshot)
        self._means = means_of(snapshot, self._connector, self._tasks)
        self.recordings.configure(snapshot.limits.resume_bytes, snapshot.limits.resume)
        self.quotas.configure(snapshot.edges, snapshot.limits.max_in_flight)

    def close(self) -> None:
        """Gives up what still executes."""
        for execution in list(self.executions):
            execution.abandon()

    async def idle(self, seconds: float) -> None:
        """Until nothing executes and no stream is open, or so many seconds are over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.executions or self.streams.total():
                    self._news.clear()
                    await self._news.wait()

    # --- SessionListener ---

    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        self.streams[session.peer] += 1
        return Inlet(self, session, opened.stream, opened.request, opened.priority)

    def on_joined(self, session: LiveSession, carrier: int, line: str) -> None:
        self.sessions[id(session)] = session

    def on_suspected(self, session: LiveSession, line: str) -> None:
        self._watcher.on_suspected(session, line)

    def on_all_silent(self, session: LiveSession) -> None:
        return

    def on_relieved(self, session: LiveSession, line: str, seconds: float) -> None:
        """The edge's picture of its lines is what counts; here nothing depends on it."""

    def on_carrier_lost(self, session: LiveSession, line: str, left: int) -> None:
        self._watcher.on_carrier_lost(session, line)

    def on_gone_away(self, session: LiveSession, reason: str) -> None:
        """Only relays say so."""

    def on_closed(self, session: LiveSession, code: int, reason: str) -> None:
        if self.sessions.pop(id(session), None) is not None:
            self._watcher.on_session_over(session, code, reason)

    # --- Desk ---

    def arrived(self, inlet: Inlet, request: Request) -> None:
        edge = inlet.session.peer
        if self._goes_on(inlet, request):
            return
        if inlet.id == NO_REQUEST:
            self._begin(inlet, request, None)
            return
        key = edge.encode() + b"\0" + inlet.id
        match self._once.arrive(key, monotonic()):
            case Verdict.NEW:
                self._begin(inlet, request, key)
            case Verdict.EXECUTING if not self._by_key[key].kept.is_lost:
                self._watcher.on_repetition(edge, "joined")
                self._by_key[key].record.joined += 1
                inlet.join(self._by_key[key])
            case Verdict.DONE if (reply := self.kept.find(key)) is not None:
                self._watcher.on_repetition(edge, "replayed")
                inlet.answer(reply.whole())
            case Verdict.FULL:
                self._refuse(inlet, Code.STREAM_LIMIT, "too many requests in the last hour")
            case _:
                self._watcher.on_repetition(edge, "refused")
                inlet.give_up(Code.DUPLICATE, "executed before, and its reply is no longer kept")

    def acked(self, inlet: Inlet) -> None:
        if inlet.id != NO_REQUEST:
            self.kept.drop(inlet.session.peer.encode() + b"\0" + inlet.id)
        self._count_out(inlet)

    def closed(self, inlet: Inlet) -> None:
        self._count_out(inlet)

    # --- streams that somebody goes on with ---

    def _goes_on(self, inlet: Inlet, request: Request) -> bool:
        """Is the request answered by what is kept of another one's stream, or by that being unknown?"""
        asked = resumed(request.head.method, request.head.target)
        if asked is None:
            return False
        owner, now = _owner(inlet, request), monotonic()
        recording = self.recordings.find(owner, asked.id, now) if owner is not None else None
        following = None
        if recording is not None:
            with suppress(ValueError):
                following = Following(recording, asked)
        if following is not None:
            self._watcher.on_repetition(inlet.session.peer, "resumed")
            inlet.join(following)
        elif header(request.head.headers, RESUME) == b"only":
            inlet.answer(unknown())
        else:
            return False
        return True

    def _recording(self, inlet: Inlet, request: Request) -> Recording | None:
        """Where the reply will be kept, if the request makes a response."""
        owner = _owner(inlet, request)
        if owner is None or not makes_response(request.head.method, request.head.target):
            return None
        return self.recordings.begin(owner, monotonic())

    # --- executions ---

    def _begin(self, inlet: Inlet, request: Request, key: bytes | None) -> None:
        found = self._egress.find(request)
        record = _record(inlet, request)
        if isinstance(found, Failure):
            self._forget(key)
            self._note_refusal(record, found)
            inlet.fail(found)
            return
        if (reason := self.quotas.take(inlet.session.peer, monotonic())) is not None:
            self._forget(key)
            self._refuse(inlet, Code.STREAM_LIMIT, reason)
            return
        record.endpoint = found.upstream.endpoint.id
        kind = Conversation if request.websocket else Execution
        recording = self._recording(inlet, request)
        execution = kind(self, self._means, key, request, found, self.kept.begin(), record, recording)
        self.executions.add(execution)
        if key is not None:
            self._by_key[key] = execution
        inlet.join(execution)

    def on_over(self, execution: Execution, *, was_begun: bool) -> None:
        self.executions.discard(execution)
        self._news.set()
        record = execution.record
        self.quotas.give_back(record.edge, record.bytes_in + record.bytes_out, record.ended_at)
        key = execution.key
        if key is not None:
            del self._by_key[key]
            if was_begun:
                self._once.finished(key, None, record.ended_at)
                self.kept.done(key, execution.kept)
            else:
                self._once.failed_before_start(key)
        if key is None or not was_begun:
            execution.kept.lose()
        self._watcher.on_execution(record)

    def _forget(self, key: bytes | None) -> None:
        if key is not None:
            self._once.failed_before_start(key)

    def _refuse(self, inlet: Inlet, code: Code, reason: str) -> None:
        record = ExecutionRecord(inlet.session.peer, inlet.id.hex(), monotonic(), outcome="refused")
        record.ended_at = record.received_at
        self._watcher.on_execution(record)
        inlet.give_up(code, reason)

    def _note_refusal(self, record: ExecutionRecord, failure: Failure) -> None:
        record.outcome, record.failure, record.ended_at = "refused", failure, monotonic()
        self._watcher.on_execution(record)

    def _count_out(self, inlet: Inlet) -> None:
        """The stream is done with: acknowledged to its end, or over."""
        if inlet.is_counted:
            inlet.is_counted = False
            self.streams[inlet.session.peer] -= 1
            self._news.set()


def means_of(snapshot: Snapshot, connector: Connector, tasks: TaskOwner) -> Means:
    """What executions use: the lines in the order of tier and weight."""
    lines = sorted(snapshot.lines, key=lambda line: (line.tier, -line.weight))
    return Means(
        connector,
        tasks,
        tuple(line.id for line in lines),
        snapshot.timeouts.total,
        asyncio.get_running_loop(),
        snapshot.limits.resume,
    )


def _owner(inlet: Inlet, request: Request) -> bytes | None:
    """Whose the stream is. Edges share those of callers who showed a key to both; who shows none is told apart by his
    edge. None: the edge doesn't say."""
    told = header(request.head.headers, OWNER)
    if told is None:
        return None
    edge = inlet.session.peer if told == NOBODY else ""
    return f"{request.provider}\0{edge}\0".encode() + told


def _record(inlet: Inlet, request: Request) -> ExecutionRecord:
    head = request.head
    return ExecutionRecord(
        inlet.session.peer,
        inlet.id.hex(),
        monotonic(),
        provider=request.provider,
        method=head.method.decode("latin-1"),
        route=head.target.partition(b"?")[0].decode("latin-1"),
    )
