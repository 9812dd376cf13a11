"""What HTTP/2 and HTTP/3 connections have in common: slots, draining, the keep-alive clock, and the end."""

from __future__ import annotations

import asyncio
from typing import Protocol as Interface

from transport.connector import ConnectionOwner
from transport.failure import Failure, Origin, Verdict
from transport.path import Path
from transport.reply import LOST, REFUSED, SILENT, Reply
from transport.sample import Tally

UPLOAD_HIGH = 256 * 1024  # bytes of one request body held back before `send` says False…
UPLOAD_LOW = 64 * 1024  # …and when `on_writable` is called again
SILENCE = 1.5  # seconds without a byte, while replies are awaited, after which a PING asks whether the line is alive
BEAT = 0.25  # seconds between two looks at the clock


class OpenExchange(Interface):
    """An exchange as the connection sees it."""

    @property
    def reply(self) -> Reply: ...

    def discard(self) -> None:
        """Drops what is buffered: the exchange is over."""


class Multiplexed:
    """Book-keeping of one connection. Subclasses move the bytes.

    `keepalive`: seconds between PINGs (while exchanges are open, SILENCE is enough for one); `ping_timeout`: seconds
    without a byte after a PING until it counts as lost.
    """

    def __init__(
        self, path: Path, owner: ConnectionOwner, max_streams: int, keepalive: float, ping_timeout: float
    ) -> None:
        self.path = path
        self._owner = owner
        self._max_streams = max_streams
        self._keepalive = keepalive
        self._ping_timeout = ping_timeout
        self._loop = asyncio.get_running_loop()
        self._exchanges: dict[int, OpenExchange] = {}
        self._reserved = 0
        self._is_draining = False
        self._is_lost = False
        self._keepalive_timer: asyncio.TimerHandle | None = None
        self._pinged_at = self._heard_at = self._loop.time()
        self._doubted_at: float | None = None
        self._tally = Tally(self._loop.time())

    # -- transport.exchange.Connection, the part that is the same everywhere

    @property
    def in_flight(self) -> int:
        return len(self._exchanges) + self._reserved

    def has_slot(self) -> bool:
        is_open = not self._is_lost and not self._is_draining and self._doubted_at is None
        return is_open and self.in_flight < self._max_streams and self._has_room()

    def reserve(self) -> None:
        self._reserved += 1

    def release(self) -> None:
        self._reserved -= 1
        self._exchange_ended()

    def close(self) -> None:
        if not self._is_lost:
            self._is_draining = True
            self._close_if_idle()

    def abort(self) -> None:
        if self._is_lost:
            self._shut(orderly=False)  # its farewell is still under way
        self._lose(LOST, "aborted", orderly=True, abrupt=True)

    def doubt(self) -> None:
        if self._doubted_at is None and not self._is_lost:
            self._doubted_at = self._loop.time()
            if not self._is_asking():
                self._ask()

    # -- what subclasses supply

    def _has_room(self) -> bool:
        """Does the peer allow one stream more than `in_flight`?"""
        raise NotImplementedError

    def _send_ping(self) -> None:
        raise NotImplementedError

    def _shut(self, orderly: bool) -> None:
        """Closes the transport; `orderly` lets what is buffered go out first."""
        raise NotImplementedError

    # -- what subclasses use

    def _admit(self, exchange: OpenExchange) -> bool:
        """Uses the reserved slot; False when the connection can't take the request any more: it fails soon, SAFE."""
        self._reserved -= 1
        if self._is_lost:
            self._refuse(exchange, LOST, "the connection is closed")
        elif self._is_draining:
            self._refuse(exchange, REFUSED, "the connection is draining")
        else:
            return True
        return False

    def _refuse(self, exchange: OpenExchange, blame: tuple[Origin, str], why: str) -> None:
        """Fails an exchange that never began, after `open` has returned."""
        self._loop.call_soon(self._tell_refused, exchange.reply, blame, why)

    def _tell_refused(self, reply: Reply, blame: tuple[Origin, str], why: str) -> None:
        reply.fail(*blame, why, executed=False)
        self._exchange_ended()

    def _exchange_ended(self) -> None:
        if self._is_lost:
            return
        if self._is_draining:
            self._close_if_idle()
        else:
            self._owner.on_slot_free(self)  # type: ignore[arg-type]  # subclasses complete the Connection

    def _stop_admitting(self) -> bool:
        """The peer wants no more requests. True if that is news; then finish with `_drain`."""
        is_news = not self._is_draining
        self._is_draining = True
        return is_news

    def _drain(self, is_news: bool) -> None:
        """The requests that the peer excluded have been told; those it spares go on."""
        if is_news and not self._is_lost:
            self._owner.on_draining(self)  # type: ignore[arg-type]  # subclasses complete the Connection
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self.in_flight == 0 and not self._is_lost:
            self._lose(LOST, "", orderly=True)

    def _lose(self, blame: tuple[Origin, str], detail: str, *, orderly: bool = False, abrupt: bool = False) -> None:
        """The end, once: exchanges first, then the owner. `orderly`: no failure of the line or the far end."""
        if self._is_lost:
            return
        self._is_lost = True
        if self._keepalive_timer is not None:
            self._keepalive_timer.cancel()
        exchanges, self._exchanges = self._exchanges, {}
        self._shut(orderly and not abrupt)
        for exchange in exchanges.values():
            exchange.discard()
            exchange.reply.fail(*blame, detail)
        self._tell_lost(None if orderly else Failure(blame[0], Verdict.UNKNOWN, blame[1], detail))

    def _tell_lost(self, failure: Failure | None) -> None:
        self._owner.on_lost(self, failure)  # type: ignore[arg-type]  # subclasses complete the Connection

    # -- keep-alive

    def _start_keepalive(self) -> None:
        self._pinged_at = self._heard_at = self._loop.time()
        self._beat = min(self._keepalive, self._ping_timeout, BEAT)
        self._keepalive_timer = self._loop.call_later(self._beat, self._tick)

    def _tick(self) -> None:
        """One timer per connection: is a PING due, or one overdue?"""
        now = self._loop.time()
        if self._is_asking():
            if now - self._pinged_at >= self._ping_timeout:
                self._lose(SILENT, f"nothing heard for {self._ping_timeout:g} s after a PING")
                return
        elif self._is_ping_due(now):
            self._ask()
        self._keepalive_timer = self._loop.call_later(self._beat, self._tick)

    def _is_asking(self) -> bool:
        """Has nothing been heard since the last PING?"""
        return self._heard_at < self._pinged_at

    def _is_ping_due(self, now: float) -> bool:
        if self._exchanges and now - self._heard_at >= SILENCE:
            return True
        return now - self._pinged_at >= self._keepalive

    def _ask(self) -> None:
        self._pinged_at = self._loop.time()
        self._send_ping()

    def _ping_answered(self, seconds: float) -> None:
        self._owner.on_round_trip(self, seconds)  # type: ignore[arg-type]  # subclasses complete the Connection
        if self._doubted_at is not None and not self._is_draining:
            self._doubted_at = None
            self._owner.on_slot_free(self)  # type: ignore[arg-type]  # subclasses complete the Connection
