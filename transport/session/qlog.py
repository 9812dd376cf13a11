"""A session's packets and beliefs as qlog, up to a size (draft-ietf-quic-qlog-main-schema-02, JSON-SEQ).

    trace = Trace(Vantage("edge bj-1", is_client=True), utc_offset, max_bytes)
    tap = Tap(trace, core, "0")     from now on everything the core does is written down
    tap.remove()                    the core is as it was
    trace.text()                    records, each of them RS · JSON · LF

A tap puts itself before five methods of one core; while there is none nothing is asked and nothing costs. What streams
carry isn't written, nor are tokens, request ids or names: frames are summarised by their numbers and lengths.

Events are named after those of QUIC (draft-ietf-quic-qlog-quic-events-02), so that tools draw them; packet numbers are
a carrier's own, so each carrier is a group, `session:line:kind:number`. What only sessions have is in `session:…`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from transport.session.carrier import Carrier
from transport.session.core import SessionCore
from transport.session.frames import Ack, Close, CreditFrame, Frame, MessageFrame, ResetFrame, StreamFrame
from transport.session.values import (
    AllSilent,
    CarrierKind,
    CarrierLost,
    CarrierRelieved,
    CarrierSuspected,
    Event,
    Joined,
    SessionClosed,
)
from transport.session.wire import WireError, decode

METRICS_EVERY = 0.1
LOW = 0xFFFF_FFFF
_KINDS = {CarrierKind.QUIC: "datagram", CarrierKind.TLS: "tls"}
_TAPPED = ("receive", "packets", "handle_timer", "events", "carrier_down")


@dataclass(frozen=True, slots=True)
class Vantage:
    """Whose view it is. An edge is the client."""

    name: str
    is_client: bool


class Trace:
    """Records in memory. When `max_bytes` are full, one last event says so, and nothing more is taken."""

    def __init__(self, vantage: Vantage, utc_offset: float, max_bytes: int) -> None:
        """`utc_offset`: seconds since 1970 are a core's `now` and so many."""
        self.events = 0
        self.is_cut = False
        self._records: list[bytes] = []
        self._room = max_bytes
        self._utc_offset = utc_offset
        self._put(
            {
                "qlog_format": "JSON-SEQ",
                "qlog_version": "0.3",
                "title": "farline session",
                "trace": {
                    "common_fields": {"time_format": "absolute", "protocol_type": ["farline-session"]},
                    "vantage_point": {"name": vantage.name, "type": "client" if vantage.is_client else "server"},
                },
            }
        )

    def add(self, name: str, group: str, data: dict[str, Any], now: float) -> None:
        """One event."""
        if self.is_cut:
            return
        time = round((now + self._utc_offset) * 1000, 3)
        if not self._put({"time": time, "name": name, "group_id": group, "data": data}):
            self.is_cut = True
            self._records.append(_record({"time": time, "name": "session:trace_cut", "group_id": group, "data": {}}))
        self.events += 1

    def text(self) -> bytes:
        return b"".join(self._records)

    def _put(self, document: dict[str, Any]) -> bool:
        record = _record(document)
        self._room -= len(record)
        if self._room < 0:
            return False
        self._records.append(record)
        return True


def _record(document: dict[str, Any]) -> bytes:
    return b"\x1e" + msgspec.json.encode(document) + b"\n"


class AlreadyTapped(Exception):
    """Somebody else writes this session down just now."""


