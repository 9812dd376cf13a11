"""The seam between the edge and every kind of connection: HTTP/1.1, HTTP/2, HTTP/3, later relay sessions.

It is callback-shaped on purpose: a chunk of a reply goes from the socket's `data_received` to the client's
`transport.write` in one call chain, with no task, future or queue in between.

    Connection.open(head, sink, ...) -> Exchange        request goes out
    sink.on_head -> sink.on_data* -> sink.on_end        reply comes in, or sink.on_failure at any point

Rules every implementation keeps (and tests/shell/exchange_contract.py checks):
- `on_head` at most once, before any `on_data`; then exactly one of `on_end`, `on_failure`. Nothing after `cancel()`.
- Callbacks run on the event loop, never inside `open()`.
- After a status 101 head the exchange is a tunnel: `on_data` and `send` carry raw bytes; `on_end` is the peer's EOF.
- `on_failure` before `on_head`: the verdict is SAFE only if the far end cannot have executed the request (not one
  byte of it left us, REFUSED_STREAM, GOAWAY below the stream id); else UNKNOWN. After `on_head`: UNSAFE.
- A reply cut short is always `on_failure`, never `on_end` (content-length short, chunked without its last chunk,
  stream reset, connection lost); a close-delimited HTTP/1.1 body ends with `on_end` only on a clean EOF.
"""

from __future__ import annotations

from typing import Protocol as Interface

from transport.failure import Failure
from transport.message import Headers, RequestHead, ResponseHead
from transport.path import Protocol
from transport.sample import TransportSample


class ResponseSink(Interface):
    """Receives one reply. All methods return at once."""

    def on_head(self, head: ResponseHead) -> None: ...

    def on_data(self, data: bytes) -> None: ...

    def on_end(self, trailers: Headers) -> None: ...

    def on_failure(self, failure: Failure) -> None: ...

    def on_writable(self) -> None:
        """The request body may flow again after `send` returned False."""


class Exchange(Interface):
    """One HTTP request and its reply on one connection."""

    def send(self, data: bytes) -> bool:
        """Sends request body bytes. False: wait for `on_writable` before sending more (the bytes were taken)."""

    def end(self) -> None:
        """The request body is complete (a tunnel: half-close)."""

    def pause(self) -> None:
        """Stop delivering reply bytes soon: closes the receive window (h2, h3) or stops reading (h1)."""

    def resume(self) -> None: ...

    def cancel(self) -> None:
        """Gives the exchange up: RST_STREAM/STOP_SENDING, or closes an h1 connection. Idempotent; silences the sink."""


class Connection(Interface):
    """A live connection to a target over a line. Owned by a pool."""

    @property
    def protocol(self) -> Protocol: ...

    @property
    def in_flight(self) -> int:
        """Exchanges open now, plus slots reserved and not yet opened."""

    def has_slot(self) -> bool:
        """May one more exchange start now (alive, not draining, below MAX_CONCURRENT_STREAMS)?"""

    def reserve(self) -> None:
        """Holds one slot; the next `open` uses it, or `release` gives it back."""

    def release(self) -> None: ...

    def open(self, head: RequestHead, sink: ResponseSink, body: bytes | None, *, end: bool) -> Exchange:
        """Starts an exchange in a reserved slot with the first body bytes; `end`: they are all there is.

        `head.headers` are end-to-end headers, without Host. A body whose length isn't in `content-length` is sent
        chunked on HTTP/1.1. Never raises for the far end's faults: those come through `sink.on_failure`.
        """

    def doubt(self) -> None:
        """Its line may be dead: no new exchanges until the peer has shown that it is alive. HTTP/1.1 can't ask: it
        closes if it is idle."""

    def sample(self, now: float) -> TransportSample | None:
        """The kernel's or QUIC's figures since the last sample (`now`: monotonic seconds); None once it is closed."""

    def close(self) -> None:
        """No new exchanges; closes once those open have ended (at once if idle)."""

    def abort(self) -> None:
        """Closes now; open exchanges fail."""
