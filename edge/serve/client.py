"""The seam between the ingress and the pipeline: one client request, and the reply that goes back on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

from transport.message import Headers


class BodySink(Interface):
    """Takes the rest of a request body as it arrives. After a tunnel began: the client's raw bytes."""

    def on_body(self, data: bytes) -> None: ...

    def on_body_end(self) -> None: ...


class ClientWatcher(Interface):
    """Hears what happens to the client while a reply is being made."""

    def on_client_gone(self) -> None:
        """The client closed or broke its connection, or was too slow: nothing can be delivered any more. Once."""

    def on_client_slow(self) -> None:
        """The client's write buffer is over its high-water mark: stop writing soon."""

    def on_client_ready(self) -> None:
        """The buffer has drained."""


class Leaver:
    """A ClientWatcher while nothing is committed yet."""

    __slots__ = ("_leave",)

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave

    def on_client_gone(self) -> None:
        self._leave()

    def on_client_slow(self) -> None:
        """Nothing is being written yet."""

    def on_client_ready(self) -> None:
        """Nothing is being written yet."""


class ClientExchange(Interface):
    """One request from a client. The ingress makes it when the head is complete and runs the pipeline on it.

    Reply: `start`, any number of `write`, then `end` or `abort`. Writes after the client is gone do nothing.
    """

    method: bytes
    target: bytes  # origin-form, as sent
    headers: Headers  # names lower-case, hop-by-hop fields still in
    peer: str  # address of the client, "unix" for a unix socket
    received_at: float  # monotonic seconds, when the head was complete
    upgrade: bytes | None  # value of Upgrade on an upgrade request (lower-case), else None
    expects_body: bool

    async def read_body(self, limit: int) -> tuple[bytes, bool]:
        """Reads until the body's end or until `limit` bytes are there: (bytes so far, complete).

        Sends `100 Continue` first if the client waits for it. May return more than `limit` by one read.

        Raises:
            ClientGone: the client left, or went silent for longer than the limit allows.
            BodyTooLarge: the body is over `[limits] body_bytes`.
            BadBody: broken chunked framing.
        """

    def stream_body(self, sink: BodySink) -> None:
        """From now on the rest of the body goes to `sink` as it arrives."""

    def reject_body(self, fault: ClientFault) -> None:
        """The streamed body is bad in itself: the request is given up, with the fault's status if no reply has begun.
        The watcher hears that the client is gone."""

    def pause_body(self) -> None: ...

    def resume_body(self) -> None: ...

    def watch(self, watcher: ClientWatcher | None) -> None: ...

    def start(self, status: int, headers: Headers) -> None:
        """Sends the head. With `content-length` in `headers` the body is sent as it is, else chunked (HTTP/1.1) or
        until close (HTTP/1.0). Replies to HEAD, 204 and 304 have no body whatever is written."""

    def write(self, data: bytes) -> None: ...

    def end(self, trailers: Headers | None = None) -> None:
        """The reply is complete; the connection goes on to the next request if it may."""

    def abort(self) -> None:
        """Breaks the connection so that the reply cannot look complete: closed without the last chunk, or short of its
        length; with a TCP reset where the framing could not show it. What was written still arrives."""

    def tunnel(self, headers: Headers) -> None:
        """Answers 101 with `headers`; then `write` sends raw bytes and the body sink receives raw bytes."""

    @property
    def started(self) -> bool: ...

    @property
    def is_gone(self) -> bool: ...


class ClientFault(Exception):
    """The client's own fault while its request was read."""

    status = 400


class ClientGone(ClientFault):
    """The client left before its request was complete."""

    status = 499


class BodyTooLarge(ClientFault):
    """The request body is over the limit."""

    status = 413


class BadBody(ClientFault):
    """The request body's framing is broken."""
