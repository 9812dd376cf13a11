"""transport.reply: what a sink is told, and what is a complaint."""

from __future__ import annotations

import pytest

from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, RequestHead, ResponseHead
from transport.reply import REFUSED, RESET, Reply, content_length, request_fields, response_head, trailer_fields


class Told:
    """A sink that keeps the calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def on_head(self, head: ResponseHead) -> None:
        self.calls.append(head)

    def on_data(self, data: bytes) -> None:
        self.calls.append(data)

    def on_end(self, trailers: Headers) -> None:
        self.calls.append(trailers)

    def on_failure(self, failure: Failure) -> None:
        self.calls.append(failure)

    def on_writable(self) -> None:
        self.calls.append("writable")


OK = (b":status", b"200")


def test_request_fields_carry_nothing_of_the_connection() -> None:
    head = RequestHead(b"POST", b"/x", b"a.test", [(b"te", b"x"), (b"host", b"b"), (b"upgrade", b"h2c"), (b"a", b"1")])
    assert request_fields(head) == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b":path", b"/x"),
        (b"a", b"1"),
    ]


def test_a_good_head() -> None:
    assert response_head([OK, (b"a", b"b"), (b"a", b"")]) == ResponseHead(200, [(b"a", b"b"), (b"a", b"")])


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"a", b"b")],
        [OK, OK],
        [(b"a", b"b"), OK],
        [(b":status", b"20")],
        [(b":status", b"099")],
        [(b":status", b"200 OK")],
        [(b":status", b"101")],
        [OK, (b":path", b"/")],
        [OK, (b"Upper", b"x")],
        [OK, (b"", b"x")],
        [OK, (b"a b", b"x")],
        [OK, (b"transfer-encoding", b"chunked")],
        [OK, (b"a", b"b\r\nc: d")],
        [OK, (b"a", b"\0")],
    ],
)
def test_bad_heads(fields: Headers) -> None:
    assert isinstance(response_head(fields), str)


def test_trailers() -> None:
    assert trailer_fields([(b"a", b"b")]) == [(b"a", b"b")]
    assert isinstance(trailer_fields([OK]), str)


@pytest.mark.parametrize(
    ("method", "status", "values", "expected"),
    [
        (b"GET", 200, [], None),
        (b"GET", 200, [b"5"], 5),
        (b"GET", 200, [b"5", b"5"], 5),
        (b"HEAD", 200, [b"5"], 0),
        (b"GET", 204, [], 0),
        (b"GET", 304, [b"5"], 0),
    ],
)
def test_content_length(method: bytes, status: int, values: list[bytes], expected: int | None) -> None:
    head = ResponseHead(status, [(b"content-length", value) for value in values])
    assert content_length(method, head) == expected


@pytest.mark.parametrize("values", [[b"x"], [b""], [b"-1"], [b"5", b"6"], [b"1" * 30]])
def test_bad_content_length(values: list[bytes]) -> None:
    head = ResponseHead(200, [(b"content-length", value) for value in values])
    assert isinstance(content_length(b"GET", head), str)
    assert isinstance(Reply(Told(), b"GET").on_fields([OK, *head.headers]), str)


def test_a_whole_reply() -> None:
    told = Told()
    reply = Reply(told, b"GET")
    assert reply.on_fields([OK, (b"content-length", b"3")]) is None
    assert reply.on_data(b"ab") is None
    assert reply.on_data(b"") is None
    assert reply.on_data(b"c") is None
    assert reply.on_end([]) is None
    reply.fail(*RESET, "late")
    assert told.calls == [ResponseHead(200, [(b"content-length", b"3")]), b"ab", b"c", []]


def test_complaints_about_length_and_order() -> None:
    reply = Reply(Told(), b"GET")
    assert reply.on_end([]) == "stream ended without a response"
    assert reply.on_fields([]) == "no valid :status"
    reply.on_fields([OK, (b"content-length", b"3")])
    assert reply.on_data(b"ab") is None
    assert reply.on_end([]) == "body shorter than content-length"
    assert reply.on_data(b"cd") == "body longer than content-length"


def test_without_length_any_end_is_good() -> None:
    reply = Reply(Told(), b"GET")
    reply.on_fields([OK])
    reply.on_data(b"x" * 100)
    assert reply.on_end([]) is None


@pytest.mark.parametrize(
    ("has_left", "has_begun", "executed", "verdict"),
    [
        (False, False, True, Verdict.SAFE),
        (True, False, True, Verdict.UNKNOWN),
        (True, False, False, Verdict.SAFE),
        (True, True, True, Verdict.UNSAFE),
        (True, True, False, Verdict.UNSAFE),
    ],
)
def test_verdicts(has_left: bool, has_begun: bool, executed: bool, verdict: Verdict) -> None:
    told = Told()
    reply = Reply(told, b"GET")
    reply.has_left = has_left
    if has_begun:
        reply.on_fields([OK])
    reply.fail(*REFUSED, "why", executed=executed)
    reply.fail(*REFUSED, "again")
    assert told.calls[-1] == Failure(Origin.ENDPOINT, verdict, Code.STREAM_REFUSED, "why")
    assert sum(isinstance(call, Failure) for call in told.calls) == 1


def test_silence() -> None:
    told = Told()
    reply = Reply(told, b"GET")
    reply.on_writable()
    reply.silence()
    reply.fail(*RESET, "late")
    assert told.calls == ["writable"]
