"""Links in replies: those to the provider lead through the edge, all others stay."""

from __future__ import annotations

import pytest

from edge.config.model import Endpoint, Provider
from edge.observe.record import RequestRecord
from edge.serve.reply import added_without_asking, base_url, returned
from edge.serve.tables import Upstream

ENDPOINT = Endpoint("gemini", "gemini", "https://api.test/base", "api.test", 443, True, base_path="/base")
UPSTREAM = Upstream.of(Provider("gemini", "gemini", (ENDPOINT,)), ENDPOINT)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (b"https://api.test/base/upload?id=1", b"http://edge/gemini/upload?id=1"),
        (b"https://api.test/base", b"http://edge/gemini"),
        (b"https://api.test/base?x", b"http://edge/gemini?x"),
        (b"https://api.test/basement", b"https://api.test/basement"),
        (b"https://api.test.example/base/x", b"https://api.test.example/base/x"),
        (b"http://api.test/base/x", b"http://api.test/base/x"),
        (b"/relative", b"/relative"),
    ],
)
@pytest.mark.parametrize("name", [b"x-goog-upload-url", b"location"])
def test_links(name: bytes, link: bytes, expected: bytes):
    assert returned(
        [(name, link), (b"x-other", link)], [(b"x-own", b"1")], UPSTREAM, lambda: b"http://edge/gemini"
    ) == [
        (name, expected),
        (b"x-other", link),
        (b"x-own", b"1"),
    ]


def test_what_speaks_of_the_providers_origin_is_not_returned():
    assert returned([(b"alt-svc", b'h3=":443"'), (b"connection", b"close")], [], UPSTREAM, lambda: b"http://edge") == []


def test_the_nodes_own_base_url():
    assert base_url([(b"host", b"edge:8080")], False, b"/openai") == b"http://edge:8080/openai"
    assert base_url([(b"host", b"edge")], True, b"") == b"https://edge"
    assert base_url([(b"host", b"edge"), (b"x-forwarded-proto", b"https")], False, b"") == b"https://edge"
    assert base_url([], False, b"") == b"http://localhost"


def test_a_reply_for_which_nothing_was_sent_says_so():
    record = RequestRecord("id-1", 10.0, "192.0.2.1", "POST", "/v1/chat/completions", cache="hit")
    assert added_without_asking(record, 10.0025) == [
        (b"x-farline-request-id", b"id-1"),
        (b"x-farline-attempts", b"0"),
        (b"x-farline-cache", b"hit"),
        (b"server-timing", b"edge;dur=2.5"),
    ]
