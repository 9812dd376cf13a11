from __future__ import annotations

import pytest

from transport.connector import NullObserver
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import end_to_end, header
from transport.path import Path, Protocol, Target
from transport.sample import TransportSample


@pytest.mark.parametrize(
    ("host", "port", "tls", "authority"),
    [
        ("api.example.com", 443, True, "api.example.com"),
        ("api.example.com", 80, False, "api.example.com"),
        ("api.example.com", 443, False, "api.example.com:443"),
        ("127.0.0.1", 9000, False, "127.0.0.1:9000"),
        ("::1", 443, True, "[::1]"),
        ("::1", 8443, True, "[::1]:8443"),
    ],
)
def test_authority_has_the_port_only_where_it_is_not_the_schemes_own(
    host: str, port: int, tls: bool, authority: str
) -> None:
    assert Target("t", host, port, tls).authority == authority


def test_a_path_prints_as_the_header_shows_it() -> None:
    assert str(Path("cn2", "openai")) == "cn2/direct/openai"
    assert str(Path("cn2", "openai", "sjc")) == "cn2/sjc/openai"


def test_the_first_of_several_headers() -> None:
    headers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]
    assert header(headers, b"a") == b"1"
    assert header(headers, b"c") is None


def test_hop_by_hop_fields_stay_behind() -> None:
    headers = [(b"accept", b"*/*"), (b"te", b"trailers"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"x")]
    assert end_to_end(headers) == [(b"accept", b"*/*")]


def test_and_so_do_those_that_connection_names() -> None:
    headers = [
        (b"connection", b"close, X-Secret"),
        (b"x-secret", b"1"),
        (b"x-plain", b"2"),
        (b"connection", b"x-other"),
        (b"x-other", b"3"),
    ]
    assert end_to_end(headers) == [(b"x-plain", b"2")]


def test_an_error_says_its_failure() -> None:
    failure = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_REFUSED, "127.0.0.1:9")
    assert str(TransportError(failure)) == "connection_refused: 127.0.0.1:9"
    assert TransportError(failure).failure is failure
    assert str(TransportError(Failure(Origin.LINE, Verdict.SAFE, Code.DNS_ERROR))) == "dns_error"


def test_the_observer_of_nothing_takes_everything() -> None:
    observer, path = NullObserver(), Path("cn2", "openai")
    observer.on_dialed(path, Protocol.H2, 0.1, False)
    observer.on_dial_failed(path, Failure(Origin.LINE, Verdict.SAFE, Code.DNS_ERROR))
    observer.on_closed(path, Protocol.H2, None)
    observer.on_round_trip(path, 0.1)
    observer.on_sample(path, TransportSample(0.1, 0.01, 0, 1, 0.0, 0, 0.0))
