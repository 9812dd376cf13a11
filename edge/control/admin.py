"""The admin listener: is the process alive, may it get traffic, what does it measure, and the admin API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web

from edge.alerts.figures import Figures
from edge.config.model import Address, Snapshot
from edge.control.api import Api
from edge.control.audit import Audit
from edge.control.desk import ControlDesk
from edge.control.events import Events
from edge.control.inside import Inside
from edge.control.internal import ALERT_FIGURES_PATH, HISTORY_PATH, Internal, follow
from edge.control.merging import merge
from edge.control.nodes import Nodes
from edge.control.pages import Pages
from edge.control.peers import Peers, socket_of
from edge.control.replaying import Replays
from edge.control.worker import Worker, Workers
from edge.observe.exposition import OPEN, PLAIN, wants_open
from edge.routing.controls import Controls
from transport.aio.tasks import TaskOwner


class Admin:
    """The whole control plane of one process: `desk` is where controls change, `events` and `audit` what happened.

    With several workers each serves the others on a unix socket in `run_dir`; the first one also listens on the
    configured address, and answers for all.
    """

    def __init__(
        self,
        inside: Inside,
        put_in_effect: Callable[[Controls], None],
        *,
        version: str,
        worker: int | None = None,
        run_dir: Path | None = None,
    ) -> None:
        snapshot = inside.snapshot()
        number = worker or 0
        self._inside = inside
        self._number = number
        self._address = snapshot.listen.admin if number == 0 else None
        self._socket = socket_of(run_dir, number) if run_dir is not None else None
        self._peers = Peers(run_dir, number, snapshot.listen.workers) if run_dir is not None else None
        self._runners: list[web.AppRunner] = []
        self._tasks = TaskOwner("admin")
        self.events = Events()
        self.audit = Audit(snapshot.node.state_dir if number == 0 else None)
        self.desk = ControlDesk(snapshot, put_in_effect, self.audit, self.events, worker=worker, peers=self._peers)
        own = Worker(inside, self.events, number)
        replays = Replays(inside, self.desk, number, self._peers)
        self._internal = Internal(inside, own, self.desk, replays)
        self._api = Api(inside, self.desk, Workers(own, self._peers), replays, self.audit, self.events, version)
        self.bound: tuple[str, int] | None = None

    async def start(self) -> None:
        """Binds the listeners and takes up the controls that are in effect.

        Raises:
            OSError: the address can't be bound.
        """
        if self._socket is not None:
            runner = await self._runner(self._internal.application())
            await web.UnixSite(runner, str(self._socket)).start()
        await self.desk.open()
        if self._address is not None:
            await self._listen(await self._runner(self._application()), self._address)
        if self._peers is not None and self._number == 0:
            self._tasks.start(follow(self._peers, self.events, self.desk))

    def join(self, nodes: Nodes) -> None:
        """The other nodes of the cluster, for `/api/v1/nodes`."""
        self._api.others = self._api.publishing.others = nodes

    async def figures_of_peers(self) -> list[Figures]:
        """What the other workers' alerts are judged by; one that doesn't answer is left out."""
        told = await self._peers.texts(ALERT_FIGURES_PATH) if self._peers is not None else {}
        return [msgspec.json.decode(text, type=Figures) for text in told.values()]

    async def cells_of_peers(self, since: int) -> list[str]:
        """What the other workers recorded after a second, for the history; one that doesn't answer is left out."""
        told = await self._peers.texts(f"{HISTORY_PATH}?since={since}") if self._peers is not None else {}
        return list(told.values())

    def reloaded(self, new: Snapshot, old: Snapshot) -> None:
        """A new configuration is in use."""
        if (new.admin_keys, new.admin_oidc) != (old.admin_keys, old.admin_oidc):
            self._api.renew(new)
        published = f"{new.published.channel}@{new.published.number}" if new.published is not None else ""
        self.desk.note_reload(old.generation, new.generation, new.source, published=published)
        self._tasks.start(self.desk.reloaded(new))

    def reload_refused(self, reasons: list[str]) -> None:
        """A faulty configuration was not taken."""
        snapshot = self._inside.snapshot()
        self.desk.note_reload(snapshot.generation, snapshot.generation, snapshot.source, reasons)

    async def close(self) -> None:
        self.events.close()
        await self._tasks.close()
        await self._api.gate.people.close()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    def _application(self) -> web.Application:
        app = self._api.application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                *Pages().routes(),
            ]
        )
        return app

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        self._runners.append(runner)
        return runner

    async def _listen(self, runner: web.AppRunner, address: Address) -> None:
        if address.unix:
            await web.UnixSite(runner, address.host).start()
            return
        await web.TCPSite(runner, address.host, address.port).start()
        host, port = runner.addresses[-1][:2]
        self.bound = (host, port)

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        reason = self._inside.why_not_ready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def _metrics(self, request: web.Request) -> web.Response:
        is_open = wants_open(request.headers.get("accept", ""))
        body = self._inside.exposition(is_open)
        if self._peers is not None:
            told = await self._peers.texts(f"/internal/metrics{'?open' if is_open else ''}")
            texts = {str(number): text for number, text in sorted({**told, self._number: body.decode()}.items())}
            body = merge(texts, is_open)
        return web.Response(body=body, headers={"content-type": OPEN if is_open else PLAIN})
