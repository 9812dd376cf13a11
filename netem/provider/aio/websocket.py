"""WebSocket (RFC 6455) behind an HTTP/1.1 upgrade: OpenAI Realtime and Gemini Live."""

from __future__ import annotations

from collections import deque

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol

from netem.provider.aio.front import Front
from netem.provider.aio.node import Node
from netem.provider.ledger import Record
from netem.provider.live import Conversation, Timed, conversation_for
from netem.provider.request import Request
from netem.provider.sim import Sim, SimError, from_header

_MAX_MESSAGE_BYTES = 16 * 1024**2


class WebSocket:
    """One WebSocket. Faults count messages sent: `reset`, `cut`, `stall`, `truncate` (a clean close) after `after`."""

    def __init__(self, front: Front, node: Node, request: Request) -> None:
        self._front = front
        self._node = node
        self._request = request
        self._protocol = ServerProtocol(max_size=_MAX_MESSAGE_BYTES)
        self._conversation: Conversation | None = None
        self._record: Record | None = None
        self._sim = Sim()
        self._due = 0.0
        self._queue: deque[Timed] = deque()
        self._sent = 0
        self._parts: list[bytes] = []
        self._is_text = False
        self._silent = False

    def open(self) -> None:
        """Answer the handshake."""
        ledger, request, now = self._node.app.ledger, self._request, self._node.time()
        self._record = ledger.receive(request, self._front.source, self._front.number, now)
        self._record.operation = "realtime"
        try:
            sim = from_header(request.fields.get("x-sim", ""), self._node.app.defaults)
            sim = ledger.ordered(self._front.source, request.path, sim)
        except SimError:
            sim = Sim(status=400)
        seen = ledger.executions(self._record.id)
        self._sim = sim.without_fault() if sim.times and seen >= sim.times else sim
        self._record.fault = self._sim.fault
        self._conversation = conversation_for(request.path, request.query.get("model", ""), self._sim)
        self._shake()

    def received(self, data: bytes) -> None:
        if self._silent:
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def lost(self) -> None:
        self._queue.clear()
        if self._record is not None and self._record.ended_at is None:
            graceful = self._protocol.close_rcvd is not None
            self._node.app.ledger.end(self._record, "complete" if graceful else "cancelled", self._node.time())

    def _shake(self) -> None:
        assert self._record is not None
        lines = [f"{self._request.method} {self._request.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self._request.headers]
        self._protocol.receive_data(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._respond(event)
        self._record.status = 101 if self._protocol.state is State.OPEN else self._sim.status
        self._flush()
        if self._protocol.state is State.OPEN and self._conversation is not None:
            self._node.app.ledger.execute(self._record)
            self._enqueue(self._conversation.open())

    def _respond(self, handshake: Handshake) -> None:
        if self._sim.fault == "reset_before_head":
            self._end("reset_before_head")
            self._front.reset()
        elif self._sim.fault == "stall_before_head":
            self._silent = True
        elif self._sim.status >= 400:
            self._protocol.send_response(self._protocol.reject(self._sim.status, "as ordered\n"))
        elif self._conversation is None:
            self._sim = Sim(status=404)
            self._protocol.send_response(self._protocol.reject(404, "no such WebSocket\n"))
        else:
            self._protocol.send_response(self._protocol.accept(handshake))

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
            self._parts = []
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if frame.fin and self._conversation is not None and self._record is not None:
            whole = b"".join(self._parts)
            self._record.body_length += len(whole)
            message = whole.decode(errors="replace") if self._is_text else whole
            self._enqueue(self._conversation.receive(message))

    def _enqueue(self, timed: list[Timed]) -> None:
        if not timed:
            return
        if not self._queue:
            self._due = self._node.time() + timed[0][0]
            self._queue.extend(timed)
            self._node.wheel.step(self, self._node.time())
        else:
            self._queue.extend(timed)

    # Worker

    def step(self, now: float) -> None:
        while self._queue and not self._silent:
            if self._due > now:
                self._node.wheel.at(self._due, self)
                break
            if self._sent == self._sim.after and self._struck():
                break
            self._send(self._queue.popleft()[1])
            if self._queue:
                self._due += self._queue[0][0]
        self._flush()

    def fail(self) -> None:
        self._end("failed")
        self._front.reset()

    def _send(self, message: str | bytes) -> None:
        assert self._record is not None
        if self._protocol.state is not State.OPEN:
            self._queue.clear()
            return
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._sent += 1
        self._record.tokens_written += 1
        self._record.bytes_written += len(message)

    def _struck(self) -> bool:
        fault = self._sim.fault
        if fault not in ("reset", "cut", "stall", "truncate", "rst_stream"):
            return False
        self._silent = True
        self._queue.clear()
        if fault == "stall":
            return True
        self._end(fault)
        if fault == "truncate":
            self._protocol.send_close(1011, "as ordered")
        elif fault == "cut":
            self._front.close()
        else:
            self._front.reset()
        return True

    def _end(self, outcome: str) -> None:
        if self._record is not None and self._record.ended_at is None:
            self._node.app.ledger.end(self._record, outcome, self._node.time())

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data == SEND_EOF:
                self._front.close()
            else:
                self._front.write(data)
