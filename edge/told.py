"""What a node tells its control plane: the admin API, `/metrics`, its cluster and its alerts. Each is asked anew."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from edge.alerts.figures import Figures
from edge.cluster.aio.membership import Here
from edge.control.cache import cache_document
from edge.control.credentials import credential_documents
from edge.control.figures import Load
from edge.control.inside import Inside
from edge.control.requests import recent_by_line
from edge.observe.exposition import exposed
from edge.observe.record import RequestRecord
from edge.routing.ask import Ask
from edge.routing.controls import Controls
from edge.routing.explain import as_document
from edge.routing.foresight import Shares, ranking, scores, shares
from edge.routing.replay import Past
from health.lag import MEMORY as LAG_MEMORY
from transport.path import LOCAL

if TYPE_CHECKING:
    from edge.app import Node


class Told:
    """Of one node, which need not be whole yet."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def inside(self) -> Inside:
        node = self._node
        return Inside(
            snapshot=lambda: node.snapshot,
            view=lambda: node.board.view(monotonic()),
            load=self._load,
            requests=lambda: node.recent.latest(sys.maxsize),
            request=self._request,
            shares=self._shares,
            pools=lambda: node.pool_board.documents(monotonic()),
            relays=node.links.documents,
            credentials=self._credentials,
            trace=node.links.trace,
            cache=self._cache,
            purge=node.stores.purge,
            wrong=node.stores.wrong,
            alerts=node.alerts.book.firing,
            alert_figures=self.figures,
            why_not_ready=self._why_not_ready,
            exposition=self.exposition,
            history=node.history,
            ranking=self._ranking,
            pasts=self._pasts,
            moment=lambda: node.pipeline.moment(),
        )

    def here(self) -> Here:
        node = self._node

        def good() -> tuple[int, int]:
            figures = self.figures()
            return figures.good_5min, figures.bad_5min

        return Here(
            snapshot=lambda: node.snapshot,
            view=lambda: node.board.view(monotonic()),
            controls=lambda: node.pipeline.controls,
            in_flight=lambda: node.permits.in_flight,
            good=good,
            is_draining=lambda: node.is_draining,
            penalise=lambda endpoint, seconds: node.board.penalise(endpoint, seconds, monotonic()),
            hear=node.admin.desk.hear,
            watcher=node.watcher,
            refused=node.admin.reload_refused,
        )

    def _credentials(self) -> list[dict[str, Any]]:
        node = self._node
        throttling = node.pipeline.throttling
        return credential_documents(node.snapshot, throttling.headrooms.all(), throttling.paused_for)

    def _load(self) -> Load:
        node = self._node
        recent = recent_by_line(node.recent.latest(sys.maxsize), monotonic())
        sessions = node.links.ledger.lines
        return Load(node.permits.in_flight, node.ingress.counts.open, recent, node.pools.stats(), sessions)

    def _request(self, id: str) -> tuple[RequestRecord, Mapping[str, Any] | None] | None:
        found = self._node.recent.find(id)
        if found is None:
            return None
        record, ranking = found
        return record, as_document(ranking) if ranking is not None else None

    def _shares(self, controls: Controls, provider: str, priority: str) -> Shares:
        node = self._node
        ask, view = Ask(node.pipeline.tables.providers[provider], priority), node.board.view(monotonic())
        moment = node.pipeline.moment()
        return shares(ask, node.snapshot, view, controls, moment, parts=node.links.parts)

    async def _cache(self) -> dict[str, Any]:
        node = self._node
        stores = node.stores
        place, seen = str(node.snapshot.cache.store), await stores.look()
        return cache_document(place, seen, stores.flights(), node.metrics, stores.similar())

    def _ranking(self, provider: str, priority: str) -> Mapping[str, Any]:
        node = self._node
        ask, view = Ask(node.pipeline.tables.providers[provider], priority), node.board.view(monotonic())
        snapshot, controls, moment = node.snapshot, node.pipeline.controls, node.pipeline.moment()
        return {
            "scores": scores(snapshot, view, controls, moment),
            "ranking": as_document(ranking(ask, snapshot, view, controls, moment)),
        }

    def _pasts(self) -> list[Past]:
        return [
            Past(
                record.choice,
                record.path,
                None if record.first_byte_at is None else record.first_byte_at - record.received_at,
                record.failure is not None or record.status >= 500,
                record.bytes_in + record.bytes_out,
            )
            for record in reversed(self._node.recent.latest(sys.maxsize))
            if record.choice is not None and (record.path is None or record.path.line != LOCAL)
        ]

    def _why_not_ready(self) -> str | None:
        node = self._node
        if node.is_draining:
            return "draining"
        published = node.snapshot.published
        if published is not None and not published.number:
            return f"nothing that was published on {published.channel} has been taken yet"
        return None

    def figures(self) -> Figures:
        node = self._node
        now = monotonic()
        return node.figures.at(now, node.snapshot.lines, node.board.view(now), node.permits.in_flight)

    async def all_figures(self) -> list[Figures]:
        return [self.figures(), *await self._node.admin.figures_of_peers()]

    def exposition(self, is_open: bool = False) -> bytes:
        node = self._node
        metrics = node.metrics
        metrics.in_flight.set(node.permits.in_flight)
        metrics.config_generation.set(node.snapshot.generation)
        metrics.config_version.set(node.snapshot.published.number if node.snapshot.published else 0)
        metrics.client_connections.set(node.ingress.counts.open)
        metrics.alerts.clear()
        for alert in node.alerts.book.firing():
            metrics.alerts.labels(alert.rule.id, alert.subject, alert.rule.severity.value).set(1)
        now, pipeline = monotonic(), node.pipeline
        metrics.loop_lag.set(node.lag.worst(now - LAG_MEMORY))
        for line, score in scores(node.snapshot, node.board.view(now), pipeline.controls, pipeline.moment()).items():
            metrics.line_score.labels(line).set(score)
        metrics.show_sessions(node.links.ledger.lines)
        metrics.queue_waiting.set(node.pipeline.throttling.room.queue.waiting)
        metrics.show_limits(self._credentials())
        metrics.show_pools(node.pool_board, node.local.admission.waiting, now)
        metrics.connections.clear()
        for stat in [*node.pools.stats(), *node.local_pools.stats()]:
            for state, number in (("idle", stat.idle), ("active", stat.active), ("dialing", stat.dialing)):
                metrics.connections.labels(stat.line, stat.endpoint, stat.protocol.value, state).set(number)
        return exposed(metrics.registry, is_open)
