"""The composition root: builds one node process out of its parts, runs it, takes it down in order.

The only module that knows every concrete part. Reading order of `Node.run` is the order of dependence: observers,
pools, pipeline, ingress, admin, configuration watcher; they are closed in the opposite order.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import secrets
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path as FilePath
from time import monotonic, time

from edge.alerts.aio.watch import AlertWatch
from edge.alerts.node import NodeFigures
from edge.attempts.budget import RetryBudget
from edge.attempts.lines import LineWatch
from edge.cluster.aio.membership import Membership
from edge.config.model import Relay, Snapshot
from edge.config.schedule import zone
from edge.config.watch import ConfigWatcher
from edge.control.admin import Admin
from edge.control.nodes import Nodes
from edge.history.aio.history import History, Sources
from edge.history.recorder import Recorder
from edge.ingress.handover import Predecessor, Successor, command, notify
from edge.ingress.server import Ingress
from edge.links.aio.links import Links
from edge.links.aio.ways import Ways
from edge.links.facts import rates
from edge.links.look import RelayLook
from edge.links.seam import Link
from edge.observe.dns import DnsMetrics
from edge.observe.health import HealthMetrics, log_change
from edge.observe.log import RequestLog
from edge.observe.metrics import Metrics
from edge.observe.observer import Observer
from edge.observe.prices import Prices
from edge.observe.pulse import Pulse
from edge.observe.recent import Recent
from edge.observe.record import RequestRecord
from edge.observe.relays import RelayMetrics
from edge.observe.stores import StoreMetrics
from edge.observe.traces import Traces
from edge.policy.permits import Permits
from edge.pool.aio.poller import Poller
from edge.pool.board import PoolBoard
from edge.pool.observer import PoolObserver
from edge.pool.prepare import target_of
from edge.routing.ask import Moment
from edge.routing.chooser import Chooser
from edge.routing.controls import Controls, Switch
from edge.routing.foresight import scores
from edge.routing.redundancy import named
from edge.serve.cached import Caching
from edge.serve.clock import LocalClock
from edge.serve.local import LocalPool
from edge.serve.pipeline import Pipeline
from edge.serve.stores import Stores
from edge.serve.streaming import Sweep
from edge.serve.tables import Tables
from edge.serve.throttling import Throttling
from edge.serve.waiting import WaitingRoom
from edge.told import Told
from edge.version import version
from health.aio.prober import Listeners, Prober
from health.board import HealthBoard
from health.change import Change
from health.lag import LoopLag
from health.probe import ProbeResult
from transport.aio.standard import make_pools
from transport.aio.tasks import TaskOwner
from transport.path import LOCAL, Line
from transport.session.aio.identity import NodeKey
from transport.session.aio.link import RelayLink, RelayTarget
from transport.session.live import SessionListener

log = logging.getLogger("farline.node")

WATCH = 0.5
"""Seconds between two looks at the configuration's files: how workers learn what the first one took."""


