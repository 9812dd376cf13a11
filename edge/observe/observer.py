"""Passive observations, told once to each who needs them: the health board and the metrics."""

from __future__ import annotations

from collections.abc import Callable

from edge.observe.metrics import Metrics
from health.board import HealthBoard
from health.probe import ProbeResult
from transport.failure import Failure
from transport.message import Headers, header
from transport.path import Path, Protocol
from transport.sample import TransportSample

REFUSALS = frozenset((429, 503, 529))
PENALTY = 1.0  # seconds that an endpoint steps back after a refusal that doesn't say for how long
LONGEST_PENALTY = 300.0
FRESH = 1.0  # seconds that the kernel's round trip is news


class Observer:
    """The TransportObserver and AttemptObserver of the node.

    A line's record counts connections, not requests: when a connection with thirty streams breaks, that is one fault.
    """

    def __init__(self, metrics: Metrics, board: HealthBoard, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._board = board
        self._clock = clock
        self._kernel: Callable[[Path, TransportSample, float], None] = getattr(board, "kernel", _unheard)
        self._probed: Callable[[ProbeResult, float], None] = getattr(board, "probed", _unheard)

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

    def on_sample(self, path: Path, sample: TransportSample) -> None:
        if sample.srtt and sample.heard_ago <= FRESH:
            self._metrics.on_round_trip(path, sample.srtt)
        self._kernel(path, sample, self._clock())

    def on_probe_result(self, result: ProbeResult) -> None:
        """A probe that says something about its line or far end."""
        self._probed(result, self._clock())

    def on_reply(self, path: Path, status: int, headers: Headers) -> None:
        """A reply's head came: the line works; the endpoint may have asked for less traffic."""
        now = self._clock()
        self._board.succeeded(path, now)
        if status in REFUSALS:
            self._board.penalise(path.endpoint, retry_after(headers), now)


def _unheard(*told: object) -> None:
    """For a board that has no use for it."""


def retry_after(headers: Headers) -> float:
    """Seconds of Retry-After (RFC 9110 §10.2.3) within reason. A date, or nothing: the default penalty."""
    value = header(headers, b"retry-after")
    if value is None or not value.strip().isdigit():
        return PENALTY
    return min(float(value), LONGEST_PENALTY)
