"""A WebSocket whose provider's end is at this relay: messages cross the session one by one, as FRAME records.

Pings are answered here, on the short way; so a line that is cut isn't heard by the provider. Close codes cross as they
are. Compression isn't negotiated with the provider: see `egress`.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Any

from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode, Opcode
from websockets.frames import Frame as WsFrame
from websockets.protocol import CLIENT, OPEN
from websockets.protocol import Protocol as WsProtocol
from websockets.utils import accept_key

from edge.relay.execution import Execution
from edge.serve.ws_handshake import MAX_MESSAGE_BYTES
from edge.serve.ws_link import CLOSE_SECONDS, Leg, LegState, Party
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, ResponseHead, end_to_end, header
from transport.path import Protocol
from transport.session.records import Frame

PING_SECONDS = 20.0
TICK_SECONDS = 1.0
_quiet = logging.getLogger("farline.websocket")
_CONTROL = (Opcode.PING, Opcode.PONG)


class Conversation(Execution):
    """Before the provider's 101, and if it answers with something else, like any other request."""

    __slots__ = ("_between", "_is_within", "_leg", "_tick")

    only = Protocol.H1

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._leg: Leg | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._is_within = False  # a message that came in pieces isn't whole yet…
        self._between: list[Frame] = []  # …and what came beside it waits for its end
        self._body_ended = True  # the upgrade has no body

    # --- from the provider ---

    def on_head(self, head: ResponseHead) -> None:
        if head.status != 101:
            super().on_head(head)
            return
        key = header(self._request.head.headers, b"sec-websocket-key") or b""
        if header(head.headers, b"sec-websocket-accept") != accept_key(key.decode("latin-1")).encode():
            self._fail(_fault(Code.HTTP_UPGRADE_FAILED, "the provider's upgrade doesn't answer the request's key"))
            return
        self.has_head = True
        self.record.status, self.record.first_byte_at = 101, monotonic()
        self._timer.cancel()  # from here on pings tell who is there
        self.kept.lose()
        protocol = WsProtocol(CLIENT, state=OPEN, max_size=MAX_MESSAGE_BYTES, logger=_quiet)
        self._leg = Leg(Party.UPSTREAM, protocol, monotonic())
        headers = [*end_to_end(head.headers), (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
        self.say(self.writer.response(ResponseHead(101, headers)))
        self._tick = self.means.loop.call_later(TICK_SECONDS, self._look)

    def on_data(self, data: bytes) -> None:
        leg = self._leg
        if leg is None:
            super().on_data(data)
            return
        if self.is_over:
            return
        for frame in leg.receive(data, monotonic()):
            if frame.opcode not in _CONTROL:
                self._pass_down(frame)
        if leg.protocol.parser_exc is not None:
            self._flush(leg)
            self._fail(_fault(Code.HTTP_PROTOCOL_ERROR, f"the provider's WebSocket: {leg.protocol.parser_exc}"))
            return
        self._settle(leg)

    def _pass_down(self, frame: WsFrame) -> None:
        if frame.opcode is not Opcode.CLOSE:
            self.record.messages_out += frame.fin
            self.record.bytes_out += len(frame.data)
        self.say(self.writer.frame(int(frame.opcode), bytes(frame.data), frame.fin))
        if self._session is not None and self._session.writable(self._stream) <= 0:
            self._look_at_room()

    def on_end(self, trailers: Headers) -> None:
        leg = self._leg
        if leg is None:
            super().on_end(trailers)
        elif not self.is_over:
            leg.receive_eof(monotonic())
            if leg.protocol.close_rcvd is None:
                self._fail(_fault(Code.CONNECTION_TERMINATED, "the provider left without a closing frame"))
            else:
                self._settle(leg)

    def on_failure(self, failure: Failure) -> None:
        if self._leg is not None and self._leg.protocol.close_rcvd is not None:
            self._leg.kill()
            self._settle(self._leg)
        else:
            super().on_failure(failure)

    # --- from the edge ---

    def on_body(self, data: bytes) -> None:
        """An upgrade has no body."""

    def on_body_end(self) -> None:
        """The edge says nothing more."""
        if self._leg is not None and not self.is_over:
            self._leg.send_close(CloseCode.GOING_AWAY, "the client went away", monotonic())
            self._settle(self._leg)

    def on_frame(self, frame: Frame, *, is_message: bool = False) -> None:
        leg = self._leg
        if leg is None or self.is_over:
            return
        if is_message and self._is_within:
            self._between.append(frame)
            return
        self._pass_up(leg, frame)
        if not is_message:
            self._is_within = not frame.is_last
        if self._between and not self._is_within:
            waiting, self._between = self._between, []
            for each in waiting:
                self._pass_up(leg, each)
        self._settle(leg)

    def _pass_up(self, leg: Leg, frame: Frame) -> None:
        now = monotonic()
        if frame.opcode == Opcode.CLOSE:
            leg.send_close(*_told(frame.payload), now)
        elif frame.opcode in (Opcode.CONT, Opcode.TEXT, Opcode.BINARY):
            self.record.messages_in += frame.is_last
            self.body_bytes += len(frame.payload)
            leg.pass_on(WsFrame(Opcode(frame.opcode), frame.payload, frame.is_last), now)

    def _be_left(self) -> None:
        if self._leg is None:
            self.abandon()
        else:
            self._hold = None
            self._is_draining = True  # the provider's answer is read
            self._look_at_room()
            self._leg.send_close(CloseCode.GOING_AWAY, "the client went away", monotonic())
            self._settle(self._leg)

    # --- both ---

    def _look(self) -> None:
        """Once a second."""
        leg = self._leg
        assert leg is not None
        self._tick = self.means.loop.call_later(TICK_SECONDS, self._look)
        if not leg.tick(monotonic(), PING_SECONDS, not self._paused):
            self._settle(leg)
        elif leg.close is not None:
            leg.kill()
            self._settle(leg)
        else:
            self._fail(_fault(Code.CONNECTION_TIMEOUT, "the provider stopped answering pings"))

    def _flush(self, leg: Leg) -> None:
        exchange, out = self._exchange, leg.take_output()
        if out and exchange is not None and not exchange.send(out):
            self._is_upload_slow = leg.is_slow = True

    def on_writable(self) -> None:
        if self._leg is not None:
            self._leg.is_slow = False
        super().on_writable()

    def _settle(self, leg: Leg) -> None:
        """Sends what must go out; ends it when both sides have said goodbye."""
        self._flush(leg)
        if not leg.is_finished or self.is_over:
            return
        exchange = self._exchange
        if exchange is not None:
            if leg.state is LegState.DONE:
                exchange.end()
            self.means.loop.call_later(CLOSE_SECONDS, exchange.cancel)
        self.say(self.writer.end(), end=True)
        self._end("done")

    def _end(self, outcome: str) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        super()._end(outcome)


def _told(payload: bytes) -> tuple[int | None, str]:
    """A close frame's code and reason; none if it has none, or none that may be sent."""
    try:
        close = Close.parse(payload)
        close.check()
    except (ProtocolError, UnicodeDecodeError):
        return (None, "")
    return (int(close.code), close.reason)


def _fault(code: str, detail: str) -> Failure:
    return Failure(Origin.ENDPOINT, Verdict.UNKNOWN, code, detail)
