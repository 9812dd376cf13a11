"""A response's stream that another connection takes up at a relay: what is kept, then what comes, at its pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from edge.relay.following import Following, unknown
from edge.relay.inlet import Inlet
from edge.resume.asked import Asked
from edge.resume.recording import Recording, Recordings
from tests.unit.resume.test_recording import events, recorded
from transport.failure import Failure
from transport.message import ResponseHead
from transport.session.record_readers import ReplyReader
from transport.session.records import End, Frame


@dataclass
class Session:
    room: int = 1 << 20
    written: bytes = b""
    is_ended: bool = False

    def writable(self, stream: int) -> int:
        return self.room

    def write(self, stream: int, data: bytes, *, end: bool = False) -> None:
        assert not self.is_ended
        self.written += data
        self.is_ended = end

    def told(self) -> list[Any]:
        return ReplyReader().feed(self.written)


@dataclass
class Here:
    session: Session
    stream: int = 4


def following(recording: Recording, after: int = -1, room: int = 1 << 20) -> tuple[Following, Session, Inlet]:
    session = Session(room)
    inlet = cast(Inlet, Here(session))
    work = Following(recording, Asked("resp_1", after))
    work.attach(inlet)
    return work, session, inlet


def body(told: list[Any]) -> bytes:
    return b"".join(each for each in told if isinstance(each, bytes))


def test_what_isnt_kept_is_unknown() -> None:
    head, end = ReplyReader().feed(unknown())
    assert isinstance(head, ResponseHead)
    assert head.status == 404
    assert isinstance(end, End)


def test_what_is_kept_then_what_comes_then_the_end() -> None:
    recording = recorded([events(0, 1, 2)])
    _, session, _ = following(recording, after=0)
    assert body(session.told()) == events(1, 2)
    recording.add(events(3))
    recording.end(1.0, is_whole=True)
    told = session.told()
    assert isinstance(told[0], ResponseHead)
    assert body(told) == events(1, 2, 3)
    assert isinstance(told[-1], End)
    assert session.is_ended
    assert not recording.followers


def test_it_waits_for_room() -> None:
    recording = recorded([events(0, 1)])
    work, session, _ = following(recording, room=0)
    recording.add(events(2))
    assert body(session.told()) == b""
    session.room = 10
    work.on_room()
    assert body(session.told()) == events(0, 1, 2)
    work.on_room()  # nothing more
    assert body(session.told()) == events(0, 1, 2)


def test_a_stream_that_breaks_is_cut_for_those_who_follow() -> None:
    recording = recorded([events(0)])
    _, session, _ = following(recording)
    recording.end(1.0, is_whole=False)
    assert isinstance(session.told()[-1], Failure)


def test_who_is_too_slow_is_cut() -> None:
    recordings = Recordings(16 * 600, 60.0)
    recording = recorded([events(0)], recordings)
    work, session, _ = following(recording, room=0)
    for number in range(1, 12):
        recording.add(events(number))
    session.room = 100
    work.on_room()
    assert isinstance(session.told()[-1], Failure)
    recording.add(events(12))
    work.on_more()  # it has been told
    assert session.is_ended


def test_events_that_are_gone() -> None:
    recording = recorded([events(0)], Recordings(16 * 600, 60.0))
    for number in range(1, 12):
        recording.add(events(number))
    with pytest.raises(ValueError, match="no longer"):
        Following(recording, Asked("resp_1", 0))


def test_who_leaves_hears_no_more() -> None:
    recording = recorded([events(0)])
    work, session, inlet = following(recording)
    work.begin()
    work.on_body(b"")
    work.on_body_end()
    work.on_frame(Frame(1, b""))
    before = session.written
    work.left(inlet, 0)
    recording.add(events(1))
    work.on_room()
    assert session.written == before
    assert not recording.followers
