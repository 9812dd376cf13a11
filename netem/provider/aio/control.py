"""The control plane: plain HTTP on its own port."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from aiohttp import web

from netem.provider.ledger import rules_from
from netem.provider.sim import SimError

if TYPE_CHECKING:
    from netem.provider.aio.server import FakeProvider


class Control:
    """`/_sim/log`, `/_sim/counters`, `/_sim/reset`, `/_sim/faults`."""

    def __init__(self, provider: FakeProvider) -> None:
        self._provider = provider

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sim/log", self.log),
            web.get("/_sim/counters", self.counters),
            web.post("/_sim/reset", self.reset),
            web.get("/_sim/faults", self.faults),
            web.post("/_sim/faults", self.set_faults),
        ]

    async def log(self, request: web.Request) -> web.Response:
        """The newest records, oldest first; `?id=` of one request id, `?limit=` at most so many (1,000)."""
        wanted = request.query.get("id")
        limit = int(request.query.get("limit", "1000"))
        records = (each for each in reversed(self._provider.log) if wanted in (None, each.id))
        newest = list(itertools.islice(records, limit))
        return web.json_response([each.as_json() for each in reversed(newest)])

    async def counters(self, request: web.Request) -> web.Response:
        return web.json_response(self._provider.counters())

    async def reset(self, request: web.Request) -> web.Response:
        """Forget log and counts; `?faults=1` the rules and switches too."""
        self._provider.ledger.reset()
        if request.query.get("faults"):
            await self._provider.clear_faults()
        return web.json_response({})

    async def faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._provider.faults())

    async def set_faults(self, request: web.Request) -> web.Response:
        """Any of `rules`, `blackhole`, `reset` (lists) and `refuse` (true or false); what isn't named stays."""
        try:
            given = await request.json()
            if not isinstance(given, dict) or not set(given) <= {"rules", "blackhole", "reset", "refuse"}:
                raise SimError("expected an object with rules, blackhole, reset, refuse")
            await self._apply(given)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(self._provider.faults())

    async def _apply(self, given: dict[str, Any]) -> None:
        if "rules" in given:
            self._provider.ledger.set_rules(rules_from(given["rules"]))
        if "blackhole" in given:
            self._provider.blackhole(*given["blackhole"])
        if "reset" in given:
            self._provider.reset_sources(*given["reset"])
        if "refuse" in given:
            await self._provider.refuse(bool(given["refuse"]))


async def listen(provider: FakeProvider, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve the control plane; the runner to clean up, and the port.

    Raises:
        OSError: the port is taken.
    """
    application = web.Application()
    application.add_routes(Control(provider).routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, int(runner.addresses[0][1])
