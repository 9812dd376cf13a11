"""A world for tests of dials and pools: lines, targets, servers, and checks that nothing leaks."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path as FilePath

import trustme

from tests.support.exchanges import RecordingSink, request
from transport.aio.openers import Openers
from transport.aio.pool import Pools
from transport.exchange import Connection
from transport.failure import Failure
from transport.path import Line, Path, Protocol, Target
from transport.sample import TransportSample


class RecordingObserver:
    """Keeps what the pools report."""

    def __init__(self) -> None:
        self.dialed: list[tuple[Path, Protocol, float, bool]] = []
        self.failed: list[tuple[Path, Failure]] = []
        self.closed: list[tuple[Path, Protocol, Failure | None]] = []
        self.round_trips: list[float] = []
        self.samples: list[tuple[Path, TransportSample]] = []

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None:
        self.dialed.append((path, protocol, seconds, resumed))

    def on_dial_failed(self, path: Path, failure: Failure) -> None:
        self.failed.append((path, failure))

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None:
        self.closed.append((path, protocol, failure))

    def on_round_trip(self, path: Path, seconds: float) -> None:
        self.round_trips.append(seconds)

    def on_sample(self, path: Path, sample: TransportSample) -> None:
        self.samples.append((path, sample))


def plain_target(port: int, host: str = "127.0.0.1", **settings: object) -> Target:
    """An HTTP/1.1 target without TLS."""
    settings = {"tls": False, "protocols": (Protocol.H1,), **settings}
    return Target("end", host, port, **settings)  # type: ignore[arg-type]  # free keywords


@asynccontextmanager
async def pools_of(
    *targets: Target,
    lines: tuple[Line, ...] = (Line("line"),),
    observer: RecordingObserver | None = None,
    openers: Openers | None = None,
    **settings: object,
) -> AsyncIterator[Pools]:
    """Pools that are closed at the block's end."""
    pools = Pools(lines, targets, openers=openers or Openers(), observer=observer, **settings)  # type: ignore[arg-type]  # free keywords
    try:
        yield pools
    finally:
        await pools.close(0.2)


async def fetch(connection: Connection) -> RecordingSink:
    """One GET on a reserved connection, to its end."""
    sink = RecordingSink()
    connection.open(request(), sink, None, end=True)
    return await sink.done()


@contextmanager
def nothing_leaks() -> Iterator[None]:
    """Afterwards no task of the transport runs that didn't run before. Use it inside a running loop."""
    before = set(asyncio.all_tasks())
    yield
    left = [task for task in asyncio.all_tasks() - before if "/transport/aio/" in repr(task.get_coro())]
    assert left == []


def open_files() -> int:
    """File descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory: FilePath) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self.file = str(directory / "ca.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def files(self, *names: str) -> tuple[str, str]:
        """Certificate chain and key for these names, as PEM files."""
        certificate = self._ca.issue_cert(*names)
        chain, key = self._directory / "chain.pem", self._directory / "key.pem"
        chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(key)
        return str(chain), str(key)

    def server(self, *names: str, alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
        """A server's context for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(list(alpn))
        context.load_cert_chain(*self.files(*names))
        return context


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port on loopback whose listener is full: a connection to it is neither made nor refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
