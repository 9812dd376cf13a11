"""The ingress behind nginx and HAProxy, and in front of curl and aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from edge.ingress.request import ClientRequest
from tests.shell.ingress.support import echo, port_of, serving

NGINX = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  upstream edge {{ server 127.0.0.1:{edge}; keepalive 4; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://edge; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; }} }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
listen edge
  bind 127.0.0.1:{port}
  http-reuse always
  server edge 127.0.0.1:{edge}
"""


async def answer(request: ClientRequest) -> None:
    """Streams on /stream, echoes elsewhere."""
    if request.target != b"/stream":
        await echo(request)
        return
    request.start(200, [(b"content-type", b"text/event-stream")])
    for i in range(5):
        request.write(b"data: %d\n\n" % i)
        await asyncio.sleep(0.01)
    request.end()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def proxy(kind: str, directory: Path, edge: int) -> AsyncIterator[int]:
    port = free_port()
    text = (NGINX if kind == "nginx" else HAPROXY).format(dir=directory, port=port, edge=edge)
    file = directory / "proxy.conf"
    file.write_text(text)
    command = ["nginx", "-c", str(file), "-p", str(directory)] if kind == "nginx" else ["haproxy", "-f", str(file)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_behind_a_proxy_connections_are_reused_and_streams_flow(kind: str, tmp_path: Path) -> None:
    async with serving(answer) as ingress, proxy(kind, tmp_path, port_of(ingress)) as port:
        before = ingress.counts.accepted
        async with aiohttp.ClientSession() as session:
            for _ in range(10):
                async with session.post(f"http://127.0.0.1:{port}/x", data=b"y" * 100_000) as response:
                    assert (await response.read()) == b"POST /x " + b"y" * 100_000
            async with session.get(f"http://127.0.0.1:{port}/stream") as response:
                assert (await response.text()).count("data:") == 5
        assert ingress.counts.requests == 11
        assert ingress.counts.accepted - before <= 3


async def run_curl(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "8", *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return out


async def test_curl(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"z" * 2_000_000)
    async with serving(answer) as ingress:
        url = f"http://127.0.0.1:{port_of(ingress)}"
        assert await run_curl(f"{url}/stream") == b"".join(b"data: %d\n\n" % i for i in range(5))
        assert await run_curl(f"{url}/a", "--data-binary", f"@{body}") == b"POST /a " + b"z" * 2_000_000
        out = await run_curl(
            f"{url}/b", "-T", str(body), "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"
        )
        assert out == b"PUT /b " + b"z" * 2_000_000
        assert await run_curl("-0", f"{url}/c") == b"GET /c "
        assert b"HTTP/1.1 200 OK" in await run_curl("-I", f"{url}/d")


async def test_curl_takes_an_aborted_stream_for_an_error() -> None:
    async def aborts(request: ClientRequest) -> None:
        request.start(200, [])
        request.write(b"part")
        request.abort()

    async with serving(aborts) as ingress:
        out = await run_curl(f"http://127.0.0.1:{port_of(ingress)}/")
    assert b"part" in out
    assert b"curl: (" in out
