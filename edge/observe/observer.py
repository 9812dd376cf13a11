"""Passive observations, told once to each who needs them: the health board and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from edge.observe.metrics import Metrics
from edge.observe.record import RequestRecord
from edge.policy.ratelimit import retry_after
from health.board import HealthBoard
from health.probe import ProbeKind, ProbeResult
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers
from transport.path import Path, Protocol
from transport.sample import TransportSample

REFUSALS = frozenset((429, 503, 529))
SESSIONS_OWN = frozenset((Code.CONNECTION_TERMINATED, Code.CONNECTION_TIMEOUT, Code.STREAM_REFUSED, Code.CLIENT_GONE))
"""A session that breaks with a hundred streams is one fault, which is told once; a relay that drains is none."""
PENALTY = 1.0  # seconds that an endpoint steps back after a refusal that doesn't say for how long
SHORT_BYTES = 65_536  # of a request: it leaves at once, so the time to its reply's first byte isn't that of an upload


def is_told_by_relay(failure: Failure) -> bool:
    """Does it say something about a relay, or about an endpoint behind it that nothing else here talks to?"""
    return failure.code not in SESSIONS_OWN and (
        failure.origin is Origin.RELAY or (failure.origin is Origin.ENDPOINT and failure.verdict is not Verdict.UNSAFE)
    )


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
        self._board.round_trip(path, seconds, self._clock())

    def on_sample(self, path: Path, sample: TransportSample) -> None:
        self._board.kernel(path, sample, self._clock())

    def on_asked(self, path: Path, kind: ProbeKind, at: float) -> None:
        """A probe is being sent."""
        self._board.asked(path, kind, at)

    def on_probe_result(self, result: ProbeResult) -> None:
        """A probe that says something about its line or far end."""
        self._board.probed(result, self._clock())

    def on_reply(self, path: Path, status: int, headers: Headers) -> None:
        """A reply's head came: the line works; the endpoint may have asked for less traffic."""
        now = self._clock()
        self._board.replied(path, status, now)
        if status in REFUSALS:
            asked = retry_after(headers, time())
            self._board.penalise(path.endpoint, PENALTY if asked is None else asked, now)

    def on_sent(self, path: Path) -> None:
        """A request went out; `on_done` follows."""
        self._board.began(path)

    def on_done(self, path: Path, failure: Failure | None) -> None:
        """Its attempt is over. What the line did to it before its reply began was told by the connection; what went
        wrong at or behind a relay, nobody else tells."""
        ok = failure is None or failure.origin is not Origin.LINE or failure.verdict is not Verdict.UNSAFE
        now = self._clock()
        if path.relay is not None and failure is not None and is_told_by_relay(failure):
            self._board.failed(path, failure, now)
        self._board.ended(path, ok, now)

    def on_finished(self, record: RequestRecord) -> None:
        """A client's request is over: bytes, and how long the reply's first one took."""
        path = record.path
        if path is None:
            return
        self._board.carried(path, record.bytes_in, record.bytes_out, record.ended_at)
        facts, sent_at, first_at = record.facts, record.sent_at, record.first_byte_at
        if facts is None or not facts.streaming or sent_at is None or first_at is None:
            return
        if record.status < 400 and record.bytes_in <= SHORT_BYTES:
            self._board.first_byte(path, facts.model or "", first_at - sent_at, record.ended_at)
