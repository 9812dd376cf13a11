"""Bodies for providers that take them compressed."""

from __future__ import annotations

import gzip

import pytest

from edge.attempts.upload import Upload
from edge.config.model import Provider
from edge.serve.packed import SMALLEST_BYTES, packed
from transport.message import Headers

LONG = b'{"messages":"' + b"a" * SMALLEST_BYTES + b'"}'
JSON: Headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(LONG))]
GZIP = Provider("openai", "openai", (), request_encoding="gzip")


def upload(body: bytes = LONG, complete: bool = True) -> Upload:
    return Upload(None, body, complete)  # type: ignore[arg-type]  # a whole body asks its client nothing


def test_a_long_json_body_goes_compressed() -> None:
    plain = upload()
    made, headers = packed(plain, None, GZIP, [*JSON, (b"content-digest", b"x")])  # type: ignore[arg-type]
    body = made.take()
    assert body is not None
    assert gzip.decompress(body) == LONG == plain.take()
    assert headers[1:] == [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]


@pytest.mark.parametrize(
    ("provider", "body", "headers"),
    [
        (Provider("openai", "openai", ()), upload(), JSON),
        (GZIP, upload(b"{}"), JSON),
        (GZIP, upload(complete=False), JSON),
        (GZIP, upload(), [(b"content-type", b"image/png")]),
        (GZIP, upload(), [*JSON, (b"content-encoding", b"br")]),
    ],
)
def test_all_others_go_as_they_are(provider: Provider, body: Upload, headers: Headers) -> None:
    assert packed(body, None, provider, headers) == (body, headers)  # type: ignore[arg-type]
