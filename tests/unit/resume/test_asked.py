"""What requests refer to, and who may."""

from __future__ import annotations

import pytest

from edge.resume.asked import NOBODY, Asked, makes_response, owner_of, referred, resumed


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        (b"GET", b"/v1/responses/resp_1?stream=true&starting_after=7", Asked("resp_1", 7)),
        (b"GET", b"/v1/responses/resp_1?starting_after=0&stream=true&include=a", Asked("resp_1", 0)),
        (b"GET", b"/openai/v1/responses/resp_1?stream=true", Asked("resp_1", -1)),
        (b"GET", b"/openai/responses/resp_1?api-version=1&stream=true", Asked("resp_1", -1)),
        (b"GET", b"/v1/responses/resp_1", None),
        (b"GET", b"/v1/responses/resp_1?stream=false", None),
        (b"GET", b"/v1/responses/resp_1/input_items?stream=true", None),
        (b"GET", b"/v1/responses?stream=true", None),
        (b"GET", b"/v1/models/m?stream=true", None),
        (b"GET", b"/v1/responses/resp_1?stream=true&starting_after=x", None),
        (b"GET", b"/v1/responses/resp_1?stream=true&starting_after=%C2%B2", None),
        (b"GET", b"/v1/responses/resp_1?stream=true&starting_after=1234567890123456", None),
        (b"POST", b"/v1/responses/resp_1?stream=true", None),
    ],
)
def test_a_stream_to_go_on_with(method: bytes, target: bytes, expected: Asked | None) -> None:
    assert resumed(method, target) == expected


def test_what_makes_a_response() -> None:
    assert makes_response(b"POST", b"/v1/responses")
    assert makes_response(b"POST", b"/openai/responses?api-version=1")
    assert not makes_response(b"GET", b"/v1/responses")
    assert not makes_response(b"POST", b"/v1/responses/compact")


def test_the_response_that_a_request_is_about() -> None:
    assert referred(b"/v1/responses/resp_1/cancel", b"") == "resp_1"
    assert referred(b"/v1/responses", b'{"previous_response_id": "resp_2", "input": "previous_response_id') == "resp_2"
    assert referred(b"/v1/responses", b'{"previous_response_id": null}') is None
    assert referred(b"/v1/responses", b"") is None


def test_owners() -> None:
    one = owner_of("openai", None, "k")
    assert one == owner_of("openai", "k")
    assert len({one, owner_of("openai", "k", "l"), owner_of("xai", "k"), owner_of("openai", "l"), NOBODY}) == 5
    assert owner_of("openai", None, "") == NOBODY
    assert b"k" not in one
