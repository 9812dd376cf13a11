"""One worker under many connections: python -m tests.bench.capacity [--idle N] [--streams N].

10,000 kept-alive clients that have each made a request, and 2,000 streams that run beside them. Every reply must be
whole, every stream must end in order, and the idle connections must still answer afterwards.
"""

from __future__ import annotations

import argparse
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.contestants import PLAIN, pin_to_load_core, running, upstreams
from tests.bench.load import body, connect, exchange, request, run_streams
from tests.bench.proxies import REQUESTS, STREAMS, machine
from tests.support.certificates import certificates

ONCE = request(REQUESTS, body("gpt-4.1", 64, stream=False))


def run(idle: int, streams: int, folder: Path) -> int:
    """The number of faults."""
    with (
        upstreams(folder, certificates(folder)) as ups,
        running(ups, {"farline": PLAIN["farline"]}) as (farline,),
    ):
        empty = farline.resident_kib()
        clients: list[socket.socket] = []
        try:
            for _ in range(idle):
                clients.append(connect(farline.port))
                exchange(clients[-1], ONCE, b"}")
            time.sleep(0.5)  # the last exchange is accounted, its buffers are given back
            with_clients = farline.resident_kib()
            print(
                f"{idle} idle clients: {(with_clients - empty) / idle:.1f} KiB each, "
                f"{with_clients / 1024:.0f} MiB in all"
            )
            delivery = run_streams(
                farline.port, STREAMS, streams, cpu_seconds=farline.cpu_seconds, window=4.0, per_second=500.0
            )
            peak = farline.resident_kib()
            print(
                f"{streams} streams beside them: {delivery.complete} complete, {delivery.faults} faults, delay p50 "
                f"{delivery.quantile(0.5):.1f} ms, p99 {delivery.quantile(0.99):.1f} ms, "
                f"{delivery.cpu_us / max(1, delivery.chunks):.1f} µs CPU per chunk"
            )
            print(f"{(peak - with_clients) / streams:.1f} KiB per stream, {peak / 1024:.0f} MiB in all")
            dead = sum(not _answers(client) for client in clients)
            print(f"idle clients that no longer answer: {dead}")
        finally:
            for client in clients:
                client.close()
    return delivery.faults + dead


def _answers(client: socket.socket) -> bool:
    try:
        exchange(client, ONCE, b"}")
    except OSError:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.capacity", description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=2_000)
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, value in machine().items():
        print(f"{name}: {value}")
    pin_to_load_core()
    with tempfile.TemporaryDirectory(prefix="farline-bench-") as directory:
        faults = run(args.idle, args.streams, Path(directory))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
