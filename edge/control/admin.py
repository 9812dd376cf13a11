"""The admin listener: is the process alive, may it get traffic, what does it measure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from edge.config.model import Address
from edge.control.merging import merge

log = logging.getLogger("farline.admin")

PEER_SECONDS = 2.0  # a worker that doesn't tell its metrics within this long is left out
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Admin:
    """Serves /healthz, /readyz and /metrics.

    With several workers each serves its own admin on a unix socket in `run_dir`; the first one also listens on
    `address` and asks the others when metrics are scraped.
    """

    def __init__(
        self,
        address: Address | None,
        *,
        why_not_ready: Callable[[], str | None],
        exposition: Callable[[], bytes],
        worker: int | None = None,
        run_dir: Path | None = None,
    ) -> None:
        self._address = address
        self._why_not_ready = why_not_ready
        self._exposition = exposition
        self._worker = worker
        self._run_dir = run_dir
        self._runner: web.AppRunner | None = None
        self.bound: tuple[str, int] | None = None

    async def start(self) -> None:
        """Binds the listeners.

        Raises:
            OSError: the address can't be bound.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/metrics/worker", self._own_metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        if self._run_dir is not None and self._worker is not None:
            await web.UnixSite(self._runner, str(_socket_of(self._run_dir, self._worker))).start()
        if self._address is not None and not self._worker:
            await self._listen(self._runner, self._address)

    async def _listen(self, runner: web.AppRunner, address: Address) -> None:
        if address.unix:
            await web.UnixSite(runner, address.host).start()
            return
        site = web.TCPSite(runner, address.host, address.port)
        await site.start()
        host, port = runner.addresses[-1][:2]
        self.bound = (host, port)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        reason = self._why_not_ready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def _own_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._exposition(), headers={"content-type": EXPOSITION})

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._run_dir is None:
            return await self._own_metrics(request)
        sockets = sorted(self._run_dir.glob("worker-*.sock"))
        texts = await asyncio.gather(*(_metrics_of(path) for path in sockets))
        told = {path.stem.removeprefix("worker-"): text for path, text in zip(sockets, texts, strict=True) if text}
        return web.Response(body=merge(told), headers={"content-type": EXPOSITION})


def _socket_of(run_dir: Path, worker: int) -> Path:
    return run_dir / f"worker-{worker}.sock"


async def _metrics_of(path: Path) -> str | None:
    """One worker's exposition, None if it doesn't answer (it may be starting anew)."""
    timeout = aiohttp.ClientTimeout(total=PEER_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.get("http://worker/metrics/worker") as reply,
        ):
            return await reply.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        log.warning("no metrics from %s: %s", path.name, error)
        return None
