"""A real nginx on loopback, from a temporary directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as FilePath

from tests.support.servers import free_port

_CONFIG = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; default_type text/plain; client_max_body_size 100m;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  {settings}
  server {{
    listen 127.0.0.1:{port} {ssl}; {certificate}
    location /hi {{ return 200 "hello from nginx"; }}
    location /peer {{ return 200 "$remote_addr $ssl_session_reused"; }}
    location /files/ {{ alias {directory}/; }}
    location /empty {{ return 204; }}
    location /large {{ client_max_body_size 10; proxy_pass http://127.0.0.1:1; }}
  }}
}}
"""


@asynccontextmanager
async def nginx(
    directory: FilePath,
    *,
    tls: tuple[str, str] | None = None,
    settings: str = "keepalive_requests 1000000;",
    http2: bool = False,
) -> AsyncIterator[int]:
    """Runs nginx; gives its port. `tls`: files of the certificate chain and key; `settings` for its http block."""
    port = free_port()
    certificate = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ""
    config = directory / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            directory=directory,
            port=port,
            ssl="ssl" * bool(tls) + " http2" * http2,
            certificate=certificate,
            settings=settings,
        )
    )
    process = await asyncio.create_subprocess_exec(
        "nginx", "-c", str(config), "-p", str(directory), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _until_up(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _until_up(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return
