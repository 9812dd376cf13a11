"""What a packet costs to send and to receive, by kind of carrier: CPU µs of one process that does both.

python -m tests.bench.carriers [--packets 20000] [--size 250]

Packets go in batches, as a session sends them at the end of a turn of the event loop; the next batch leaves when the
last has arrived. Loopback, uvloop. Each figure is the least of three rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import uvloop
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import DatagramFrameReceived, HandshakeCompleted
from cryptography.hazmat.primitives.serialization import Encoding

from transport.congestion import NAME, register
from transport.session import seal
from transport.session.aio.datagrams import DatagramEnd
from transport.session.aio.framed import FramedConnection, FramedOwner
from transport.session.aio.identity import NodeKey, client_context
from transport.session.aio.ports import UdpPort

Send = Callable[[Sequence[bytes]], None]


class Counter(FramedOwner):
    """Counts packets and wakes who waits for them."""

    def __init__(self) -> None:
        self.count = self.wanted = 0
        self.done: asyncio.Future[None] | None = None
        self.connection: asyncio.Future[FramedConnection] = asyncio.get_running_loop().create_future()

    def arrive(self) -> None:
        self.count += 1
        if self.count >= self.wanted and self.done is not None and not self.done.done():
            self.done.set_result(None)

    async def wait(self, wanted: int) -> None:
        self.wanted = wanted
        if self.count < wanted:
            self.done = asyncio.get_running_loop().create_future()
            await self.done

    def on_up(self, connection: FramedConnection) -> None:
        self.connection.set_result(connection)

    def on_packet(self, packet: bytes) -> None:
        self.arrive()

    def on_note(self, note: object) -> None:
        raise AssertionError(note)

    def on_lost(self, reason: str) -> None:
        return


def udp(connect: tuple[str, int] | None = None) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", 0))
    if connect is not None:
        sock.connect(connect)
    return sock


@asynccontextmanager
async def bare(counter: Counter) -> AsyncIterator[Send]:
    """UDP alone."""
    port = UdpPort(udp())
    port.start(lambda data, address, port, local: counter.arrive())
    sender = udp(port.sock.getsockname())

    def send(packets: Sequence[bytes]) -> None:
        for packet in packets:
            sender.send(packet)

    yield send
    sender.close()
    port.close()


@asynccontextmanager
async def lean(counter: Counter) -> AsyncIterator[Send]:
    """The datagram carrier: sealed, sent, received, looked up, opened."""
    up, down = seal.secrets(bytes(32), bytes(32), 7)
    opener = seal.Opener(up)
    openers = {7: opener}
    port = UdpPort(udp())

    def on_datagram(data: bytes, address: object, port: UdpPort, local: bytes) -> None:
        if openers[seal.connection_of(data) or 0].open(data) is not None:
            counter.arrive()

    port.start(on_datagram)
    address = port.sock.getsockname()
    end = DatagramEnd("", 1, 7, seal.Sealer(up, 7, time.monotonic()), seal.Opener(down), lambda: udp(address), print)
    yield end.send
    end.release()
    port.close()


@asynccontextmanager
async def tls(counter: Counter) -> AsyncIterator[Send]:
    """TLS over TCP, framed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: FramedConnection(counter), "127.0.0.1", 0, ssl=NodeKey.generate().server_context()
    )
    near = Counter()
    await loop.create_connection(
        lambda: FramedConnection(near), *server.sockets[0].getsockname(), ssl=client_context(), server_hostname=""
    )
    connection = await near.connection
    yield connection.send
    connection.abort()
    (await counter.connection).abort()
    server.close()


@asynccontextmanager
async def quic(counter: Counter) -> AsyncIterator[Send]:
    """DATAGRAM frames of aioquic, each in a packet of its own, the way HTTP/3 drives it here."""
    register()
    key = NodeKey.generate()
    near, far = udp(), udp()
    near.connect(far.getsockname())
    far.connect(near.getsockname())
    settings = {"alpn_protocols": ["x"], "max_datagram_frame_size": 65_536, "congestion_control_algorithm": NAME}
    client_settings = QuicConfiguration(is_client=True, verify_mode=ssl.CERT_NONE, **settings)
    server_settings = QuicConfiguration(is_client=False, **settings)
    server_settings.certificate = key.certificate()
    server_settings.private_key = key.private
    assert server_settings.certificate.public_bytes(Encoding.DER)
    client = QuicConnection(configuration=client_settings)
    server: QuicConnection | None = None
    loop = asyncio.get_running_loop()
    is_up = loop.create_future()

    def flush(connection: QuicConnection, sock: socket.socket) -> None:
        for data, _ in connection.datagrams_to_send(time.monotonic()):
            sock.send(data)

    def on_far() -> None:
        nonlocal server
        for _ in range(64):
            try:
                data = far.recv(2048)
            except OSError:
                break
            if server is None:
                server = QuicConnection(
                    configuration=server_settings, original_destination_connection_id=data[6 : 6 + data[5]]
                )
            server.receive_datagram(data, ("127.0.0.1", 1), time.monotonic())
        assert server is not None
        while (event := server.next_event()) is not None:
            if isinstance(event, DatagramFrameReceived):
                counter.arrive()
        flush(server, far)

    def on_near() -> None:
        for _ in range(64):
            try:
                client.receive_datagram(near.recv(2048), ("127.0.0.1", 2), time.monotonic())
            except OSError:
                break
        while (event := client.next_event()) is not None:
            if isinstance(event, HandshakeCompleted):
                is_up.set_result(None)
        flush(client, near)

    loop.add_reader(near.fileno(), on_near)
    loop.add_reader(far.fileno(), on_far)
    client.connect(("127.0.0.1", 2), time.monotonic())
    flush(client, near)
    await is_up

    def send(packets: Sequence[bytes]) -> None:
        for packet in packets:
            client.send_datagram_frame(packet)
            flush(client, near)

    yield send
    for sock in (near, far):
        loop.remove_reader(sock.fileno())
        sock.close()


CONTESTANTS = {"bare UDP": bare, "sealed datagrams": lean, "TLS over TCP": tls, "aioquic DATAGRAM": quic}


async def measure(name: str, packets: int, size: int, batch: int) -> float:
    """CPU µs per packet."""
    counter = Counter()
    payload = [b"\x10" + os.urandom(size - 1) for _ in range(batch)]
    async with CONTESTANTS[name](counter) as send:
        best = float("inf")
        for _ in range(3):
            wanted = counter.count
            began = time.process_time()
            for _ in range(packets // batch):
                send(payload)
                wanted += batch
                await counter.wait(wanted)
            best = min(best, (time.process_time() - began) / packets * 1e6)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=250)
    args = parser.parse_args()
    print(f"CPU µs per packet of {args.size} bytes, sent and received")
    print(f"{'':20} {'alone':>8} {'8 at once':>10}")
    for name in CONTESTANTS:
        alone, batched = (uvloop.run(measure(name, args.packets, args.size, batch)) for batch in (1, 8))
        print(f"{name:20} {alone:8.1f} {batched:10.1f}")


if __name__ == "__main__":
    main()
