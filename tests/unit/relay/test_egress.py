"""Where a relay lets requests go, and what it makes of their heads."""

from __future__ import annotations

import pytest

from edge.config.model import Endpoint, Provider, Secret, Snapshot
from edge.relay.egress import Destination, Egress
from transport.failure import Code, Failure, Verdict
from transport.message import Headers, RequestHead
from transport.session.records import Request


def endpoint(id: str, host: str, base_path: str = "", *, port: int = 443, tls: bool = True) -> Endpoint:
    return Endpoint(id, "openai", f"https://{host}{base_path}", host, port, tls, base_path)


PROVIDERS = (
    Provider("openai", "openai", (endpoint("a", "api.example"), endpoint("b", "gw.example", "/v1"))),
    Provider(
        "ours",
        "openai",
        (
            endpoint("c", "api.example"),
            endpoint("d", "api.example", "/deep"),
            endpoint("e", "plain", port=80, tls=False),
        ),
        Secret("env:K", "ours"),
        headers=(("x-team", "blue"),),
    ),
)
EGRESS = Egress.of(Snapshot(providers=PROVIDERS))


def request(
    provider: str = "openai",
    target: bytes = b"/v1/models",
    authority: bytes = b"api.example",
    scheme: bytes = b"https",
    headers: Headers | None = None,
    *,
    method: bytes = b"GET",
    websocket: bool = False,
) -> Request:
    head = RequestHead(method, target, authority, headers or [], scheme)
    return Request(head, provider, 1.0, 0, websocket)


def test_targets_are_those_of_all_endpoints() -> None:
    assert [target.id for target in EGRESS.targets] == ["a", "b", "d", "c", "e"]


@pytest.mark.parametrize(
    ("asked", "id", "rest"),
    [
        (request(), "a", b"/v1/models"),
        (request(target=b"/v1/models?x=../y"), "a", b"/v1/models?x=../y"),
        (request(target=b"/any/../where"), "a", b"/any/../where"),  # all of that host is allowed
        (request(authority=b"gw.example"), "b", b"/models"),
        (request(authority=b"gw.example", target=b"/v1?x=y"), "b", b"?x=y"),
        (request(authority=b"gw.example", target=b"/v1"), "b", b""),
        (request("ours", target=b"/deep/x"), "d", b"/x"),
        (request("ours", target=b"/deeper"), "c", b"/deeper"),
        (request("ours", authority=b"plain", scheme=b"http"), "e", b"/v1/models"),
    ],
)
def test_what_is_configured_is_found(asked: Request, id: str, rest: bytes) -> None:
    found = EGRESS.find(asked)
    assert isinstance(found, Destination)
    assert (found.upstream.endpoint.id, found.rest) == (id, rest)


@pytest.mark.parametrize(
    "asked",
    [
        request("other"),
        request(authority=b"evil.example"),
        request(authority=b"api.example:8443"),
        request(scheme=b"http"),
        request(authority=b"gw.example", target=b"/v2/models"),
        request(authority=b"gw.example", target=b"/v1x"),
        request(authority=b"gw.example", target=b"/v1/../admin"),
        request(authority=b"gw.example", target=b"/v1/%2e%2E/admin"),
        request(authority=b"gw.example", target=b"/v1/..%2fadmin"),
        request(authority=b"gw.example", target=b"/v1/.."),
    ],
)
def test_what_is_not_configured_is_denied(asked: Request) -> None:
    found = EGRESS.find(asked)
    assert isinstance(found, Failure)
    assert (found.code, found.verdict) == (Code.HTTP_REQUEST_DENIED, Verdict.SAFE)


@pytest.mark.parametrize(
    "asked",
    [
        request(method=b"GET /x HTTP/1.1\r\n"),
        request(target=b"/a b"),
        request(target=b"http://other/"),
        request(headers=[(b"a b", b"c")]),
        request(headers=[(b"a", b"b\r\nc: d")]),
        request(headers=[(b"content-length", b"+1")]),
    ],
)
def test_what_could_be_read_as_something_else_is_refused(asked: Request) -> None:
    found = EGRESS.find(asked)
    assert isinstance(found, Failure)
    assert found.code == Code.HTTP_REQUEST_ERROR


def head_of(asked: Request) -> RequestHead:
    found = EGRESS.find(asked)
    assert isinstance(found, Destination)
    return found.head(asked)


SENT: Headers = [
    (b"authorization", b"Bearer theirs"),
    (b"x-farline-line", b"cn2"),
    (b"te", b"trailers"),
    (b"x-team", b"red"),
    (b"accept", b"*/*"),
]


def test_the_edges_credential_passes_where_the_relay_has_none() -> None:
    head = head_of(request(authority=b"gw.example", headers=SENT))
    assert (head.target, head.authority, head.scheme) == (b"/v1/models", b"gw.example", b"https")
    assert head.headers == [(b"authorization", b"Bearer theirs"), (b"x-team", b"red"), (b"accept", b"*/*")]


def test_the_relays_own_credential_and_headers_replace_the_edges() -> None:
    assert dict(head_of(request("ours", headers=SENT)).headers) == {
        b"authorization": b"Bearer ours",
        b"accept": b"*/*",
        b"x-team": b"blue",
    }


def test_an_upgrade_keeps_its_handshake_but_not_its_extensions() -> None:
    handshake: Headers = [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-key", b"k"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ]
    assert head_of(request(headers=handshake, websocket=True)).headers == [
        (b"sec-websocket-key", b"k"),
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
    ]
    assert head_of(request(headers=handshake)).headers[0] == (b"sec-websocket-key", b"k")


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        (b"gzip, deflate, br", b"identity"),
        (b"*", b"identity"),
        (b"gzip;q=1.0, identity;q=0.5", b"identity"),
        (b"gzip, identity;q=0", b"gzip, identity;q=0"),
        (b"gzip, *; q=0.0", b"gzip, *; q=0.0"),
    ],
)
def test_a_reply_is_asked_for_without_a_coding_unless_the_client_rules_that_out(accepted: bytes, asked: bytes) -> None:
    assert head_of(request(headers=[(b"accept-encoding", accepted)])).headers == [(b"accept-encoding", asked)]