class Tap:
    """Writes down what one core does. `name` tells sessions of one trace apart."""

    def __init__(self, trace: Trace, core: SessionCore, name: str) -> None:
        """Raises AlreadyTapped: one at a time."""
        if _TAPPED[0] in vars(core):
            raise AlreadyTapped
        self._trace = trace
        self._core = core
        self._name = name
        self._groups: dict[int, str] = {}
        self._under_way: dict[int, set[int]] = {}
        self._measured_at: dict[int, float] = {}
        self._now = 0.0
        for method in _TAPPED:
            setattr(core, method, getattr(self, f"_{method}"))

    def remove(self) -> None:
        """Does nothing the second time."""
        for method in _TAPPED:
            vars(self._core).pop(method, None)

    # ---------------------------------------------------------------------------------- in place of the core's own

    def _receive(self, carrier: int, packet: bytes, now: float) -> None:
        found = self._look(carrier, now)
        try:
            number, _, frames = decode(packet)
        except WireError as error:
            dropped = {"raw": {"length": len(packet)}, "trigger": "payload_decrypt_error", "details": str(error)}
            self._trace.add("transport:packet_dropped", found, dropped, now)
        else:
            self._trace.add("transport:packet_received", found, packet_data(number, len(packet), frames), now)
            for frame in frames:
                if isinstance(frame, Ack):
                    self._under_way.get(frame.carrier, set()).difference_update(acked(frame))
        SessionCore.receive(self._core, carrier, packet, now)
        self._measure(now)

    def _packets(self, now: float) -> list[tuple[int, bytes]]:
        sent = SessionCore.packets(self._core, now)
        for carrier, packet in sent:
            number, is_eliciting, frames = decode(packet)
            data = packet_data(number, len(packet), frames, is_eliciting=is_eliciting)
            self._trace.add("transport:packet_sent", self._look(carrier, now), data, now)
            if is_eliciting:
                self._under_way.setdefault(carrier, set()).add(number)
        return sent

    def _handle_timer(self, now: float, lag: float = 0.0) -> None:
        SessionCore.handle_timer(self._core, now, lag)
        self._measure(now)

    def _events(self) -> list[Event]:
        events = SessionCore.events(self._core)
        for event in events:
            self._tell(event)
        return events

    def _carrier_down(self, carrier: int, now: float) -> None:
        group = self._look(carrier, now)
        SessionCore.carrier_down(self._core, carrier, now)
        self._under_way.pop(carrier, None)
        self._trace.add("session:carrier_down", group, {"left": len(self._core.carriers)}, now)

    # ------------------------------------------------------------------------------------------------------- events

    def _look(self, carrier: int, now: float) -> str:
        """The carrier's group."""
        self._now = now
        group = self._groups.get(carrier)
        if group is None:
            found = self._core.carriers.get(carrier)
            where = f"{found.line}:{_KINDS[found.kind]}" if found is not None else "gone"
            group = self._groups[carrier] = f"{self._name}:{where}:{carrier}"
        return group

    def _measure(self, now: float) -> None:
        """Losses, and each carrier's figures now and then."""
        self._now = now
        for number, carrier in self._core.carriers.items():
            group = self._look(number, now)
            under_way = self._under_way.get(number)
            if under_way:
                lost = under_way - {sent & LOW for sent in carrier.outgoing.outstanding}
                for packet in sorted(lost):
                    header = {"packet_type": "1RTT", "packet_number": packet}
                    self._trace.add("recovery:packet_lost", group, {"header": header}, now)
                under_way -= lost
            if now - self._measured_at.get(number, -METRICS_EVERY) >= METRICS_EVERY:
                self._measured_at[number] = now
                self._trace.add("recovery:metrics_updated", group, metrics(carrier), now)

    def _tell(self, event: Event) -> None:
        match event:
            case Joined(carrier, _):
                self._add("session:carrier_joined", carrier, {})
            case CarrierSuspected(carrier, line):
                self._add("session:carrier_suspected", carrier, {"line": line})
            case CarrierRelieved(carrier, line, seconds):
                self._add("session:carrier_relieved", carrier, {"line": line, "seconds": seconds})
            case CarrierLost(carrier, line, left):
                self._add("session:carrier_lost", carrier, {"line": line, "left": left})
            case AllSilent():
                self._trace.add("session:all_silent", self._name, {}, self._now)
            case SessionClosed(code, reason):
                self._trace.add("session:closed", self._name, {"code": code, "reason": reason}, self._now)

    def _add(self, name: str, carrier: int, data: dict[str, Any]) -> None:
        self._trace.add(name, self._look(carrier, self._now), data, self._now)


def packet_data(number: int, size: int, frames: list[Frame], *, is_eliciting: bool = False) -> dict[str, Any]:
    """A packet without its contents. One that asks for nothing but an ACK is a heartbeat: PING, in QUIC's words."""
    told = [frame_data(frame) for frame in frames] or ([{"frame_type": "ping"}] if is_eliciting else [])
    header = {"packet_type": "1RTT", "packet_number": number}
    return {"header": header, "raw": {"length": size}, "frames": told}


def frame_data(frame: Frame) -> dict[str, Any]:
    """A frame in QUIC's words where there are any."""
    match frame:
        case StreamFrame(stream, offset, data, end, _):
            return {"frame_type": "stream", "stream_id": stream, "offset": offset, "length": len(data), "fin": end}
        case Ack(carrier, _, delay, _, _):
            ranges = _ranges(sorted(acked(frame)))
            return {"frame_type": "ack", "ack_delay": delay * 1000, "acked_ranges": ranges, "carrier": carrier}
        case CreditFrame(0, limit):
            return {"frame_type": "max_data", "maximum": limit}
        case CreditFrame(stream, limit):
            return {"frame_type": "max_stream_data", "stream_id": stream, "maximum": limit}
        case ResetFrame(stream, code, sent, _):
            return {"frame_type": "reset_stream", "stream_id": stream, "error_code": code, "final_size": sent}
        case Close(code, reason):
            return {
                "frame_type": "connection_close", "error_space": "application", "error_code": code, "reason": reason
            }  # fmt: skip
        case MessageFrame(stream, number, _, _, _, _, data):
            return {"frame_type": "datagram", "length": len(data), "stream_id": stream, "message": number}
        case _:
            return {"frame_type": "unknown", "name": type(frame).__name__.lower()}


def acked(ack: Ack) -> set[int]:
    """The packet numbers (low 32 bits) that it tells of."""
    found = {(ack.largest - below) & LOW for below in range(ack.run + 1)}
    first = ack.largest - ack.run - 2
    return found | {(first - bit) & LOW for bit in range(ack.bitmap.bit_length()) if ack.bitmap >> bit & 1}


def _ranges(numbers: list[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def metrics(carrier: Carrier) -> dict[str, Any]:
    """In milliseconds and bytes."""
    trip, rate = carrier.outgoing.trip, carrier.outgoing.rate
    return {
        "smoothed_rtt": round(trip.smoothed * 1000, 3),
        "latest_rtt": round(trip.latest * 1000, 3),
        "min_rtt": round(trip.shortest * 1000, 3),
        "rtt_variance": round(trip.variation * 1000, 3),
        "congestion_window": carrier.window(),
        "bytes_in_flight": rate.bytes_in_flight,
        "loss_ratio": round(carrier.outgoing.loss_ratio, 5),
        "is_suspected": carrier.suspected_at is not None,
    }
