"""A relay's service between a session in memory and real servers, and an edge's end of streams, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge.config.model import EdgePeer, Endpoint, Provider, Snapshot
from edge.relay.egress import Egress
from edge.relay.record import ExecutionRecord
from edge.relay.service import Service
from tests.support.sessions import Heard, Wires
from transport.aio.standard import make_pools
from transport.aio.tasks import TaskOwner
from transport.failure import Failure
from transport.message import Headers, RequestHead, ResponseHead
from transport.path import Line, Protocol
from transport.session.live import LiveSession
from transport.session.record_readers import ReplyReader
from transport.session.record_writers import RequestWriter
from transport.session.records import End, Frame, Stamp, read_message
from transport.session.values import Priority


class Reply:
    """A request on a stream of the edge's session, and its reply as it comes. With `slow` nothing is consumed."""

    def __init__(self, session: LiveSession, id: bytes, *, slow: bool = False) -> None:
        self.session = session
        self.slow = slow
        self.reader = ReplyReader()
        self.writer = RequestWriter()
        self.head: ResponseHead | None = None
        self.body = bytearray()
        self.pieces = 0
        self.frames: list[Frame] = []
        self.messages: list[Frame] = []
        self.stamps: list[int] = []
        self.end: End | None = None
        self.failure: Failure | None = None
        self.over: tuple[int, str] | None = None
        self.received = self.owed = 0
        self.is_acked = False
        self.changed = asyncio.Event()
        self.stream = session.open(self, Priority.INTERACTIVE, request=id)

    def send(self, data: bytes, *, end: bool = False) -> None:
        self.session.write(self.stream, data, end=end)

    def catch_up(self) -> None:
        """Consumes what was withheld."""
        self.slow = False
        owed, self.owed = self.owed, 0
        self.session.consumed(self.stream, owed)

    def on_data(self, data: bytes, end: bool) -> None:
        self.received += len(data)
        if self.slow:
            self.owed += len(data)
        else:
            self.session.consumed(self.stream, len(data))
        for value in self.reader.feed(data):
            match value:
                case bytes():
                    self.body += value
                    self.pieces += 1
                case ResponseHead():
                    self.head = value
                case Frame():
                    self.frames.append(value)
                case Stamp():
                    self.stamps.append(value.ms)
                case End():
                    self.end = value
                case Failure():
                    self.failure = value
        assert not end or self.reader.is_over
        self.changed.set()

    def on_message(self, data: bytes) -> None:
        self.messages.append(read_message(data))
        self.changed.set()

    def on_writable(self) -> None:
        self.changed.set()

    def on_acked(self) -> None:
        self.is_acked = True

    def on_over(self, code: int, reason: str) -> None:
        self.over = (code, reason)
        self.changed.set()

    def is_done(self) -> bool:
        return self.end is not None or self.failure is not None or self.over is not None

    async def until(self, condition, seconds: float = 10.0) -> Reply:
        async with asyncio.timeout(seconds):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()
        return self

    async def done(self, seconds: float = 10.0) -> Reply:
        return await self.until(Reply.is_done, seconds)


class Watching:
    """Keeps what a service tells."""

    def __init__(self) -> None:
        self.records: list[ExecutionRecord] = []
        self.repetitions: list[str] = []
        self.sessions_over = 0

    def on_execution(self, record: ExecutionRecord) -> None:
        self.records.append(record)

    def on_repetition(self, edge: str, kind: str) -> None:
        self.repetitions.append(kind)

    def on_session_over(self, session: LiveSession, code: int, reason: str) -> None:
        self.sessions_over += 1

    def on_suspected(self, session: LiveSession, line: str) -> None:
        return

    def on_carrier_lost(self, session: LiveSession, line: str) -> None:
        return


class Relayed:
    """`service` behind the session `wires`; `ask` is the edge."""

    def __init__(
        self, service: Service, wires: Wires, watching: Watching, authority: str, scheme: str = "http"
    ) -> None:
        self.service = service
        self.wires = wires
        self.watching = watching
        self.authority = authority
        self.scheme = scheme
        self._numbers = iter(range(1, 1 << 20))

    @property
    def session(self) -> LiveSession:
        return self.wires.edge

    def head(self, method: str, target: str, headers: Headers | None = None) -> RequestHead:
        return RequestHead(
            method.encode(), target.encode(), self.authority.encode(), headers or [], self.scheme.encode()
        )

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: Headers | None = None,
        id: bytes | None = None,
        slow: bool = False,
        provider: str = "sim",
        end: bool = True,
        session: LiveSession | None = None,
        patience: float = 30.0,
    ) -> Reply:
        """Begins a request; with `end` it is whole."""
        if id is None:
            id = next(self._numbers).to_bytes(16, "big")
        reply = Reply(session or self.session, id, slow=slow)
        writer = reply.writer
        length = len(body) if end else None
        fields = list(headers or [])
        if body and end:
            fields.append((b"content-length", b"%d" % len(body)))
        data = writer.request(self.head(method, target, fields), provider, patience, length)
        if body:
            data += writer.body(body)
        reply.send(data + (writer.end() if end else b""), end=end)
        return reply


def snapshot_for(port: int, **settings) -> Snapshot:
    """One provider, `sim`, over HTTP/1.1 without TLS unless `protocols` says otherwise."""
    provider = {key: settings.pop(key) for key in ("on_client_gone", "credential", "dialect") if key in settings}
    endpoint = Endpoint(
        "sim-0",
        "sim",
        f"http://127.0.0.1:{port}",
        "127.0.0.1",
        port,
        False,
        base_path=settings.pop("base_path", ""),
        protocols=settings.pop("protocols", (Protocol.H1,)),
    )
    providers = (Provider("sim", **{"dialect": "openai", **provider}, endpoints=(endpoint,)),)
    return Snapshot(providers=providers, lines=(Line("direct"),), edges=(EdgePeer("edge", ""),), **settings)


@asynccontextmanager
async def relayed(snapshot: Snapshot, **settings) -> AsyncIterator[Relayed]:
    """A relay for one edge. `settings`: those of Wires."""
    watching, tasks = Watching(), TaskOwner("relay")
    targets = Egress.of(snapshot).targets
    pools = make_pools(snapshot.lines, targets)
    pools.start()
    service = Service(snapshot, pools, tasks, watching)
    wires = Wires(Heard(), service, **settings)
    try:
        await wires.joined()
        scheme = "https" if targets[0].tls else "http"
        yield Relayed(service, wires, watching, targets[0].authority, scheme)
    finally:
        wires.end()
        service.close()
        await tasks.close()
        await pools.close(0.1)
        assert tasks.failures == 0
        assert not service.executions
        assert service.kept.size == sum(reply.size for reply in service.kept._done.values())
