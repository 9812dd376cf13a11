"""Performs an AttemptMachine's commands over real connections and reports what happens. No decisions here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Protocol as Interface

from edge.attempts.events import (
    AttemptFailed,
    BodyArrived,
    BodyDropped,
    Cancel,
    ClientLeft,
    Command,
    Commit,
    Connected,
    Dial,
    DialFailed,
    Event,
    GiveUp,
    HeadArrived,
    RequestSent,
    Send,
    Start,
    TimerFired,
    Undial,
    UploadStalled,
)
from edge.attempts.lines import LineWatch
from edge.attempts.machine import AttemptMachine
from edge.attempts.upload import Upload
from transport.aio.tasks import TaskOwner
from transport.connector import Connector
from transport.exchange import Connection, Exchange, ResponseSink
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Headers, RequestHead, ResponseHead
from transport.path import Path, Protocol

_START = Start()


class AttemptObserver(Interface):
    """Hears how attempts go, for health."""

    def on_reply(self, path: Path, status: int, headers: Headers) -> None:
        """A reply's head came."""

    def on_sent(self, path: Path) -> None:
        """A request went out; `on_done` follows."""

    def on_done(self, path: Path, failure: Failure | None) -> None:
        """The attempt is over: it failed, was given up, or its reply has come to its end."""


