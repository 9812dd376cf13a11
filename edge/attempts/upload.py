"""The request body on its way up: kept for another attempt while it is short, streamed with back-pressure if not."""

from __future__ import annotations

from collections.abc import Callable

from edge.serve.client import ClientExchange
from transport.exchange import Exchange


class Upload:
    """A request body as a BodySink, feeding one exchange at a time.

    Up to `replay_bytes` of it are kept, so that a further attempt can start from the beginning. A longer body is
    let go as it is sent; `on_dropped` is called once when the first byte can't be sent again. While no exchange is
    attached the client is paused at the limit, so memory stays bounded whatever the body's length.
    """

    __slots__ = (
        "_chunks",
        "_client",
        "_exchange",
        "_is_stalled",
        "_limit",
        "_on_dropped",
        "_on_full",
        "_on_sent",
        "_on_stalled",
        "_paused",
        "_size",
        "complete",
        "dropped",
    )

    def __init__(self, client: ClientExchange, prefix: bytes, complete: bool) -> None:
        self._client = client
        self._chunks: list[bytes] = [prefix] if prefix else []
        self._size = len(prefix)
        self._limit = 0
        self._exchange: Exchange | None = None
        self._paused = False
        self._on_dropped: Callable[[], None] = _nothing
        self._on_full: Callable[[], None] = _nothing
        self._on_sent: Callable[[], None] = _nothing
        self._on_stalled: Callable[[bool], None] = _nothing
        self._is_stalled = False
        self.complete = complete
        self.dropped = False

    @property
    def size(self) -> int:
        """Body bytes received so far."""
        return self._size

    def extend(self, data: bytes, complete: bool) -> None:
        """More of the body was read before it began to flow."""
        if data:
            self._chunks.append(data)
            self._size += len(data)
        self.complete = complete

    def start(self, replay_bytes: int, on_dropped: Callable[[], None]) -> None:
        """The rest of the body flows from now on (nothing to do for one that is complete)."""
        self._limit = replay_bytes
        self._on_dropped = on_dropped
        if not self.complete:
            self._client.stream_body(self)

    def take(self) -> bytes | None:
        """What is held, as the first bytes for a new exchange."""
        if not self._chunks:
            return None
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]

    def attach(
        self, exchange: Exchange, on_sent: Callable[[], None], on_stalled: Callable[[bool], None] | None = None
    ) -> None:
        """What comes next goes to `exchange`, which already has what `take` returned. `on_sent`: all has gone;
        `on_stalled`: the exchange takes no more, or takes bytes again."""
        if self.complete:
            on_sent()
            return
        self._exchange = exchange
        self._on_sent = on_sent
        self._on_stalled = on_stalled or _nothing
        self._is_stalled = False
        self._drop_if_long()
        self.writable()

    def gather(self, replay_bytes: int, on_whole: Callable[[], None], on_full: Callable[[], None]) -> None:
        """Instead of sending it: keeps the rest of the body, whether it has begun to flow or not. `on_full` if it
        can't be kept; nothing more is dropped then, so that it can still be sent."""
        self._on_sent, self._on_full = on_whole, on_full
        self.start(replay_bytes, _nothing)
        if self.dropped or self._size > replay_bytes:
            on_full()
        elif self.complete:
            on_whole()
        else:
            self.writable()

    def replace(self, body: bytes) -> None:
        """A complete body in another form, for the path that is asked next."""
        self._chunks, self._size = [body], len(body)

    def detach(self, exchange: Exchange) -> None:
        """`exchange` is over; if it is the one that is fed, keep what comes for the next one."""
        if self._exchange is exchange:
            self._exchange = None
            self._on_sent = self._on_stalled = _nothing

    def tell_no_more(self) -> None:
        """The attempts are over (the body may still be flowing to the one that won)."""
        self._on_dropped = self._on_sent = self._on_full = _nothing
        self._on_stalled = _nothing

    def writable(self) -> None:
        """The exchange takes bytes again."""
        if self._is_stalled:
            self._is_stalled = False
            self._on_stalled(False)
        if self._paused:
            self._paused = False
            self._client.resume_body()

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        exchange = self._exchange
        if not self.dropped:
            self._chunks.append(data)
        if exchange is None:
            if self._size > self._limit:
                self._pause_if(True)
                self._on_full()
            return
        self._drop_if_long()
        if not exchange.send(data):
            self._pause_if(True)
            if not self._is_stalled:
                self._is_stalled = True
                self._on_stalled(True)

    def on_body_end(self) -> None:
        self.complete = True
        if self._exchange is not None:
            self._exchange.end()
        self._on_sent()

    def _drop_if_long(self) -> None:
        if self._size > self._limit and not self.dropped:
            self.dropped = True
            self._chunks.clear()
            self._on_dropped()

    def _pause_if(self, full: bool) -> None:
        if full and not self._paused:
            self._paused = True
            self._client.pause_body()


def _nothing(*_: object) -> None:
    """Nobody listens yet."""
