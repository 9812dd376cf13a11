"""A real relay, and what stands between it and its edges, for tests from outside."""

from __future__ import annotations

import asyncio
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.nodes import Edge, Process, Provider, config
from transport.session import keys

LINES = {"cn2": "127.0.0.2", "cu2": "127.0.0.3"}


class NodeKeys:
    """Key files of an edge and a relay, with their fingerprints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.edge, self.edge_print = self._make("edge.key")
        self.relay, self.relay_print = self._make("relay.key")

    def _make(self, name: str) -> tuple[Path, str]:
        pem, file = keys.make(), self.folder / name
        file.write_bytes(pem)
        file.chmod(0o600)
        return file, keys.fingerprint(keys.spki(keys.load(pem).public_key()))


class Relay(Process):
    """`farline relay -c FILE` for one edge and one provider, `openai`."""

    def __init__(self, made: NodeKeys, provider_url: str, port: int = 0, extra: str = "") -> None:
        file = made.folder / "relay.toml"
        file.write_text(
            f'[node]\nname = "sjc-1"\nrole = "relay"\nkey = "file:{made.relay}"\n'
            f'[listen]\nsession = ["127.0.0.1:{port}"]\nadmin = "127.0.0.1:0"\n'
            f'[[edge]]\nid = "bj-1"\nfingerprint = "{made.edge_print}"\n'
            f'[[provider]]\nid = "openai"\n[[provider.endpoint]]\nurl = "{provider_url}"\n{extra}'
        )
        super().__init__(["-m", "edge.cli", "relay", "-c", str(file)])
        self.port = int(self.wait_for(r"sessions \S+:(\d+)", self.err).group(1))
        self.admin_url = self.wait_for(r"admin (\S+)", self.err).group(1)

    metric = Edge.metric

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


def edge_config(made: NodeKeys, provider_url: str, relay_port: int, *, relay: str = "", extra: str = "") -> str:
    """Two lines, three providers, one relay, which knows only `openai`."""
    own = (
        f'[node]\nname = "bj-1"\nkey = "file:{made.edge}"\n{extra}\n'
        f'[[relay]]\nid = "sjc"\naddress = "127.0.0.1:{relay_port}"\nfingerprint = "{made.relay_print}"\n'
        f'providers = ["openai"]\n{relay}'
    )
    return config(provider_url, lines=LINES, extra=own)


@contextmanager
def node_keys() -> Iterator[NodeKeys]:
    with tempfile.TemporaryDirectory(prefix="farline-test-") as folder:
        yield NodeKeys(Path(folder))


@contextmanager
def relayed(
    sim: str = "think_ms=5,interval_ms=1,tokens=8", *, relay: str = "", extra: str = ""
) -> Iterator[tuple[Provider, Relay, Edge, NodeKeys]]:
    """A provider, a relay and an edge whose session stands."""
    with node_keys() as made, Provider(sim=sim) as provider, Relay(made, provider.url) as far:
        with Edge(edge_config(made, provider.url, far.port, relay=relay, extra=extra)) as edge:
            edge.wait_for("not ready → ready", edge.err)
            yield provider, far, edge, made


class Between:
    """Stands before a relay, for UDP and TCP. What comes from or goes to the addresses in `silent` is swallowed."""

    def __init__(self, port: int) -> None:
        self.silent: set[str] = set()
        self.port = 0
        self._far = ("127.0.0.1", port)
        self._backs: dict[tuple[str, int], asyncio.DatagramTransport] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Front(self), ("127.0.0.1", self.port))

    async def close(self) -> None:
        self._server.close()
        self._udp.close()
        for back in self._backs.values():
            back.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def up(self, data: bytes, client: tuple[str, int]) -> None:
        if client[0] in self.silent:
            return
        back = self._backs.get(client)
        if back is None:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.connect(self._far)
            task = asyncio.get_running_loop().create_task(self._open_back(sock, client, data))
            self._tasks.add(task)
        else:
            back.sendto(data)

    async def _open_back(self, sock: socket.socket, client: tuple[str, int], first: bytes) -> None:
        loop = asyncio.get_running_loop()
        back, _ = await loop.create_datagram_endpoint(lambda: _Back(self, client), sock=sock)
        if client in self._backs:
            back.close()
            back = self._backs[client]
        self._backs[client] = back
        back.sendto(first)

    def down(self, data: bytes, client: tuple[str, int]) -> None:
        if client[0] not in self.silent:
            self._udp.sendto(data, client)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("peername")[0]
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(*self._far)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, host))
                group.create_task(self._pump(far_reader, writer, host))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            far_writer.close()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        while data := await reader.read(65_536):
            while host in self.silent:
                await asyncio.sleep(0.01)
            writer.write(data)
            await writer.drain()
        writer.close()


class _Front(asyncio.DatagramProtocol):
    def __init__(self, between: Between) -> None:
        self._between = between

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._between.up(data, addr)


class _Back(asyncio.DatagramProtocol):
    def __init__(self, between: Between, client: tuple[str, int]) -> None:
        self._between, self._client = between, client

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._between.down(data, self._client)


@asynccontextmanager
async def between(port: int) -> AsyncIterator[Between]:
    made = Between(port)
    await made.start()
    try:
        yield made
    finally:
        await made.close()
