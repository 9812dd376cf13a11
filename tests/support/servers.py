"""Real servers of other projects as child processes, ended by their process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.certificates import Certificates


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """Different ones."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


async def answering(port: int, seconds: float = 10.0) -> None:
    """Waits until something listens."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@contextmanager
def nghttpd(root: Path, certificates: Certificates) -> Iterator[int]:
    """nghttp2's server for the files under `root`; it echoes what is uploaded."""
    port = free_port()
    with running("nghttpd", "-d", str(root), "--echo-upload", "--trailer", "x-last: yes", str(port),
                 certificates.key, certificates.chain):  # fmt: skip
        yield port


@contextmanager
def nginx(root: Path, certificates: Certificates, work: Path) -> Iterator[int]:
    """nginx with HTTP/2 over TLS for the files under `root`; /discard takes uploads; 20 requests per connection."""
    port, plain = free_port(), free_port()
    (work / "nginx.conf").write_text(f"""
        daemon off; master_process off; worker_processes 1; pid {work}/nginx.pid; error_log /dev/null;
        events {{ worker_connections 256; }}
        http {{
          access_log off; keepalive_requests 20; client_max_body_size 100m;
          client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
          uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
          server {{
            listen 127.0.0.1:{port} ssl http2;
            ssl_certificate {certificates.chain}; ssl_certificate_key {certificates.key};
            root {root};
            location /discard {{ proxy_pass http://127.0.0.1:{plain}/; }}
            location /small {{ return 200 "hello"; }}
          }}
          server {{
            listen 127.0.0.1:{plain};
            location / {{ return 200 "taken"; }}
          }}
        }}
    """)
    with running("nginx", "-c", str(work / "nginx.conf"), "-p", str(work)):
        yield port
