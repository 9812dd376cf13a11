"""Two WebSocket connections joined: what comes in on one side goes out on the other (RFC 6455). No sockets, no clock.

    client ⇄ server role | WebSocketLink | client role ⇄ upstream

Each side is terminated by itself: its masking, its compression, its pings and its closing handshake. Data frames cross
as they come, fragment by fragment; a close frame crosses with its code and reason. The owner feeds bytes in with the
time, and after every call takes the bytes that must go out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import CLOSED, OPEN, Protocol

CLOSE_SECONDS = 5.0
"""How long a closing handshake may take before the connection is dropped."""

_CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)


class Party(Enum):
    """Who ended the conversation."""

    CLIENT = "client"
    UPSTREAM = "upstream"
    EDGE = "edge"


class LegState(Enum):
    """One side's connection."""

    OPEN = "open"
    CLOSING = "closing"  # a close frame was sent; the other's answer or end is awaited
    DONE = "done"  # nothing more goes out; the connection may be closed when what was written has left
    DEAD = "dead"  # gone, or to be dropped without ceremony


class Leg:
    """One side of the link: a protocol, what must be written to it, and what it has seen."""

    def __init__(self, party: Party, protocol: Protocol, now: float) -> None:
        self.party = party
        self.protocol = protocol
        self.state = LegState.OPEN
        self.messages = 0  # received and passed on
        self.payload_bytes = 0
        self.is_slow = False  # its peer doesn't read: see `settle`
        self._heard_at = now
        self._pinged_at: float | None = None
        self._closing_since: float | None = None
        self._out: list[bytes] = []

    @property
    def close(self) -> Close | None:
        """The close that its peer sent, or else that we sent to it."""
        return self.protocol.close_rcvd or self.protocol.close_sent

    @property
    def is_finished(self) -> bool:
        """Nothing more goes out and nothing is awaited: its connection may be closed."""
        return self.state is LegState.DONE or self.state is LegState.DEAD

    def receive(self, data: bytes, now: float) -> list[Frame]:
        """Frames in `data`; pongs and close frames that answer it are put out."""
        if self.state is LegState.DEAD:
            return []
        self._heard_at = now
        self._pinged_at = None
        self.protocol.receive_data(data)
        frames = [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        answers = self.protocol.data_to_send()
        if self.is_slow and self.protocol.state is OPEN:
            answers = answers[-1:]  # only the latest ping must be answered (RFC 6455 §5.5.3): no flood of pongs
        self._put(answers, now)
        return frames

    def receive_eof(self, now: float) -> None:
        if self.state is LegState.DEAD:
            return
        self.protocol.receive_eof()
        self._put(self.protocol.data_to_send(), now)
        self.state = LegState.DEAD if self.protocol.close_rcvd is None else LegState.DONE

    def pass_on(self, frame: Frame, now: float) -> None:
        """Sends a data frame that came in on the other side."""
        if self.protocol.state is not OPEN or self.state is not LegState.OPEN:
            return
        if frame.opcode is Opcode.TEXT:
            self.protocol.send_text(frame.data, frame.fin)
        elif frame.opcode is Opcode.BINARY:
            self.protocol.send_binary(frame.data, frame.fin)
        else:
            self.protocol.send_continuation(frame.data, frame.fin)
        self._put(self.protocol.data_to_send(), now)

    def send_close(self, code: int | None, reason: str, now: float) -> None:
        """Begins the closing handshake, if it hasn't begun."""
        if self.protocol.state is OPEN and self.state is LegState.OPEN:
            self.protocol.send_close(code, reason)
            self._put(self.protocol.data_to_send(), now)

    def kill(self) -> None:
        self.state = LegState.DEAD
        self._out.clear()

    def tick(self, now: float, interval: float, is_reading: bool) -> bool:
        """Pings after `interval` of silence. True: no answer for another interval, or a close that takes too long."""
        if self.is_finished:
            return False
        if self._closing_since is not None:
            return now - self._closing_since > CLOSE_SECONDS
        if not is_reading:
            self._heard_at = now
            self._pinged_at = None
        elif self._pinged_at is not None:
            return now - self._pinged_at >= interval
        elif now - self._heard_at >= interval:
            self._pinged_at = now
            self.protocol.send_ping(b"farline")
            self._put(self.protocol.data_to_send(), now)
        return False

    def take_output(self) -> bytes:
        if not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    def _put(self, writes: list[bytes], now: float) -> None:
        """Keeps bytes for the peer; an empty one is the protocol's wish to end its direction."""
        for data in writes:
            if data:
                self._out.append(data)
            else:
                self.state = LegState.DONE
        if self.protocol.state is not OPEN and self._closing_since is None:
            self._closing_since = now
            if self.state is LegState.OPEN:
                self.state = LegState.CLOSING
        if self.protocol.state is CLOSED and self.state is not LegState.DEAD:
            self.state = LegState.DONE


@dataclass(frozen=True, slots=True)
class LinkSummary:
    """How a bridged conversation went. Codes are RFC 6455 §7.4's; 1005 no code given, 1006 no close frame at all."""

    closed_by: Party
    client_code: int
    client_reason: str
    upstream_code: int
    upstream_reason: str
    messages_up: int
    messages_down: int
    bytes_up: int
    bytes_down: int


class WebSocketLink:
    """Joins `client` and `upstream`. `ping_seconds` of silence on a side cause a ping, as much again its end."""

    def __init__(self, server: Protocol, client: Protocol, now: float, ping_seconds: float = 20.0) -> None:
        self.client = Leg(Party.CLIENT, server, now)
        self.upstream = Leg(Party.UPSTREAM, client, now)
        self.closed_by: Party | None = None
        self._ping_seconds = ping_seconds

    @property
    def is_over(self) -> bool:
        """Nothing more will be passed on or awaited on either side."""
        return self.client.is_finished and self.upstream.is_finished

    def from_client(self, data: bytes, now: float) -> None:
        self._carry(self.client, self.upstream, data, now)

    def from_upstream(self, data: bytes, now: float) -> None:
        self._carry(self.upstream, self.client, data, now)

    def client_ended(self, now: float) -> None:
        """The client's end of stream, or its loss."""
        self.client.receive_eof(now)
        if self.client.protocol.close_rcvd is None:
            self._blame(Party.CLIENT)
            self.upstream.send_close(CloseCode.GOING_AWAY, "the client went away", now)

    def client_gone(self, now: float) -> None:
        """The client's connection is lost: nothing can be written to it any more."""
        self.client_ended(now)
        self.client.kill()

    def upstream_ended(self, now: float, detail: str = "the upstream connection was lost") -> None:
        """The upstream's end of stream, or its failure. Without a close frame before it the client gets 1011."""
        self.upstream.receive_eof(now)
        if self.upstream.protocol.close_rcvd is None:
            self._blame(Party.UPSTREAM)
            self.client.send_close(CloseCode.INTERNAL_ERROR, _cut_reason(detail), now)

    def close(self, code: int, reason: str, now: float) -> None:
        """The edge itself ends the conversation (a drain: 1012, a policy: 1008…)."""
        self._blame(Party.EDGE)
        self.client.send_close(code, _cut_reason(reason), now)
        self.upstream.send_close(CloseCode.GOING_AWAY, "", now)

    def tick(self, now: float, *, client_reading: bool = True, upstream_reading: bool = True) -> None:
        """To be called about once a second. A side that isn't being read can't be judged by its silence."""
        if self.client.tick(now, self._ping_seconds, client_reading):
            self.client_gone(now)
        if self.upstream.tick(now, self._ping_seconds, upstream_reading):
            self.upstream_ended(now, "the upstream stopped answering")
            self.upstream.kill()

    def summary(self) -> LinkSummary:
        client_code, client_reason = _code_of(self.client)
        upstream_code, upstream_reason = _code_of(self.upstream)
        return LinkSummary(
            closed_by=self.closed_by or Party.EDGE,
            client_code=client_code,
            client_reason=client_reason,
            upstream_code=upstream_code,
            upstream_reason=upstream_reason,
            messages_up=self.client.messages,
            messages_down=self.upstream.messages,
            bytes_up=self.client.payload_bytes,
            bytes_down=self.upstream.payload_bytes,
        )

    def _carry(self, source: Leg, target: Leg, data: bytes, now: float) -> None:
        for frame in source.receive(data, now):
            if frame.opcode is Opcode.CLOSE:
                self._blame(source.party)
                close = source.protocol.close_rcvd
                assert close is not None, "a close frame was just received"
                code, reason = closing(close)
                target.send_close(code, reason, now)
            elif frame.opcode not in _CONTROL:
                source.messages += frame.fin
                source.payload_bytes += len(frame.data)
                target.pass_on(frame, now)
        if source.protocol.parser_exc is not None:
            self._fault(source, target, now)

    def _fault(self, source: Leg, target: Leg, now: float) -> None:
        """`source` broke the protocol and has been told; the other side learns as much as concerns it."""
        self._blame(source.party)
        if isinstance(source.protocol.parser_exc, PayloadTooBig):
            target.send_close(CloseCode.MESSAGE_TOO_BIG, "a message is over the limit", now)
        elif source is self.client:
            target.send_close(CloseCode.GOING_AWAY, "the client broke the protocol", now)
        else:
            target.send_close(CloseCode.INTERNAL_ERROR, "the upstream broke the protocol", now)

    def _blame(self, party: Party) -> None:
        if self.closed_by is None:
            self.closed_by = party


def closing(close: Close) -> tuple[int | None, str]:
    """What crosses for a close frame that was received: its code and reason, or none if it had none (1005)."""
    if close.code == CloseCode.NO_STATUS_RCVD:
        return None, ""
    return int(close.code), close.reason


def _code_of(leg: Leg) -> tuple[int, str]:
    close = leg.close
    return (int(close.code), close.reason) if close is not None else (int(CloseCode.ABNORMAL_CLOSURE), "")


def _cut_reason(reason: str) -> str:
    """At most 123 bytes fit into a close frame beside the code (RFC 6455 §5.5)."""
    return reason.encode()[:123].decode(errors="ignore")
