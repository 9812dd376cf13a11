"""Performs one reply's script on one stream."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic_ns
from typing import Any, Protocol
from zlib import crc32

from netem.provider.aio.wheel import TICK, Wheel
from netem.provider.ledger import Ledger, Record
from netem.provider.reply import Headers, Piece
from netem.provider.script import HEAD_PARTS, Act, Step


class Sink(Protocol):
    """One stream's way out, whichever protocol. After `end` or a fault the player calls nothing more."""

    def is_blocked(self) -> bool:
        """So much is waiting for the peer that no more should be generated."""

    def head(self, status: int, headers: Headers, length: int | None) -> None: ...

    def head_part(self, status: int, headers: Headers, length: int | None, part: int) -> None: ...

    def data(self, data: bytes) -> None: ...

    def end(self) -> None: ...

    def goaway(self) -> None: ...

    def fault(self, act: Act) -> None:
        """RESET, RST_STREAM, REFUSE, CLOSE, HALF_CLOSE or GOAWAY_HARD, or the nearest that the protocol has."""


_SILENT = (Act.STALL, Act.HALF_CLOSE)  # the stream lives on, and only the peer can end it


class Player:
    """From the request's end to the reply's. `cancel` when the peer has gone or has reset the stream."""

    __slots__ = ("_act", "_argument", "_due", "_ledger", "_sink", "_steps", "_wheel", "live", "record", "stopped")

    def __init__(self, steps: Iterator[Step], record: Record, sink: Sink, wheel: Wheel, ledger: Ledger) -> None:
        self._steps = steps
        self._sink = sink
        self._wheel = wheel
        self._ledger = ledger
        self._due = 0.0
        self._act = Act.STALL
        self._argument: Any = None
        self.record = record
        self.live = True
        self.stopped = False  # silent for ever, but the peer can still cancel

    def start(self, now: float) -> None:
        self._due = now
        self._fetch()
        if self._due <= now:
            self._wheel.step(self, now)
        else:
            self._wheel.at(self._due, self)

    def step(self, now: float) -> None:
        """Do all that is due, then wait for the next."""
        while self.live and not self.stopped:
            if self._sink.is_blocked():
                self._due = now + TICK
            if self._due > now:
                self._wheel.at(self._due, self)
                return
            self._perform(now)

    def cancel(self, now: float) -> None:
        if self.live:
            self._finish("cancelled", now)

    def fail(self) -> None:
        if self.live:
            self._finish("failed", self._due)
            self._sink.fault(Act.RST_STREAM)

    def _fetch(self) -> None:
        wait, self._act, self._argument = next(self._steps)
        self._due += wait

    def _perform(self, now: float) -> None:
        act, record = self._act, self.record
        if act is Act.TOKEN or act is Act.DATA:
            data = self._argument
            if isinstance(data, Piece):
                data = b"%b%016d%b" % (data.before, monotonic_ns(), data.after)
            self._sink.data(data)
            record.bytes_written += len(data)
            record.crc_written = crc32(data, record.crc_written)
            record.tokens_written += act is Act.TOKEN
        elif act is Act.HEAD:
            record.head_at = now
            self._sink.head(*self._argument)
        elif act is Act.HEAD_PART:
            record.head_at = now if self._argument[3] == HEAD_PARTS - 1 else None
            self._sink.head_part(*self._argument)
        elif act is Act.GOAWAY:
            self._sink.goaway()
        else:
            self._last(act, now)
            return
        self._fetch()

    def _last(self, act: Act, now: float) -> None:
        if act in _SILENT:
            self.stopped = True
            if act is Act.HALF_CLOSE:
                self._sink.fault(act)
        elif act is Act.END:
            self._finish("truncate" if self.record.fault == "truncate" else "complete", now)
            self._sink.end()
        else:
            self._finish(self.record.fault, now)
            self._sink.fault(act)

    def _finish(self, outcome: str, now: float) -> None:
        self.live = False
        self._ledger.end(self.record, outcome, now)