class Node:
    """One edge process. `worker` and `run_dir` are set when several share the listeners; `successor`: it takes the
    place of another, or its parent has opened its sockets."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        worker: int | None = None,
        run_dir: FilePath | None = None,
        successor: Successor | None = None,
        on_ready: Callable[[Node], None] = lambda node: None,
    ) -> None:
        self.snapshot = snapshot
        self.worker = worker
        self.is_draining = False
        self._run_dir = run_dir
        self._on_ready = on_ready
        self._successor = successor or Successor({})
        self._predecessor: Predecessor | None = None  # set while another process takes the place of this one
        self._stop = asyncio.Event()
        loop = self._loop = asyncio.get_running_loop()
        self.metrics = Metrics()
        self.board = HealthBoard()
        self._configure_board(snapshot, None)
        self.metrics.registry.register(HealthMetrics(lambda: self.board.view(monotonic()), lambda: self.snapshot.lines))
        self.permits = Permits()
        self.recent = Recent()
        self.request_log = RequestLog(sys.stdout, loop)
        trace = snapshot.trace
        self.traces = Traces(trace, snapshot.node, version(), random.random) if trace.otlp is not None else None
        self.tasks = TaskOwner("node")
        self.lag = LoopLag()
        self.pulse = Pulse(loop, self.lag, self.board.tick)
        observer = self.observer = Observer(self.metrics, self.board, monotonic)
        tables = Tables.of(snapshot)
        self.pools = make_pools(
            snapshot.lines, tables.targets, observer=observer, connect_timeout=snapshot.timeouts.connect
        )
        self.prober = Prober(
            self.pools.dialer,
            self.pools,
            Listeners(
                observer.on_probe_result,
                self._on_probe,
                self._doubted,
                on_asked=observer.on_asked,
                is_off=self._is_off,
                on_suspected=self.pools.ask,
            ),
            self.lag,
            workers=snapshot.listen.workers,
        )
        self.links = Links(
            self.board, self._make_link, lambda: self.pipeline.controls, self._moment, self.tasks, self._on_relay
        )
        self.metrics.registry.register(RelayMetrics(lambda: self.board.view(monotonic()), self.links))
        self.pool_board = PoolBoard(snapshot.pools)
        pool_observer = PoolObserver(self.pool_board, monotonic)
        self.local_pools = make_pools((Line(LOCAL),), map(target_of, snapshot.pools), observer=pool_observer)
        self.poller = Poller(self.pool_board, monotonic)
        routing, sweep = snapshot.routing, Sweep(loop)
        self.local = LocalPool(
            self.pool_board,
            self.local_pools,
            pool_observer,
            RetryBudget(1.0, 10.0, monotonic()),
            sweep,
            self.metrics.token_gap_seconds,
            self.tasks,
            random.random,
        )
        self.stores = Stores(snapshot, worker, self.tasks)
        self.metrics.registry.register(StoreMetrics(lambda: self.stores.seen, self.stores.flights, self.stores.similar))
        self.caching = Caching(self.stores.open, sweep, self.metrics.token_gap_seconds)
        self.caching.configure(snapshot.cache)
        self.pipeline = Pipeline(
            tables,
            Ways(self.pools, self.links),
            Chooser(),
            Controls(),
            LocalClock(snapshot.node.timezone).moment,
            random.random,
            self.board,
            self.permits,
            RetryBudget(routing.retry_budget_ratio, routing.retry_budget_floor, monotonic()),
            sweep,
            observer,
            self.metrics.token_gap_seconds,
            self.tasks,
            self.local,
            self._account,
            _request_ids(),
            Throttling(WaitingRoom(self.metrics)),
            self.caching,
            LineWatch(on_down=self.pools.doubt, on_light=self.pools.warm),
            RetryBudget(routing.hedge_budget_ratio, 0.0, monotonic()),
        )
        self.pipeline.resuming.configure(snapshot.limits)
        self.board.on_change = self._on_change
        self.figures = NodeFigures(monotonic())
        self.history = History(
            snapshot.history,
            snapshot.node.state_dir,
            Sources(
                self._look_for_history,
                lambda since: self.admin.events.since(since),
                (lambda since: self.admin.cells_of_peers(since)) if run_dir is not None else None,
            ),
            keeps=not worker,
        )
        self.history.recorder.configure(snapshot.lines)
        self.prices = Prices(snapshot.prices, zone(snapshot.node.timezone))
        self._looks = 0
        self.told = Told(self)
        self.alerts = AlertWatch(snapshot.node.name, snapshot.alert, self.told.all_figures, self.tasks)
        self.ingress = Ingress(
            snapshot.listen,
            snapshot.limits,
            self.pipeline.serve,
            reuse_port=worker is not None,
            given=self._successor.listening,
        )
        self.admin = Admin(self.told.inside(), self._obey, version=version(), worker=worker, run_dir=run_dir)
        self.watcher: ConfigWatcher | None = None
        if snapshot.source is not None:
            self.watcher = ConfigWatcher(
                snapshot.source, snapshot, self._reload, on_refused=self.admin.reload_refused, interval=WATCH
            )
        self.membership = Membership(self.told.here(), version(), is_first=not worker)
        self.admin.desk.on_change = self.membership.changed
        self.admin.join(Nodes(snapshot.cluster.id, self.membership))

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT (or `stop`), or until a successor has taken over (SIGUSR2); then drains:
        streams finish, up to `drain_seconds`.

        Raises:
            OSError: a listener can't be bound.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self.request_log.flush)
            if self.traces is not None:
                stack.push_async_callback(asyncio.to_thread, self.traces.close)
            stack.push_async_callback(self.pools.close, 1.0)
            stack.push_async_callback(self.local_pools.close, 1.0)
            stack.push_async_callback(self.stores.close)
            stack.push_async_callback(self.tasks.close)
            stack.callback(self.pipeline.throttling.room.close)
            self.tasks.start(self.stores.watch())
            self.pulse.start()
            stack.callback(self.pulse.stop)
            stack.push_async_callback(self.poller.close)
            stack.push_async_callback(self.links.close)
            self.pools.start()
            self.local_pools.start()
            self.poller.start(self.snapshot.pools)
            self.links.start(_reachable(self.snapshot))
            await self._successor.take_over()
            await self.ingress.start()
            stack.push_async_callback(self._drain)
            await self.admin.start()
            stack.push_async_callback(self.admin.close)
            self.membership.start()
            stack.push_async_callback(self.membership.close)
            if self.snapshot.dns.zone is not None and not self.worker:
                await self._answer_names(stack)
            if not self.worker:
                stack.push_async_callback(self._left_to_another, self.tasks.start(self.alerts.run()))
            stack.push_async_callback(self._left_to_another, self.tasks.start(self.history.run()))
            self.prober.start(self.snapshot.lines, self.pipeline.tables.far_ends, self.snapshot.probe)
            stack.push_async_callback(self.prober.close)
            if self.watcher is not None:
                self.tasks.start(self.watcher.run())
            handlers = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop}
            if self.worker is None:
                handlers[signal.SIGUSR2] = self.hand
                notify("READY=1", f"MAINPID={os.getpid()}")
            with _signals(self._loop, handlers):
                self._on_ready(self)
                await self._stop.wait()

    async def _answer_names(self, stack: AsyncExitStack) -> None:
        from edge.dns.aio.names import responder  # so that other nodes needn't wait for a DNS library

        found = responder(self.snapshot, self.membership.notes, DnsMetrics(self.metrics.registry).count)
        await found.start()
        stack.push_async_callback(found.close)

    def stop(self) -> None:
        """Begins the drain. A second call does nothing more."""
        self.is_draining = True
        self._stop.set()

    def hand(self) -> None:
        """Starts another process like this one; when it is ready, this one drains."""
        if self.snapshot.source is not None and not self.is_draining and self._predecessor is None:
            self._predecessor = Predecessor(command("edge", self.snapshot.source))
            self.tasks.start(self._hand_over(self._predecessor))

    async def _hand_over(self, predecessor: Predecessor) -> None:
        pid = await predecessor.start(self.ingress.listening)
        if pid is None:
            self._predecessor = None
            return
        log.info("process %d takes over", pid)
        self.stop()

    async def _left_to_another(self, task: asyncio.Task[None]) -> None:
        """The file of the history, and alerts, are one process's business: a new one begins with them now."""
        if self._predecessor is not None or self.worker is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _drain(self) -> None:
        self.is_draining = True
        if self._predecessor is not None or self.worker is not None:
            self.ingress.hand_over()
        if self._predecessor is not None:
            self._predecessor.go()
        self._successor.released()
        limit = self.snapshot.limits.drain_seconds
        log.info("draining: %d requests in flight, up to %g s", self.permits.in_flight, limit)
        await self.ingress.drain(limit)

    def _reload(self, new: Snapshot, old: Snapshot) -> None:
        """A new snapshot: a pointer swap. Requests under way keep the tables they began with."""
        tables = Tables.of(new)
        self.ingress.reload(new.limits)  # first: a bad certificate refuses the whole snapshot
        self.caching.open = self.stores.reload(new)  # or its directory can't be made
        self.caching.configure(new.cache)
        self.pools.update(new.lines, tables.targets)
        self.prober.update(new.lines, tables.far_ends, new.probe)
        self.pool_board.update(new.pools)
        self.local_pools.update((Line(LOCAL),), map(target_of, new.pools))
        self.poller.start(new.pools)
        self.pipeline.budget.configure(new.routing.retry_budget_ratio, new.routing.retry_budget_floor)
        self.pipeline.hedges.configure(new.routing.hedge_budget_ratio, 0.0)
        self._configure_board(new, tables.upstreams)
        self.alerts.configure(new.alert)
        self.history.recorder.configure(new.lines)
        self.prices = Prices(new.prices, zone(new.node.timezone))
        self.pipeline.resuming.configure(new.limits)
        self.pipeline.tables = tables
        self.pipeline.moment = LocalClock(new.node.timezone).moment
        self.links.update(_reachable(new))
        self.snapshot = new
        self.admin.reloaded(new, old)
        self.membership.reloaded(new, old)
        log.info("configuration generation %d is in use", new.generation)

    def _configure_board(self, snapshot: Snapshot, endpoints: Iterable[str] | None) -> None:
        lines, relays = [line.id for line in snapshot.lines], [relay.id for relay in snapshot.relays]
        self.board.configure(snapshot.health, lines, monotonic(), endpoints, relays)

    def _make_link(self, relay: Relay, lines: tuple[Line, ...], listener: SessionListener) -> Link:
        """Each worker has sessions of its own, by names of its own."""
        node = self.snapshot.node
        assert node.key is not None, "the configuration's check sees to it"
        address, name = relay.address, node.name if self.worker is None else f"{node.name}/{self.worker}"
        target = RelayTarget(
            relay.id,
            address.host,
            address.port,
            relay.fingerprint,
            lines,
            named(relay.redundancy),
            rates(lines),
            relay.carrier,
        )
        return RelayLink(target, NodeKey.load(node.key.value.encode()), name, listener)

    def _moment(self) -> Moment:
        return self.pipeline.moment()

    def _on_change(self, change: Change) -> None:
        """A standing or a suspicion changed. Not inside the callback that brought it: requests act on it at once."""
        log_change(change)
        self.admin.events.health(change)
        if change.kind in ("line", "relay"):
            self._loop.call_soon(self._look_at_lines)

    def _look_at_lines(self) -> None:
        self.pipeline.lines.update(self.board.view(monotonic()))
        self.links.choose_lines()

    def _on_probe(self, result: ProbeResult) -> None:
        self.metrics.on_probe(result)
        self.history.recorder.probe(result)

    def _on_relay(self, relay: str, look: RelayLook) -> None:
        self.history.recorder.relay(relay, look)

    def _look_for_history(self, recorder: Recorder) -> None:
        """Once a second; scores cost more and are looked at every ten."""
        view, controls, moment = self.board.view(monotonic()), self.pipeline.controls, self.pipeline.moment()
        self._looks += 1
        found = scores(self.snapshot, view, controls, moment) if self._looks % 10 == 1 else None
        recorder.look(view, {line.id: controls.switch(line.id, moment.utc) for line in self.snapshot.lines}, found)

    def _doubted(self) -> set[str]:
        """Lines to probe fast."""
        now = monotonic()
        return {line.id for line in self.snapshot.lines if self.board.wants_fast_probes(line.id, now)}

    def _is_off(self, line: str) -> bool:
        """Operators don't want it used, nor probed."""
        return self.pipeline.controls.line(line).switch is Switch.OFF

    def _account(self, record: RequestRecord) -> None:
        if record.path is not None:
            record.line = record.path.line if record.path.relay is None else self.links.line_of(record.path)
        self.metrics.count(record)
        self.figures.count(record, record.ended_at)
        self.history.recorder.request(record, self.prices.of(record, time()))
        self.observer.on_finished(record)
        self.request_log.write(record)
        self.recent.add(record)
        if self.traces is not None:
            trace_id = self.traces.record(record)
            if trace_id is not None:
                self.metrics.exemplify(record, trace_id, time())

    def _obey(self, controls: Controls) -> None:
        """Operators have spoken: a pointer swap, seen by the next request."""
        self.pipeline.controls = controls
        self.alerts.silence(controls.silences)
        self.links.choose_lines()


def _reachable(snapshot: Snapshot) -> Snapshot:
    """Without relays, if this node has no key to show them: one that a reload brings counts from the next start on."""
    if snapshot.relays and snapshot.node.key is None:
        log.warning("relays are left alone: [node] key counts from the next start on")
        return replace(snapshot, relays=())
    return snapshot


def _request_ids() -> Callable[[], str]:
    """Ids that don't repeat across nodes and restarts, at the price of a counter."""
    prefix, counter = secrets.token_hex(5), itertools.count(1)
    return lambda: f"{prefix}-{next(counter):x}"


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Signals call their handlers while the context lasts."""
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
