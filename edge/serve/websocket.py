"""Bridges a client's WebSocket to an upstream's over two exchanges.

    offer = UpstreamOffer(client.method, client.headers)         refused here: answer with its status
    … the attempts send offer.headers; one of them gets a 101 head …
    bridge = WebSocketBridge(client, exchange, offer, head)      completes the client's handshake
    summary = await bridge.wait()

The owner of the exchange's sink passes on_data, on_end, on_failure and on_writable to the bridge from the head on.
No task and no queue per message: bytes that arrive on one side are written to the other in the same call.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from edge.serve.client import ClientExchange
from edge.serve.ws_handshake import UpstreamOffer
from edge.serve.ws_link import LegState, LinkSummary, WebSocketLink
from transport.exchange import Exchange
from transport.failure import Failure
from transport.message import Headers, ResponseHead

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class BridgeSummary:
    """How it went; `failure` is the upstream's, if it failed."""

    link: LinkSummary
    seconds: float
    failure: Failure | None


class WebSocketBridge:
    """A ResponseSink (of the upstream), BodySink and ClientWatcher (of the client) in one.

    Raises:
        TransportError: `head` doesn't complete the offer; nothing has been sent to the client, and the exchange is
            still the caller's to cancel.
    """

    def __init__(
        self,
        client: ClientExchange,
        exchange: Exchange,
        offer: UpstreamOffer,
        head: ResponseHead,
        *,
        reply_headers: Headers | None = None,
        ping_seconds: float = 20.0,
    ) -> None:
        upstream = offer.accept(head)
        server, headers = offer.answer_client(upstream, head)
        self._client = client
        self._exchange = exchange
        self._link = WebSocketLink(server, upstream, time.monotonic(), ping_seconds)
        self._began = time.monotonic()
        self._failure: Failure | None = None
        self._over = asyncio.get_running_loop().create_future()
        self._client_paused = False
        self._upstream_paused = False
        self._client_closed = False
        self._upstream_closed = False
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        client.tunnel(headers + (reply_headers or []))
        client.watch(self)
        client.stream_body(self)

    async def wait(self) -> BridgeSummary:
        """Until both sides are closed. Cancelling it drops both."""
        try:
            await asyncio.shield(self._over)
        finally:
            self._drop()
        return BridgeSummary(self._link.summary(), time.monotonic() - self._began, self._failure)

    def close(self, code: int, reason: str) -> None:
        """The edge ends the conversation; `wait` returns when both sides have answered, or after some seconds."""
        self._link.close(code, reason, time.monotonic())
        self._flush()

    # -- the upstream's reply (ResponseSink)

    def on_head(self, head: ResponseHead) -> None:
        """Never called: the bridge begins after the head."""

    def on_data(self, data: bytes) -> None:
        self._link.from_upstream(data, time.monotonic())
        self._flush()

    def on_end(self, trailers: Headers) -> None:
        self._link.upstream_ended(time.monotonic())
        self._flush()

    def on_failure(self, failure: Failure) -> None:
        self._failure = failure
        self._upstream_closed = True
        self._link.upstream_ended(time.monotonic())
        self._link.upstream.kill()
        self._flush()

    def on_writable(self) -> None:
        self._link.upstream.is_slow = False
        if self._client_paused:
            self._client_paused = False
            self._client.resume_body()

    # -- the client's bytes (BodySink) and state (ClientWatcher)

    def on_body(self, data: bytes) -> None:
        self._link.from_client(data, time.monotonic())
        self._flush()

    def on_body_end(self) -> None:
        self._link.client_ended(time.monotonic())
        self._flush()

    def on_client_gone(self) -> None:
        self._client_closed = True
        self._link.client_gone(time.monotonic())
        self._flush()

    def on_client_slow(self) -> None:
        self._link.client.is_slow = True
        if not self._upstream_paused and not self._upstream_closed:
            self._upstream_paused = True
            self._exchange.pause()

    def on_client_ready(self) -> None:
        self._link.client.is_slow = False
        if self._upstream_paused and not self._upstream_closed:
            self._upstream_paused = False
            self._exchange.resume()

    # -- what the link wants to be done

    def _flush(self) -> None:
        link = self._link
        data = link.client.take_output()
        if data and not self._client_closed:
            self._client.write(data)
        data = link.upstream.take_output()
        if data and not self._upstream_closed and not self._exchange.send(data) and not self._client_paused:
            self._client_paused = True
            link.upstream.is_slow = True
            self._client.pause_body()
        if link.client.is_finished or link.upstream.is_finished:
            self._close_sides()

    def _close_sides(self) -> None:
        link = self._link
        if link.client.is_finished and not self._client_closed:
            self._client_closed = True
            if link.client.state is LegState.DONE:
                self._client.end()
            else:
                self._client.abort()
        if link.upstream.is_finished and not self._upstream_closed:
            self._upstream_closed = True
            if link.upstream.state is LegState.DONE:
                self._exchange.end()
            self._exchange.cancel()
        if link.is_over and not self._over.done():
            self._over.set_result(None)

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        self._link.tick(
            time.monotonic(), client_reading=not self._client_paused, upstream_reading=not self._upstream_paused
        )
        self._flush()

    def _drop(self) -> None:
        self._timer.cancel()
        if not self._client_closed:
            self._client_closed = True
            self._client.abort()
        if not self._upstream_closed:
            self._upstream_closed = True
            self._exchange.cancel()
