"""A request's body on its way to a provider that takes it compressed (`[[provider]] request_encoding`)."""

from __future__ import annotations

from edge.attempts.upload import Upload
from edge.codings.encoders import encoder
from edge.config.model import Provider
from edge.dialects.meters import is_json
from edge.serve.client import ClientExchange
from transport.message import Headers, header

WHOLE_BYTES = 1 << 20
"""A body up to this length is awaited whole, so that it can be compressed; a longer one streams as it is."""

SMALLEST_BYTES = 1400
"""A shorter body goes in one packet either way."""


def packed(upload: Upload, client: ClientExchange, provider: Provider, headers: Headers) -> tuple[Upload, Headers]:
    """What to send of `upload`, and with which headers. `upload` itself stays plain, for whoever else may get it."""
    coding = provider.request_encoding
    if coding is None or not upload.complete or not SMALLEST_BYTES <= upload.size <= 2 * WHOLE_BYTES:
        return upload, headers
    if not is_json(headers) or header(headers, b"content-encoding") is not None:
        return upload, headers
    made = encoder(coding.encode(), upload.size)
    body = made.feed(upload.take() or b"") + made.finish()
    kept = [pair for pair in headers if pair[0] not in (b"content-length", b"content-digest")]
    told = [(b"content-encoding", coding.encode()), (b"content-length", b"%d" % len(body))]
    return Upload(client, body, True), kept + told
