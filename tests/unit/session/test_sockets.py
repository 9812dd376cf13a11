from __future__ import annotations

import pytest
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WsFrame
from websockets.protocol import CLIENT, OPEN, Protocol

from transport.session.records import Frame
from transport.session.sockets import BadFrames, FrameLink


def near() -> Protocol:
    return Protocol(CLIENT, state=OPEN)


def sent(near: Protocol) -> bytes:
    return b"".join(near.data_to_send())


def test_messages_cross_one_by_one() -> None:
    client, link = near(), FrameLink()
    client.send_text(b"hello")
    client.send_binary(b"part", fin=False)
    client.send_continuation(b"ed", fin=True)
    data = sent(client)
    frames = []
    for at in range(len(data)):
        more, answer = link.up(data[at : at + 1])
        frames += more
        assert answer == b""
    assert frames == [Frame(1, b"hello"), Frame(2, b"part", False), Frame(0, b"ed")]
    client.receive_data(b"".join(map(link.down, frames)))
    events = [event for event in client.events_received() if isinstance(event, WsFrame)]
    assert [(event.opcode, bytes(event.data), event.fin) for event in events] == [
        (Opcode.TEXT, b"hello", True),
        (Opcode.BINARY, b"part", False),
        (Opcode.CONT, b"ed", True),
    ]


def test_pings_are_answered_here() -> None:
    client, link = near(), FrameLink()
    client.send_ping(b"there?")
    client.send_pong(b"unasked")
    frames, answer = link.up(sent(client))
    assert frames == []
    client.receive_data(answer)
    (pong,) = client.events_received()
    assert isinstance(pong, WsFrame)
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"there?")


def test_close_frames_cross_as_they_are() -> None:
    client, link = near(), FrameLink()
    client.send_close(4001, "enough")
    frames, answer = link.up(sent(client))
    assert frames == [Frame(8, Close(4001, "enough").serialize())]
    assert answer == b""
    client.receive_data(link.down(Frame(8, Close(4002, "indeed").serialize())))
    assert client.close_rcvd == Close(4002, "indeed")


def test_what_is_no_websocket() -> None:
    with pytest.raises(BadFrames):
        FrameLink().up(b"\xff\xff\xff\xff")
    with pytest.raises(BadFrames, match="opcode 5"):
        FrameLink().down(Frame(5, b""))
