"""One request in, its script out: orders, rules, counting, routing. Pure but for the ledger and the file store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netem.provider.files import FileStore
from netem.provider.ledger import Ledger, Record
from netem.provider.reply import Headers, Reply
from netem.provider.request import Request
from netem.provider.routes import ERRORS, Route, Routes, api_of
from netem.provider.script import Step, script
from netem.provider.sim import Sim, SimError, from_body, from_header

_MESSAGES = {
    401: "Incorrect API key provided.",
    429: "Rate limit reached for requests.",
    503: "The service is temporarily overloaded.",
    529: "Overloaded",
}


class App:
    """The provider behind all its servers. `headers` go out with every reply (`alt-svc`)."""

    def __init__(self, defaults: Sim, ledger: Ledger, headers: Headers = ()) -> None:
        self.defaults = defaults
        self.ledger = ledger
        self.headers = headers
        self.files = FileStore()
        self._routes = Routes(self.files)

    def early(self, fields: dict[str, str], source: str, path: str) -> str:
        """The fault that strikes before the body is in (`stall_upload`, `reset_upload`), or nothing."""
        text = fields.get("x-sim", "")
        rule = self.ledger.rule_for(source, path)
        if "_upload" not in (rule.sim if rule else text):
            return ""
        try:
            sim = from_header(text, self.defaults)
        except SimError:
            return ""
        fault = (self.ledger.ordered(source, path, sim) if rule else sim).fault
        return fault if fault.endswith("_upload") else ""

    def answer(self, request: Request, source: str, connection: int, now: float) -> tuple[Iterator[Step], Record]:
        """The steps that answer a request, and its record in the ledger."""
        record = self.ledger.receive(request, source, connection, now)
        route = self._routes.find(request)
        api = route.api if route else api_of(request)
        try:
            sim = from_body(request.document, from_header(request.fields.get("x-sim", ""), self.defaults))
            sim = self.ledger.ordered(source, request.path, sim)
        except SimError as error:
            sim = replace(self.defaults, think_ms=0.0, fault="")
            reply = _error(api, 400, str(error), sim)
        else:
            sim, reply = self._reply(route, request, sim, record, api)
        record.status, record.fault = reply.status, sim.fault
        record.tokens_planned = reply.worked if reply.stream is None else reply.stream.pieces * sim.burst
        return script(reply, sim, self.headers), record

    def _reply(self, route: Route | None, request: Request, sim: Sim, record: Record, api: str) -> tuple[Sim, Reply]:
        if route is None:
            return sim, _error(api, 404, f"Unknown request URL: {request.method} {request.path}", sim)
        record.operation = route.operation
        model = request.asked.get("model")
        record.model = model if isinstance(model, str) else None
        seen = self.ledger.executions(record.id)
        refused = sim.status >= 400 or sim.fault == "refuse"
        if refused and sim.times and sum(r.id == record.id for r in self.ledger.log) > sim.times:
            sim, refused = sim.without_fault(), False
        elif sim.times and not refused and seen >= sim.times:
            sim = sim.without_fault()
        if sim.status >= 400:
            return sim, _error(api, sim.status, _MESSAGES.get(sim.status, "The request failed as ordered."), sim)
        if not refused:
            self.ledger.execute(record)
        return sim, route.handler(request, sim)


def _error(api: str, status: int, message: str, sim: Sim) -> Reply:
    headers: Headers = ()
    if sim.retry_after >= 0:
        headers = (("retry-after", f"{sim.retry_after:g}"),)
    return Reply(status, headers, body=ERRORS[api](status, message))
