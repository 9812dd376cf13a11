"""One stream's records become a request's parts, and credit is given for what has gone on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from edge.relay.execution import Execution
from edge.relay.inlet import Inlet
from transport.failure import Code as FailureCode
from transport.failure import Failure, Origin, Verdict
from transport.message import RequestHead
from transport.session.live import LiveSession
from transport.session.record_readers import ReplyReader
from transport.session.record_writers import RequestWriter
from transport.session.records import Frame, Request, message
from transport.session.values import Code, Priority

HEAD = RequestHead(b"POST", b"/v1/x", b"api.example", [])


@dataclass
class Session:
    consumed_bytes: int = 0
    written: bytes = b""
    is_ended: bool = False
    resets: list[tuple[int, int, str]] = field(default_factory=list)

    def consumed(self, stream: int, size: int) -> None:
        self.consumed_bytes += size

    def write(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.written += data
        self.is_ended = end

    def reset(self, stream: int, code: int, reason: str) -> None:
        self.resets.append((stream, code, reason))


class Work:
    """Stands for an execution."""

    def __init__(self, body_bytes: int = 0) -> None:
        self.body_bytes = body_bytes
        self.takes_body = True
        self.heard: list[Any] = []

    def attach(self, inlet: Inlet) -> None:
        self.heard.append("attach")

    def begin(self) -> None:
        if "begin" not in self.heard:
            self.heard.append("begin")

    def on_body(self, data: bytes) -> None:
        self.heard.append(data)

    def on_body_end(self) -> None:
        self.heard.append("end")

    def on_frame(self, frame: Frame, *, is_message: bool = False) -> None:
        self.heard.append((frame, is_message))

    def on_room(self) -> None:
        self.heard.append("room")

    def left(self, inlet: Inlet, code: int) -> None:
        self.heard.append(("left", code))


class Desk:
    def __init__(self, work: Work | None) -> None:
        self.work = work
        self.requests: list[Request] = []
        self.ends: list[str] = []

    def arrived(self, inlet: Inlet, request: Request) -> None:
        self.requests.append(request)
        if self.work is not None:
            inlet.join(cast("Execution", self.work))

    def acked(self, inlet: Inlet) -> None:
        self.ends.append("acked")

    def closed(self, inlet: Inlet) -> None:
        self.ends.append("closed")


def made(work: Work | None) -> tuple[Inlet, Session, Desk]:
    session, desk = Session(), Desk(work)
    return Inlet(desk, cast("LiveSession", session), 7, b"\1" * 16, Priority.INTERACTIVE), session, desk


def test_a_request_with_a_body() -> None:
    work = Work()
    inlet, session, desk = made(work)
    writer = RequestWriter()
    data = writer.request(HEAD, "openai", 5.0) + writer.body(b"one")
    inlet.on_data(data, False)
    assert desk.requests == [Request(HEAD, "openai", 5.0)]
    assert work.heard == ["attach", b"one", "begin"]
    assert session.consumed_bytes == len(data)
    inlet.on_data(writer.end(), True)
    assert work.heard[-1] == "end"
    inlet.on_writable()
    assert work.heard[-1] == "room"
    inlet.on_acked()
    assert desk.ends == ["acked"]


def test_credit_waits_for_the_provider() -> None:
    work = Work()
    work.takes_body = False
    inlet, session, _ = made(work)
    writer = RequestWriter()
    data = writer.request(HEAD, "openai", 5.0) + writer.body(b"one")
    inlet.on_data(data, False)
    assert session.consumed_bytes == 0
    work.takes_body = True
    inlet.grant()
    inlet.grant()
    assert session.consumed_bytes == len(data)


@pytest.mark.parametrize(("skip", "passed"), [(0, [b"abc", b"def"]), (4, [b"ef"]), (6, []), (9, [])])
def test_what_an_earlier_stream_brought_is_skipped(skip: int, passed: list[bytes]) -> None:
    work = Work(skip)
    inlet, _, _ = made(work)
    writer = RequestWriter()
    inlet.on_data(writer.request(HEAD, "p", 1) + writer.body(b"abc") + writer.body(b"def") + writer.end(), True)
    assert [each for each in work.heard if isinstance(each, bytes)] == passed


def test_a_request_that_was_answered_at_once() -> None:
    inlet, session, _ = made(None)
    writer = RequestWriter()
    data = writer.request(HEAD, "p", 1) + writer.body(b"abc") + writer.end()
    failure = Failure(Origin.EDGE, Verdict.SAFE, FailureCode.HTTP_REQUEST_DENIED, "no")
    inlet.on_data(data, True)
    inlet.fail(failure)
    inlet.on_message(b"\x81x")
    inlet.on_writable()
    assert ReplyReader().feed(session.written) == [failure]
    assert session.is_ended
    assert session.consumed_bytes == len(data)
    inlet.on_over(Code.CANCELLED, "")


def test_frames_and_messages() -> None:
    work = Work()
    inlet, _, _ = made(work)
    writer = RequestWriter()
    inlet.on_data(writer.request(HEAD, "p", 1, 0, websocket=True) + writer.frame(1, b"hi"), False)
    inlet.on_message(message(Frame(1, b"audio")))
    assert work.heard[-1] == (Frame(1, b"audio"), True)
    assert (Frame(1, b"hi"), False) in work.heard


@pytest.mark.parametrize("how", ["bytes", "message", "cut"])
def test_what_is_no_request_gives_the_stream_up(how: str) -> None:
    work = Work()
    inlet, session, desk = made(work)
    writer = RequestWriter()
    inlet.on_data(writer.request(HEAD, "p", 1), False)
    if how == "bytes":
        inlet.on_data(b"\x03\x01\x01", False)
    elif how == "message":
        inlet.on_message(b"")
    else:
        inlet.on_data(b"", True)
    assert [(stream, code) for stream, code, _ in session.resets] == [(7, Code.MALFORMED)]
    assert work.heard[-1] == ("left", Code.CANCELLED)
    assert desk.ends == ["closed"]
    inlet.on_over(Code.CANCELLED, "late")
    assert desk.ends == ["closed"]


def test_malformed_bytes_before_a_request() -> None:
    inlet, session, _ = made(None)
    inlet.on_data(b"\x05\x00", False)
    assert session.resets[0][1] == Code.MALFORMED


def test_a_stream_that_is_over_or_given_up_hears_nothing_more() -> None:
    work = Work()
    inlet, session, desk = made(work)
    writer = RequestWriter()
    inlet.on_data(writer.request(HEAD, "p", 1), False)
    inlet.on_over(Code.CANCELLED, "the client left")
    assert work.heard[-1] == ("left", Code.CANCELLED)
    inlet.give_up(Code.DUPLICATE, "too late")
    assert session.resets == []
    assert desk.ends == ["closed"]


def test_a_desk_may_give_the_stream_up_in_the_middle_of_its_bytes() -> None:
    class Refusing(Desk):
        def arrived(self, inlet: Inlet, request: Request) -> None:
            inlet.give_up(Code.DUPLICATE, "again")

    session, desk = Session(), Refusing(None)
    inlet = Inlet(desk, cast("LiveSession", session), 7, bytes(16), Priority.INTERACTIVE)
    writer = RequestWriter()
    inlet.on_data(writer.request(HEAD, "p", 1) + writer.body(b"abc") + writer.end(), True)
    inlet2 = Inlet(desk, cast("LiveSession", session), 8, bytes(16), Priority.INTERACTIVE)
    inlet2.on_data(writer.request(HEAD, "p", 1), False)
    assert session.resets == [(7, Code.DUPLICATE, "again"), (8, Code.DUPLICATE, "again")]
    assert session.consumed_bytes == 0