class GaveUp(Exception):
    """No reply can be had; `failure` is the last and deciding one."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class AttemptSink:
    """The ResponseSink of one attempt. Until the attempt is committed it holds what comes (a refusal may be kept in
    case nothing better turns up, so it pauses early); from then on it passes everything to the receiver at once."""

    __slots__ = (
        "_held",
        "_runner",
        "_trailers",
        "exchange",
        "head",
        "number",
        "path",
        "protocol",
        "receiver",
        "sent_at",
    )

    def __init__(self, runner: AttemptRunner, number: int, path: Path, protocol: Protocol, sent_at: float) -> None:
        self._runner = runner
        self._held: list[bytes] = []
        self._trailers: Headers | None = None
        self.number = number
        self.path = path
        self.protocol = protocol
        self.sent_at = sent_at
        self.exchange: Exchange
        self.head: ResponseHead
        self.receiver: ResponseSink | None = None

    def deliver_to(self, receiver: ResponseSink) -> None:
        """The attempt is committed: hands over what is held and, from now on, everything that comes."""
        self.receiver = receiver
        for data in self._held:
            receiver.on_data(data)
        if self._trailers is not None:
            receiver.on_end(self._trailers)
        elif len(self._held) > 1:
            self.exchange.resume()
        self._held.clear()

    def let_go(self) -> None:
        """The reply is over: sink, exchange and receiver know each other, and a cycle would wait for the collector."""
        del self.exchange
        self.receiver = None

    def on_head(self, head: ResponseHead) -> None:
        self.head = head
        self._runner.on_head(self)

    def on_data(self, data: bytes) -> None:
        receiver = self.receiver
        if receiver is not None:
            receiver.on_data(data)
            return
        self._held.append(data)
        if len(self._held) == 1:
            self._runner.feed(BodyArrived(self.number))
        elif len(self._held) == 2:
            self.exchange.pause()

    def on_end(self, trailers: Headers) -> None:
        if self.receiver is None:
            self._trailers = trailers
            self._runner.feed(BodyArrived(self.number))
        else:
            self.receiver.on_end(trailers)

    def on_failure(self, failure: Failure) -> None:
        if self.receiver is None:
            self._runner.on_failure(self, failure)
        else:
            self.receiver.on_failure(failure)

    def on_writable(self) -> None:
        self._runner.upload.writable()


class AttemptRunner:
    """One request's attempts. `run` returns when a reply is committed (`commit` was called with its sink, inside the
    callback that brought its first byte) or raises GaveUp."""

    def __init__(
        self,
        machine: AttemptMachine,
        connector: Connector,
        upload: Upload,
        *,
        head_for: Callable[[Path], RequestHead],
        commit: Callable[[AttemptSink], None],
        observer: AttemptObserver,
        tasks: TaskOwner,
        lines: LineWatch,
        heard: Callable[[AttemptSink], None] = lambda sink: None,
        only: Protocol | None = None,
    ) -> None:
        """`lines` tells of lines that go dark, until the attempts are over. `heard` is called with every attempt whose
        reply's head has come."""
        self.machine = machine
        self.upload = upload
        self._connector = connector
        self._head_for = head_for
        self._commit = commit
        self._observer = observer
        self._tasks = tasks
        self._lines = lines
        self._heard = heard
        self._only = only
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[int] = self._loop.create_future()
        self._dials: dict[Path, asyncio.Task[None]] = {}
        self._ready: dict[Path, Connection] = {}
        self._sinks: dict[int, AttemptSink] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_feeding = False

    async def run(self, replay_bytes: int) -> AttemptSink:
        """Runs until commit. Cancelling it (the client left) cancels everything it has begun.

        Raises:
            GaveUp: no path gave a reply.
        """
        self._lines.waiting.add(self)
        try:
            self.upload.start(replay_bytes, lambda: self.feed(BodyDropped()))
            self.feed(_START)
            return self._sinks[await self._done]
        finally:
            self._stop()

    def leave(self) -> None:
        """The client is gone before any reply was committed: `run` raises GaveUp."""
        self.feed(ClientLeft())
        if not self._done.done():
            gone = Failure(Origin.CLIENT, Verdict.UNKNOWN, Code.CLIENT_GONE, "the client left")
            self._done.set_exception(GaveUp(gone))

    def feed(self, event: Event) -> None:
        """Hands an event to the machine and performs what it answers. What that brings about is fed from within; the
        timer is set once, when all is done."""
        is_inner, self._is_feeding = self._is_feeding, True
        try:
            for command in self.machine.handle(event, monotonic()):
                self._perform(command)
        finally:
            self._is_feeding = is_inner
        if not is_inner:
            self._rearm()

    def _perform(self, command: Command) -> None:
        match command:
            case Dial(path, again):
                self._dial(path, again)
            case Send(number, path):
                self._send(number, path)
            case Commit(number):
                self._committed(self._sinks[number])
            case Cancel(number):
                sink = self._sinks[number]
                self.upload.detach(sink.exchange)
                sink.exchange.cancel()
                self._observer.on_done(sink.path, None)
            case Undial(path):
                self._undial(path)
            case GiveUp(failure):
                if not self._done.done():
                    self._done.set_exception(GaveUp(failure))

    # --- dialing ---

    def _dial(self, path: Path, again: bool) -> None:
        connection = None if again else self._connector.take(path, self._only)
        if connection is not None:
            self._ready[path] = connection
            self.feed(Connected(path, warm=True))
        else:
            self._dials[path] = self._tasks.start(self._connect(path))

    async def _connect(self, path: Path) -> None:
        try:
            connection = await self._connector.connect(path, self._only)
        except TransportError as error:
            self._dials.pop(path, None)
            self.feed(DialFailed(path, error.failure))
            return
        self._dials.pop(path, None)
        self._ready[path] = connection
        self.feed(Connected(path, warm=False))

    def _undial(self, path: Path) -> None:
        task = self._dials.pop(path, None)
        if task is not None:
            task.cancel()
        connection = self._ready.pop(path, None)
        if connection is not None:
            connection.release()

    # --- the live attempt ---

    def _send(self, number: int, path: Path) -> None:
        connection = self._ready.pop(path)
        sink = AttemptSink(self, number, path, connection.protocol, monotonic())
        self._sinks[number] = sink
        self._observer.on_sent(path)
        upload = self.upload
        head = self._head_for(path)
        sink.exchange = connection.open(head, sink, upload.take(), end=upload.complete)
        if path.relay is not None and head.call is not None:
            self.machine.attempts[number - 1].execution = head.call.execution.hex()
        upload.attach(
            sink.exchange,
            lambda: self.feed(RequestSent(number)),
            lambda stalled: self.feed(UploadStalled(number, stalled)),
        )

    def on_head(self, sink: AttemptSink) -> None:
        """A reply's head is there (called by its sink)."""
        head = sink.head
        self._observer.on_reply(sink.path, head.status, head.headers)
        self._heard(sink)
        self.feed(HeadArrived(sink.number, head.status))

    def on_failure(self, sink: AttemptSink, failure: Failure) -> None:
        """An uncommitted attempt failed (called by its sink)."""
        self.upload.detach(sink.exchange)
        self._observer.on_done(sink.path, failure)
        self.feed(AttemptFailed(sink.number, failure))

    def _committed(self, sink: AttemptSink) -> None:
        try:
            self._commit(sink)
        except Exception as error:  # a fault of ours must not look like one of the connection whose callback this is
            sink.exchange.cancel()
            self._observer.on_done(sink.path, None)
            if not self._done.done():
                self._done.set_exception(error)
            return
        if not self._done.done():
            self._done.set_result(sink.number)

    # --- timer ---

    def _rearm(self) -> None:
        """One timer; it is left alone when the machine's time moved later (it then fires early and looks again)."""
        at = self.machine.timer()
        if at is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None or at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self._loop.call_later(max(0.0, at - monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        at = self.machine.timer()
        if at is not None and at <= monotonic():
            self.feed(TimerFired())
        else:
            self._rearm()

    def _stop(self) -> None:
        self._lines.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.machine.is_over:
            self.feed(ClientLeft())
        for task in self._dials.values():
            task.cancel()
        for connection in self._ready.values():
            connection.release()
        self._dials.clear()
        self._ready.clear()
        # Sinks, upload and the pipeline's closures know us: no cycle may keep a finished request for the collector.
        self._sinks.clear()
        self.upload.tell_no_more()
        del self._head_for, self._commit, self._heard
