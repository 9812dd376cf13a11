"""Passive observations, told once to each who needs them: the health board and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from edge.observe.metrics import Metrics
from edge.policy.ratelimit import retry_after
from health.board import HealthBoard
from transport.failure import Failure
from transport.message import Headers
from transport.path import Path, Protocol

REFUSALS = frozenset((429, 503, 529))
PENALTY = 1.0  # seconds that an endpoint steps back after a refusal that doesn't say for how long


class Observer:
    """The TransportObserver and AttemptObserver of the node.

    A line's record counts connections, not requests: when a connection with thirty streams breaks, that is one fault.
    """

    def __init__(self, metrics: Metrics, board: HealthBoard, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._board = board
        self._clock = clock

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None:
        self._metrics.on_dialed(path, protocol, seconds, resumed)
        self._board.succeeded(path, self._clock())

    def on_dial_failed(self, path: Path, failure: Failure) -> None:
        self._metrics.on_dial_failed(path, failure)
        self._board.failed(path, failure, self._clock())

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None:
        self._metrics.on_closed(path, protocol, failure)
        if failure is not None:
            self._board.failed(path, failure, self._clock())

    def on_round_trip(self, path: Path, seconds: float) -> None:
        self._metrics.on_round_trip(path, seconds)

    def on_reply(self, path: Path, status: int, headers: Headers) -> None:
        """A reply's head came: the line works; the endpoint may have asked for less traffic."""
        now = self._clock()
        self._board.succeeded(path, now)
        if status in REFUSALS:
            asked = retry_after(headers, time())
            self._board.penalise(path.endpoint, PENALTY if asked is None else asked, now)
