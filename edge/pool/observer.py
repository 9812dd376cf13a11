"""What real traffic teaches the pool's board: the TransportObserver and AttemptObserver of local paths.

The lines' board hears nothing of them: a dead server of ours says nothing about a line.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.pool.board import PoolBoard
from transport.failure import Failure
from transport.message import Headers
from transport.path import Path, Protocol
from transport.sample import TransportSample


class PoolObserver:
    """`clock` gives monotonic seconds."""

    def __init__(self, board: PoolBoard, clock: Callable[[], float]) -> None:
        self._board = board
        self._clock = clock

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None:
        """That it takes connections says little: a server that hangs does too."""

    def on_dial_failed(self, path: Path, failure: Failure) -> None:
        self._board.failed(path.endpoint, _reason(failure), self._clock())

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None:
        if failure is not None:
            self._board.failed(path.endpoint, _reason(failure), self._clock())

    def on_round_trip(self, path: Path, seconds: float) -> None:
        """It is next door."""

    def on_sample(self, path: Path, sample: TransportSample) -> None:
        """The same."""

    def on_sent(self, path: Path) -> None:
        """Admission counts what is in flight."""

    def on_done(self, path: Path, failure: Failure | None) -> None:
        """The same."""

    def on_reply(self, path: Path, status: int, headers: Headers) -> None:
        """A 5xx is left to the poller: it may speak of this request only, or of a model that is loading."""
        if status < 500:
            self._board.succeeded(path.endpoint, self._clock())


def _reason(failure: Failure) -> str:
    return f"{failure.code}: {failure.detail}" if failure.detail else failure.code
