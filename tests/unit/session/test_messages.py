"""Droppable messages: late ones go, order stays, pieces join."""

from __future__ import annotations

import pytest

from transport.session.acks import Shortest
from transport.session.frames import MessageFrame
from transport.session.messages import MAX_MESSAGE_BYTES, MAX_QUEUED, MessagesIn, MessagesOut
from transport.session.values import Code
from transport.session.wire import WireError, decode, encode_header


def frames(out: MessagesOut, now: float) -> list[MessageFrame]:
    due, _ = out.take_due(now)
    return [frame for piece in due for frame in decode(encode_header(0, True) + piece.frame)[2]]  # type: ignore[misc]


def message(number: int, sent_ms: int, *, piece: int = 0, pieces: int = 1, lifetime_ms: int = 100) -> MessageFrame:
    return MessageFrame(1, number, piece, pieces, sent_ms, lifetime_ms, b"%d.%d" % (number, piece))


def test_sent_until_acknowledged_or_late() -> None:
    out = MessagesOut()
    out.append(1, b"one", 0.1, 5.0)
    out.append(1, b"two", 0.1, 5.05)
    due, late = out.take_due(5.06)
    assert len(due) == 2 and late == 0
    for piece in due:
        piece.is_due = False
    assert out.take_due(5.07) == ([], 0)
    due[0].is_done = True
    due[1].is_due = True
    assert out.take_due(5.08) == ([due[1]], 0)
    assert out.take_due(5.2) == ([], 1) and len(out) == 0


def test_pieces() -> None:
    out, into = MessagesOut(), MessagesIn(Shortest(60.0))
    data = bytes(range(256)) * 8
    out.append(1, data, 0.1, 1.0)
    out.append(1, b"", 0.1, 1.0)
    told = [into.receive(frame, 1.05)[0] for frame in frames(out, 1.0)]
    assert told == [None, None, data, b""]
    with pytest.raises(ValueError):
        out.append(1, bytes(MAX_MESSAGE_BYTES + 1), 0.1, 1.0)


def test_the_queue_is_bounded() -> None:
    out = MessagesOut()
    for count in range(MAX_QUEUED + 5):
        out.append(1, b"%d" % count, 100.0, 0.0)
    assert len(out) == MAX_QUEUED and frames(out, 0.0)[0].data == b"5"


def test_late_and_old_ones_are_dropped() -> None:
    into = MessagesIn(Shortest(60.0))
    assert into.receive(message(2, 1000), 1.05) == (b"2.0", False)
    assert into.receive(message(1, 990), 1.05) == (None, False)
    assert into.receive(message(2, 1000), 1.06) == (None, False)
    assert into.receive(message(3, 1000), 1.15) == (b"3.0", False)
    assert into.receive(message(4, 1000), 1.1511) == (None, True)
    assert into.receive(message(5, 1000, lifetime_ms=500), 1.4) == (b"5.0", False)


def test_a_clock_that_wraps() -> None:
    into = MessagesIn(Shortest(60.0))
    assert into.receive(message(1, 0xFFFF_FFF0), 0.04)[0] == b"1.0"
    assert into.receive(message(2, 10), 0.066)[0] == b"2.0"
    assert into.receive(message(3, 10), 0.2)[1]


def test_incomplete_messages_are_few() -> None:
    into = MessagesIn(Shortest(60.0))
    for number in range(1, 12):
        assert into.receive(message(number, 0, pieces=2), 0.0)[0] is None
    assert into.receive(message(3, 0, piece=1, pieces=2), 0.0)[0] is None
    assert into.receive(message(5, 0, piece=1, pieces=2), 0.0)[0] == b"5.05.1"
    assert into.receive(message(4, 0, piece=1, pieces=2), 0.0)[0] is None
    assert into.receive(message(6, 0, piece=1, pieces=2), 0.0)[0] == b"6.06.1"


@pytest.mark.parametrize("frame", [message(0, 0), message(1, 0, piece=1), message(1, 0, pieces=65)])
def test_impossible_numbers(frame: MessageFrame) -> None:
    with pytest.raises(WireError) as caught:
        MessagesIn(Shortest(60.0)).receive(frame, 0.0)
    assert caught.value.code is Code.MALFORMED
