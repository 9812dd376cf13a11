"""A WebSocket whose provider's end is at a relay, seen from the edge: bytes here, FRAME records there (SPEC.md §13).

    bytes of the client's role   → `up`   → Frames for the relay, and what to answer here (pongs)
    a Frame of the relay         → `down` → bytes of the server's role

Opening and closing handshakes are the two ends' own business: a close frame crosses like any other. Extensions aren't
negotiated with a relay, so payloads are plain.
"""

from __future__ import annotations

import logging

from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from transport.session.records import Frame

_quiet = logging.getLogger("farline.websocket")


class BadFrames(Exception):
    """The near end's bytes are no WebSocket."""


class FrameLink:
    """One conversation. Control frames but close stay on this side."""

    __slots__ = ("_parser",)

    def __init__(self) -> None:
        self._parser = Protocol(SERVER, state=OPEN, max_size=None, logger=_quiet)

    def up(self, data: bytes) -> tuple[list[Frame], bytes]:
        """Raises BadFrames."""
        parser = self._parser
        parser.receive_data(data)
        frames, answer = [], b""
        for event in parser.events_received():
            assert isinstance(event, WsFrame), "the handshake is over"
            if event.opcode is Opcode.PING:
                answer += WsFrame(Opcode.PONG, event.data).serialize(mask=False)
            elif event.opcode is not Opcode.PONG:
                frames.append(Frame(int(event.opcode), bytes(event.data), event.fin))
        parser.data_to_send()  # its own answers: ours are above, closing is for the far ends
        if parser.parser_exc is not None:
            raise BadFrames(str(parser.parser_exc))
        return frames, answer

    def down(self, frame: Frame) -> bytes:
        """Raises BadFrames: an opcode that there isn't."""
        try:
            opcode = Opcode(frame.opcode)
        except ValueError:
            raise BadFrames(f"a frame with opcode {frame.opcode}") from None
        return WsFrame(opcode, frame.payload, frame.is_last).serialize(mask=False)
