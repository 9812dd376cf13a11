"""The admin listener: is the process alive, may it get traffic, what does it measure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import aiohttp
import msgspec
from aiohttp import web

from edge.alerts.figures import Figures
from edge.config.model import Address
from edge.control.merging import merge
from health.alerts import Alert

log = logging.getLogger("farline.admin")

PEER_SECONDS = 2.0  # a worker that doesn't tell its metrics within this long is left out
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Admin:
    """Serves /healthz, /readyz, /metrics and /api/v1/alerts.

    With several workers each serves its own admin on a unix socket in `run_dir`; the first one also listens on
    `address` and asks the others when metrics are scraped.
    """

    def __init__(
        self,
        address: Address | None,
        *,
        why_not_ready: Callable[[], str | None],
        exposition: Callable[[], bytes],
        figures: Callable[[], Figures],
        firing: Callable[[], Sequence[Alert]],
        worker: int | None = None,
        run_dir: Path | None = None,
    ) -> None:
        self._address = address
        self._why_not_ready = why_not_ready
        self._exposition = exposition
        self._figures = figures
        self._firing = firing
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
                web.get("/figures/worker", self._own_figures),
                web.get("/api/v1/alerts", self._alerts),
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

    async def _own_figures(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._figures()), content_type="application/json")

    async def figures_of_peers(self) -> list[Figures]:
        """What the other workers measure; one that doesn't answer is left out."""
        if self._run_dir is None or self._worker is None:
            return []
        own = _socket_of(self._run_dir, self._worker)
        paths = [path for path in sorted(self._run_dir.glob("worker-*.sock")) if path != own]
        texts = await asyncio.gather(*(_ask(path, "/figures/worker") for path in paths))
        return [msgspec.json.decode(text, type=Figures) for text in texts if text]

    async def _alerts(self, _request: web.Request) -> web.Response:
        """What fires now."""
        now = monotonic()
        return web.json_response(
            {
                "alerts": [
                    {
                        "rule": alert.rule.id,
                        "subject": alert.subject,
                        "severity": alert.rule.severity.value,
                        "value": alert.value,
                        "threshold": alert.rule.threshold,
                        "firing_seconds": round(now - (alert.fired_at or now), 1),
                    }
                    for alert in self._firing()
                ]
            }
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._run_dir is None:
            return await self._own_metrics(request)
        sockets = sorted(self._run_dir.glob("worker-*.sock"))
        texts = await asyncio.gather(*(_ask(path, "/metrics/worker") for path in sockets))
        told = {path.stem.removeprefix("worker-"): text for path, text in zip(sockets, texts, strict=True) if text}
        return web.Response(body=merge(told), headers={"content-type": EXPOSITION})


def _socket_of(run_dir: Path, worker: int) -> Path:
    return run_dir / f"worker-{worker}.sock"


async def _ask(path: Path, route: str) -> str | None:
    """One worker's answer, None if it gives none (it may be starting anew)."""
    timeout = aiohttp.ClientTimeout(total=PEER_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.get(f"http://worker{route}") as reply,
        ):
            return await reply.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        log.warning("no answer from %s: %s", path.name, error)
        return None
