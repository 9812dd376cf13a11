"""The composition root: builds one node process out of its parts, runs it, takes it down in order.

The only module that knows every concrete part. Reading order of `Node.run` is the order of dependence: observers,
pools, pipeline, ingress, admin, configuration watcher; they are closed in the opposite order.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path as FilePath
from time import monotonic
from typing import Any

from prometheus_client import generate_latest

from edge.alerts.aio.watch import AlertWatch
from edge.alerts.figures import Figures
from edge.alerts.node import NodeFigures
from edge.attempts.budget import RetryBudget
from edge.config.model import Snapshot
from edge.config.watch import ConfigWatcher
from edge.control.admin import Admin
from edge.control.figures import Load
from edge.control.inside import Inside
from edge.control.requests import recent_by_line
from edge.ingress.server import Ingress
from edge.observe.log import RequestLog
from edge.observe.metrics import Metrics
from edge.observe.observer import Observer
from edge.observe.recent import Recent
from edge.observe.record import RequestRecord
from edge.policy.permits import Permits
from edge.routing.ask import Ask
from edge.routing.chooser import Chooser
from edge.routing.controls import Controls
from edge.routing.explain import as_document
from edge.routing.foresight import scores, shares
from edge.serve.clock import LocalClock
from edge.serve.pipeline import Pipeline
from edge.serve.streaming import Sweep
from edge.serve.tables import Tables
from edge.version import version
from health.board import HealthBoard
from health.standing import Standing
from transport.aio.standard import make_pools
from transport.aio.tasks import TaskOwner

log = logging.getLogger("farline.node")


class Node:
    """One edge process. `worker` and `run_dir` are set when several share the listeners."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        worker: int | None = None,
        run_dir: FilePath | None = None,
        on_ready: Callable[[Node], None] = lambda node: None,
    ) -> None:
        self.snapshot = snapshot
        self.worker = worker
        self.is_draining = False
        self._run_dir = run_dir
        self._on_ready = on_ready
        self._stop = asyncio.Event()
        loop = self._loop = asyncio.get_running_loop()
        self.metrics = Metrics()
        self.board = HealthBoard()
        self.permits = Permits()
        self.recent = Recent()
        self.request_log = RequestLog(sys.stdout, loop)
        self.tasks = TaskOwner("node")
        observer = Observer(self.metrics, self.board, monotonic)
        tables = Tables.of(snapshot)
        self.pools = make_pools(
            snapshot.lines, tables.targets, observer=observer, connect_timeout=snapshot.timeouts.connect
        )
        routing = snapshot.routing
        self.pipeline = Pipeline(
            tables,
            self.pools,
            Chooser(),
            Controls(),
            LocalClock(snapshot.node.timezone).moment,
            random.random,
            self.board,
            self.permits,
            RetryBudget(routing.retry_budget_ratio, routing.retry_budget_floor, monotonic()),
            Sweep(loop),
            observer,
            self.metrics.token_gap_seconds,
            self.tasks,
            self._account,
            _request_ids(),
        )
        self.figures = NodeFigures(monotonic())
        self.alerts = AlertWatch(snapshot.node.name, snapshot.alert, self._all_figures, self.tasks)
        self.ingress = Ingress(snapshot.listen, snapshot.limits, self.pipeline.serve, reuse_port=worker is not None)
        self.admin = Admin(self._inside(), self._obey, version=version(), worker=worker, run_dir=run_dir)

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT (or `stop`), then drains: streams finish, up to `drain_seconds`.

        Raises:
            OSError: a listener can't be bound.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self.request_log.flush)
            stack.push_async_callback(self.pools.close, 1.0)
            stack.push_async_callback(self.tasks.close)
            self.pools.start()
            await self.ingress.start()
            stack.push_async_callback(self._drain)
            await self.admin.start()
            stack.push_async_callback(self.admin.close)
            if not self.worker:
                self.tasks.start(self.alerts.run())
            if self.snapshot.source is not None:
                watcher = ConfigWatcher(
                    self.snapshot.source, self.snapshot, self._reload, on_refused=self.admin.reload_refused
                )
                self.tasks.start(watcher.run())
            with _signals(self._loop, self.stop):
                self._on_ready(self)
                await self._stop.wait()

    def stop(self) -> None:
        """Begins the drain. A second call does nothing more."""
        self.is_draining = True
        self._stop.set()

    async def _drain(self) -> None:
        self.is_draining = True
        limit = self.snapshot.limits.drain_seconds
        log.info("draining: %d requests in flight, up to %g s", self.permits.in_flight, limit)
        await self.ingress.drain(limit)

    def _reload(self, new: Snapshot, old: Snapshot) -> None:
        """A new snapshot: a pointer swap. Requests under way keep the tables they began with."""
        tables = Tables.of(new)
        self.ingress.reload(new.limits)  # first: a bad certificate refuses the whole snapshot
        self.pools.update(new.lines, tables.targets)
        self.pipeline.budget.configure(new.routing.retry_budget_ratio, new.routing.retry_budget_floor)
        self.board.forget(keep=(line.id for line in new.lines))
        self.alerts.configure(new.alert)
        self.pipeline.tables = tables
        self.pipeline.moment = LocalClock(new.node.timezone).moment
        self.snapshot = new
        self.admin.reloaded(new, old)
        log.info("configuration generation %d is in use", new.generation)

    def _account(self, record: RequestRecord) -> None:
        self.metrics.count(record)
        self.figures.count(record, record.ended_at)
        self.request_log.write(record)
        self.recent.add(record)

    # --- what the control plane asks and says ---

    def _inside(self) -> Inside:
        return Inside(
            snapshot=lambda: self.snapshot,
            view=lambda: self.board.view(monotonic()),
            load=self._load,
            requests=lambda: self.recent.latest(sys.maxsize),
            request=self._request,
            shares=self._shares,
            pools=list,
            alerts=self.alerts.book.firing,
            alert_figures=self._figures,
            why_not_ready=self._why_not_ready,
            exposition=self._exposition,
        )

    def _load(self) -> Load:
        recent = recent_by_line(self.recent.latest(sys.maxsize), monotonic())
        return Load(self.permits.in_flight, self.ingress.counts.open, recent, self.pools.stats())

    def _request(self, id: str) -> tuple[RequestRecord, Mapping[str, Any] | None] | None:
        found = self.recent.find(id)
        if found is None:
            return None
        record, ranking = found
        return record, as_document(ranking) if ranking is not None else None

    def _shares(self, controls: Controls, provider: str, priority: str) -> Mapping[str, float]:
        ask = Ask(self.pipeline.tables.providers[provider], priority)
        return shares(ask, self.snapshot, self.board.view(monotonic()), controls, self.pipeline.moment())

    def _obey(self, controls: Controls) -> None:
        """Operators have spoken: a pointer swap, seen by the next request."""
        self.pipeline.controls = controls

    def _why_not_ready(self) -> str | None:
        return "draining" if self.is_draining else None

    def _figures(self) -> Figures:
        now = monotonic()
        return self.figures.at(now, self.snapshot.lines, self.board.view(now), self.permits.in_flight)

    async def _all_figures(self) -> list[Figures]:
        return [self._figures(), *await self.admin.figures_of_peers()]

    def _exposition(self) -> bytes:
        metrics = self.metrics
        metrics.in_flight.set(self.permits.in_flight)
        metrics.config_generation.set(self.snapshot.generation)
        metrics.client_connections.set(self.ingress.counts.open)
        view = self.board.view(monotonic())
        pipeline = self.pipeline
        for line_id, score in scores(self.snapshot, view, pipeline.controls, pipeline.moment()).items():
            metrics.line_score.labels(line_id).set(score)
        for line in self.snapshot.lines:
            for standing in Standing:
                metrics.line_standing.labels(line.id, standing.value).set(view.line(line.id).standing is standing)
        metrics.alerts.clear()
        for alert in self.alerts.book.firing():
            metrics.alerts.labels(alert.rule.id, alert.subject, alert.rule.severity.value).set(1)
        metrics.connections.clear()
        for stat in self.pools.stats():
            for state, number in (("idle", stat.idle), ("active", stat.active), ("dialing", stat.dialing)):
                metrics.connections.labels(stat.line, stat.endpoint, stat.protocol.value, state).set(number)
        return generate_latest(metrics.registry)


def _request_ids() -> Callable[[], str]:
    """Ids that don't repeat across nodes and restarts, at the price of a counter."""
    prefix, counter = secrets.token_hex(5), itertools.count(1)
    return lambda: f"{prefix}-{next(counter):x}"


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop` while the context lasts."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
