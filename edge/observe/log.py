"""Structured logs: one JSON object per line. Request lines are collected and written a few times a second."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from functools import lru_cache
from typing import Protocol as Interface
from typing import TextIO

import msgspec


class Summarized(Interface):
    """The record of something that is over."""

    def summary(self) -> dict[str, object]:
        """The log line's members."""


class RequestLog:
    """Writes one line per finished request, in batches: a write per request would cost more than routing it."""

    def __init__(self, out: TextIO, loop: asyncio.AbstractEventLoop, interval: float = 0.25) -> None:
        self._out = out
        self._loop = loop
        self._interval = interval
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, record: Summarized) -> None:
        line = {"at": _now_utc(), "log": "request", **record.summary()}
        self._lines.append(self._encoder.encode(line))
        if self._timer is None:
            self._timer = self._loop.call_later(self._interval, self.flush)

    def flush(self) -> None:
        """Writes what has been collected; also called once at the end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._out.write(b"\n".join(self._lines).decode() + "\n")
            self._out.flush()
            self._lines.clear()


class JsonFormatter(logging.Formatter):
    """Everything that isn't a request: starts, reloads, faults of ours. `extra={"members": …}` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": _now_utc(),
            "log": record.name,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line.update(getattr(record, "members", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(level: int = logging.INFO) -> None:
    """Sends the process's logs to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _now_utc() -> str:
    now = time.time()
    return f"{_second_utc(int(now))}.{int(now % 1 * 1000):03d}Z"


@lru_cache(2)
def _second_utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
