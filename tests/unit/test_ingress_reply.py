"""Reply heads, framing and error bodies; and how patient the ingress is."""

from __future__ import annotations

import json

import pytest

from edge.config.model import Limits
from edge.ingress.patience import LINGER_SECONDS, Phase, Progress, patience
from edge.ingress.reply import Framing, choose_framing, http_date, plain_error, render_head
from edge.ingress.workers import MAX_DELAY_SECONDS, restart_delay


@pytest.mark.parametrize(
    ("method", "http11", "status", "headers", "framing", "length"),
    [
        (b"GET", True, 200, [(b"content-length", b"7")], Framing.LENGTH, 7),
        (b"GET", True, 200, [(b"content-length", b"7"), (b"content-length", b"7")], Framing.LENGTH, 7),
        (b"GET", True, 200, [(b"a", b"1")], Framing.CHUNKED, 0),
        (b"GET", False, 200, [], Framing.CLOSE, 0),
        (b"HEAD", True, 200, [(b"content-length", b"7")], Framing.NONE, 0),
        (b"GET", True, 204, [], Framing.NONE, 0),
        (b"GET", True, 304, [(b"content-length", b"7")], Framing.NONE, 0),
    ],
)
def test_framing(
    method: bytes, http11: bool, status: int, headers: list[tuple[bytes, bytes]], framing: Framing, length: int
) -> None:
    assert choose_framing(method, http11, status, headers) == (framing, length)


@pytest.mark.parametrize("values", [[b"x"], [b""], [b"1", b"2"], [b"+1"]])
def test_a_malformed_content_length_is_refused(values: list[bytes]) -> None:
    with pytest.raises(ValueError):
        choose_framing(b"GET", True, 200, [(b"content-length", value) for value in values])


def test_render_head() -> None:
    headers = [(b"transfer-encoding", b"x"), (b"connection", b"x"), (b"a", b"1")]
    head = render_head(200, headers, Framing.CHUNKED, b"close", b"now")
    assert head == b"HTTP/1.1 200 OK\r\na: 1\r\ndate: now\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    assert render_head(200, [(b"date", b"then")], Framing.NONE, None, b"now") == (
        b"HTTP/1.1 200 OK\r\ndate: then\r\n\r\n"
    )
    assert render_head(204, [(b"content-length", b"0")], Framing.NONE, None) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert render_head(529, [], Framing.LENGTH, None) == b"HTTP/1.1 529 \r\n\r\n"


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb"])
def test_response_splitting_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):
        render_head(200, [(b"x", value)], Framing.NONE, None)
    with pytest.raises(ValueError):
        render_head(200, [(value, b"x")], Framing.NONE, None)


def test_http_date() -> None:
    assert http_date(784111777) == b"Sun, 06 Nov 1994 08:49:37 GMT"


def test_plain_error() -> None:
    headers, body = plain_error(413, "too large", b"/v1")
    assert headers == [(b"content-type", b"application/json")]
    error = json.loads(body)["error"]
    assert (error["message"], error["code"]) == ("too large", "request_entity_too_large")


def test_patience_covers_every_phase() -> None:
    limits = Limits()
    assert {phase: patience(phase, limits) for phase in Phase} == {
        Phase.IDLE: 75.0,
        Phase.HEAD: 10.0,
        Phase.BODY: 30.0,
        Phase.WRITE: 60.0,
        Phase.LINGER: LINGER_SECONDS,
        Phase.WORK: None,
    }


def test_progress_is_a_change_of_phase_or_mark() -> None:
    progress = Progress(Phase.IDLE, 0, 100.0)
    assert progress.observe(Phase.IDLE, 0, 103.0) == 3.0
    assert progress.observe(Phase.IDLE, 1, 104.0) == 0.0
    assert progress.observe(Phase.IDLE, 1, 105.0) == 1.0
    assert progress.observe(Phase.HEAD, 1, 106.0) == 0.0


def test_restart_delay_grows_and_is_bounded() -> None:
    assert [restart_delay(n) for n in (0, 1, 2, 3)] == [0.5, 0.5, 1.0, 2.0]
    assert restart_delay(100) == MAX_DELAY_SECONDS
