"""Sends messages through Apprise, which speaks webhook, WeCom, DingTalk, Feishu, e-mail, Slack and a hundred more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from edge.config.model import Secret
from health.alerts import Severity

log = logging.getLogger("farline.alerts")

SEND_SECONDS = 30.0  # a sink that takes longer has failed
TRIES = 3
PAUSE_SECONDS = 5.0  # before another try, doubled each time


class Sender:
    """The configured sinks; `load` has checked them. One that fails is tried again a few times and then logged; the
    others don't wait for it."""

    def __init__(self, sinks: Sequence[Secret]) -> None:
        self.sent = self.failed = 0
        self._sinks = [(secret.ref, _instance(secret.value)) for secret in sinks]

    async def send(self, title: str, body: str, severity: Severity) -> None:
        """To every sink. Never raises for a sink's fault."""
        await asyncio.gather(*(self._deliver(ref, sink, title, body, severity) for ref, sink in self._sinks))

    async def _deliver(self, ref: str, sink: Any, title: str, body: str, severity: Severity) -> None:
        pause = PAUSE_SECONDS
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(pause)
                pause *= 2.0
            if await self._try(sink, title, body, severity):
                self.sent += 1
                return
        self.failed += 1
        log.error("alert sink %s: not delivered in %d tries", ref, TRIES)

    async def _try(self, sink: Any, title: str, body: str, severity: Severity) -> bool:
        kind = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}[severity]
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return bool(await sink.async_notify(body=body, title=title, notify_type=kind))
        except (TimeoutError, OSError, TypeError, ValueError) as error:  # TypeError: Apprise's word for "not sent"
            log.warning("alert sink: %s", type(error).__name__)  # its text might repeat the URL
            return False


def problem_of(sink: Secret) -> str | None:
    """What is wrong with a sink's URL; None if nothing is. Never repeats it."""
    try:
        _instance(sink.value)
    except (ImportError, ValueError) as error:
        return str(error)
    return None


def _instance(url: str) -> Any:
    """Raises ImportError, ValueError: with a sentence for people."""
    try:
        import apprise  # an extra: nodes without sinks do without it, and start faster
    except ImportError:
        raise ImportError("needs farline[alerts] to be installed") from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would print URLs, which hold tokens
    sink = apprise.Apprise.instantiate(url)
    if sink is None:
        raise ValueError("names no notification service, or lacks a part of its URL")
    return sink
