"""HTTP/2 (RFC 9113) on the sans-IO `h2`."""

from __future__ import annotations

from collections import deque

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from netem.provider.aio.front import HIGH_WATER_BYTES, Front
from netem.provider.aio.node import Node
from netem.provider.aio.player import Player
from netem.provider.reply import Headers
from netem.provider.request import Body, Request
from netem.provider.script import HEAD_PARTS, Act

_WINDOW_BYTES = 1 << 20
_CONNECTION_WINDOW_BYTES = 16 << 20


class H2:
    """One connection. What was sent in one turn of the loop leaves in one write."""

    def __init__(self, front: Front, node: Node, max_streams: int) -> None:
        self._front = front
        self.node = node
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self._streams: dict[int, Stream2] = {}
        self._dirty = False
        self._leaving = False
        self.h2.initiate_connection()
        codes = h2.settings.SettingCodes
        self.h2.update_settings({codes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES, codes.MAX_CONCURRENT_STREAMS: max_streams})
        self.h2.increment_flow_control_window(_CONNECTION_WINDOW_BYTES)
        self.flush_soon()

    # Inner

    def received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self._flush()
            self._front.close()
            return
        for event in events:
            self._event(event)
        self.flush_soon()

    def lost(self) -> None:
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.cancel(self.node.time())

    def _event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(sid), headers=headers):
                given = tuple((str(name), str(value)) for name, value in headers or ())
                self._streams[sid] = Stream2(self, sid, given, self._front)
            case h2.events.DataReceived(stream_id=int(sid)):
                self._data(sid, event)
            case h2.events.StreamEnded(stream_id=int(sid)) if sid in self._streams:
                self._streams[sid].start()
            case h2.events.StreamReset(stream_id=int(sid)) if sid in self._streams:
                self._streams.pop(sid).cancel(self.node.time())
            case h2.events.WindowUpdated(stream_id=sid):
                for stream in list(self._streams.values()) if not sid else [self._streams.get(sid)]:
                    if stream is not None:
                        stream.pump()
            case h2.events.RemoteSettingsChanged():
                for stream in list(self._streams.values()):
                    stream.pump()
            case h2.events.ConnectionTerminated():
                self._front.close()

    def _data(self, sid: int, event: h2.events.DataReceived) -> None:
        stream = self._streams.get(sid)
        if stream is None or not stream.is_deaf:
            self.h2.acknowledge_received_data(event.flow_controlled_length or 0, sid)
        if stream is not None:
            stream.body.feed(event.data or b"")

    # for the streams

    def forget(self, sid: int) -> None:
        self._streams.pop(sid, None)
        self.flush_soon()
        if self._leaving and not self._streams:
            self._flush()
            self._front.close()

    def goaway(self, last_sid: int) -> None:
        """GOAWAY with NO_ERROR; the connection closes when its streams are done.

        h2 refuses to send anything after `close_connection`, so the frame is written here (RFC 9113 §6.8).
        """
        payload = last_sid.to_bytes(4) + int(h2.errors.ErrorCodes.NO_ERROR).to_bytes(4)
        self._flush()
        self._front.write(len(payload).to_bytes(3) + b"\x07\x00" + (0).to_bytes(4) + payload)
        self._leaving = True

    def break_off(self, act: Act, sid: int) -> None:
        """End the connection."""
        self._flush()
        if act is Act.RESET:
            self._front.reset()
            return
        if act is Act.GOAWAY_HARD:
            self.goaway(max(0, sid - 2))
        if act is Act.HALF_CLOSE:
            self._front.half_close()
        else:
            self._front.close()

    def flush_soon(self) -> None:
        if not self._dirty:
            self._dirty = True
            self.node.loop.call_soon(self._flush)

    def is_blocked(self) -> bool:
        return self._front.is_blocked()

    def _flush(self) -> None:
        self._dirty = False
        data = self.h2.data_to_send()
        if data:
            self._front.write(data)


class Stream2:
    """One request and its reply."""

    def __init__(self, connection: H2, sid: int, headers: tuple[tuple[str, str], ...], front: Front) -> None:
        self._connection = connection
        self._sid = sid
        self._headers = headers
        self._front = front
        self._player: Player | None = None
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._ended = False
        self._bodiless = False
        self.body = Body()
        fields = dict(headers)
        fault = connection.node.app.early(fields, front.source, fields.get(":path", ""))
        self.is_deaf = fault == "stall_upload"
        if fault == "reset_upload":
            self.is_deaf = True
            self.fault(Act.RST_STREAM)

    def start(self) -> None:
        """The request is whole."""
        if self.is_deaf:
            return
        fields = dict(self._headers)
        request = Request(
            fields.get(":method", "GET"),
            fields.get(":path", "/"),
            self._headers,
            self.body.kept(),
            self.body.length,
            self.body.sha256(),
            "h2",
            self._front.secure,
        )
        self._bodiless = request.method == "HEAD"
        node = self._connection.node
        self._player = node.play(request, self, self._front.source, self._front.number)
        self._player.start(node.time())

    def cancel(self, now: float) -> None:
        self._pending.clear()
        if self._player is not None:
            self._player.cancel(now)

    def pump(self) -> None:
        """Send what the peer's windows let through."""
        conn = self._connection.h2
        while self._pending:
            room = min(conn.local_flow_control_window(self._sid), conn.max_outbound_frame_size)
            if room <= 0:
                return
            data = self._pending.popleft()
            if len(data) > room:
                self._pending.appendleft(data[room:])
                data = data[:room]
            self._pending_bytes -= len(data)
            conn.send_data(self._sid, data)
            self._connection.flush_soon()
        if self._ended:
            conn.end_stream(self._sid)
            self._connection.forget(self._sid)

    # Sink

    def is_blocked(self) -> bool:
        return self._pending_bytes > HIGH_WATER_BYTES or self._connection.is_blocked()

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        fields = [(":status", str(status)), *headers]
        if length is not None:
            fields.append(("content-length", str(length)))
        self._connection.h2.send_headers(self._sid, fields)
        self._connection.flush_soon()

    def head_part(self, status: int, headers: Headers, length: int | None, part: int) -> None:
        if part == HEAD_PARTS - 1:
            self.head(status, headers, length)

    def data(self, data: bytes) -> None:
        if data and not self._bodiless:
            self._pending.append(data)
            self._pending_bytes += len(data)
            self.pump()

    def end(self) -> None:
        self._ended = True
        self.pump()

    def goaway(self) -> None:
        self._connection.goaway(self._sid)

    def fault(self, act: Act) -> None:
        codes = h2.errors.ErrorCodes
        if act in (Act.RST_STREAM, Act.REFUSE):
            code = codes.REFUSED_STREAM if act is Act.REFUSE else codes.INTERNAL_ERROR
            self._connection.h2.reset_stream(self._sid, code)
            self._connection.forget(self._sid)
        else:
            self._connection.break_off(act, self._sid)
