"""The loop of the alerts: measure, judge, send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic, time

from edge.alerts.aio.sender import Sender
from edge.alerts.figures import Figures, joined, samples
from edge.alerts.message import body, line, title
from edge.config.model import Alert
from edge.routing.controls import Silence
from health.alerts import AlertBook, Notice, Outbox, Severity, Told
from health.alerts import Silence as Hush
from transport.aio.tasks import TaskOwner

log = logging.getLogger("farline.alerts")


class AlertWatch:
    """Runs on one process of a node; `gather` asks all of them. Notices go to the log at once, to sinks in batches."""

    def __init__(
        self, node: str, settings: Alert, gather: Callable[[], Awaitable[Sequence[Figures]]], tasks: TaskOwner
    ) -> None:
        self._node = node
        self._gather = gather
        self._tasks = tasks
        self.book = AlertBook(settings.rules)
        self.configure(settings)

    def configure(self, settings: Alert) -> None:
        """New settings from now on."""
        self.sender = Sender(settings.sinks)
        self.settings = settings
        self.book.configure(settings.rules)
        self._outbox = Outbox(settings.wait_seconds, settings.interval_seconds)

    def silence(self, silences: Iterable[Silence]) -> None:
        """Operators' silences from now on, in place of all before; their ends are UTC seconds."""
        offset = time() - monotonic()
        self.book.silences = [Hush(each.rule, each.subject, each.ends - offset) for each in silences]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.settings.evaluate_seconds)
            await self.judge()

    async def judge(self) -> None:
        """One round."""
        figures = joined(await self._gather())
        now = monotonic()
        notices = self.book.judge(samples(figures, self.settings.least_requests), now)
        for notice in notices:
            _log(notice)
        self._outbox.add(notices, now)
        due = self._outbox.due(now)
        if due:
            self._tasks.start(self.sender.send(title(self._node, due), body(due), _worst(due)))


def _log(notice: Notice) -> None:
    level = logging.INFO if notice.told is Told.RESOLVED else logging.WARNING
    log.log(level, "%s", line(notice))


def _worst(notices: Sequence[Notice]) -> Severity:
    """RESOLVED notices are information, whatever the rule."""
    found = {notice.rule.severity for notice in notices if notice.told is not Told.RESOLVED}
    return next((each for each in (Severity.CRITICAL, Severity.WARNING) if each in found), Severity.INFO)
