"""A client whose words are compressed: everything behind it sees plain bodies.

The request's body is decompressed before anybody reads it, so the model is found, the cache's key is that of the plain
request, and the provider gets what every provider understands. The reply is compressed on its way out if that is worth
it: whoever made it, a provider, the local pool, the cache, or this node with an error.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.codings.decoding import BodyDecoder, body_decoder
from edge.codings.eligible import chosen, encoded_head, is_near
from edge.codings.encoders import Encoder, encoder
from edge.config.model import Snapshot
from edge.dialects.meters import is_json
from edge.serve.client import BodySink, ClientExchange, ClientFault
from transport.message import Headers

_OF_THE_CODED_BODY = (b"content-encoding", b"content-length", b"content-digest", b"digest", b"content-md5")
READ_BYTES = 16 * 1024  # of a compressed body at a time


def plain(client: ClientExchange, fields: dict[bytes, bytes], snapshot: Snapshot) -> ClientExchange:
    """`client` itself, or one that takes care of its codings, whose fields are then taken out of `fields`.

    Only JSON is decompressed: what it asks must be known here. Files go up as they are, and so does what has a coding
    that isn't understood here.
    """
    decoder = None
    if b"content-encoding" in fields and client.expects_body and is_json(client.headers):
        codings = [value for name, value in client.headers if name == b"content-encoding"]
        decoder = body_decoder(b", ".join(codings), snapshot.limits.body_bytes)
    accepts = fields.get(b"accept-encoding", b"")
    if accepts and not _may_compress(snapshot.listen.compress, client):
        accepts = b""
    if decoder is None and not accepts:
        return client
    if decoder is not None:
        for name in _OF_THE_CODED_BODY:
            fields.pop(name, None)
    return CodedClient(client, accepts, decoder)


def _may_compress(compress: str, client: ClientExchange) -> bool:
    return (compress == "always" or (compress == "auto" and not is_near(client.peer))) and client.method != b"HEAD"


class CodedClient:
    """See `edge.serve.client.ClientExchange`. What needs no coding goes to the inner one without a detour.

    Coding is done by objects of their own: methods of this one in its own slots would be a cycle for the collector.
    """

    __slots__ = (
        "_accepts",
        "_client",
        "abort",
        "end",
        "expects_body",
        "headers",
        "method",
        "pause_body",
        "peer",
        "read_body",
        "received_at",
        "reject_body",
        "resume_body",
        "stream_body",
        "target",
        "tunnel",
        "upgrade",
        "watch",
        "write",
    )

    def __init__(self, client: ClientExchange, accepts: bytes, decoder: BodyDecoder | None) -> None:
        self._client = client
        self._accepts = accepts
        self.method, self.target, self.peer = client.method, client.target, client.peer
        self.headers = client.headers
        self.received_at, self.upgrade, self.expects_body = client.received_at, client.upgrade, client.expects_body
        self.read_body, self.stream_body = client.read_body, client.stream_body
        self.pause_body, self.resume_body, self.reject_body = client.pause_body, client.resume_body, client.reject_body
        self.watch, self.tunnel, self.abort = client.watch, client.tunnel, client.abort
        self.write: Callable[[bytes], None] = client.write
        self.end: Callable[..., None] = client.end
        if decoder is not None:
            self.headers = [pair for pair in client.headers if pair[0] not in _OF_THE_CODED_BODY]
            body = _Decoded(client, decoder)
            self.read_body, self.stream_body = body.read, body.stream

    @property
    def started(self) -> bool:
        return self._client.started

    @property
    def is_gone(self) -> bool:
        return self._client.is_gone

    def start(self, status: int, headers: Headers) -> None:
        choice = chosen(self._accepts, status, headers) if self._accepts else None
        if choice is not None:
            headers = encoded_head(headers, choice.coding)
            reply = _Encoded(self._client, encoder(choice.coding, choice.length))
            self.write, self.end = reply.write, reply.end
        self._client.start(status, headers)


class _Encoded:
    """A reply's body on its way to the client."""

    __slots__ = ("_client", "_encoder")

    def __init__(self, client: ClientExchange, encoder: Encoder) -> None:
        self._client = client
        self._encoder = encoder

    def write(self, data: bytes) -> None:
        if out := self._encoder.feed(data):
            self._client.write(out)

    def end(self, trailers: Headers | None = None) -> None:
        self._client.write(self._encoder.finish())
        self._client.end(trailers)


class _Decoded:
    """A request's body as it comes from the client: read, and then streamed to a sink, for which this is one too."""

    __slots__ = ("_client", "_decoder", "_sink")

    def __init__(self, client: ClientExchange, decoder: BodyDecoder) -> None:
        self._client = client
        self._decoder = decoder
        self._sink: BodySink

    async def read(self, limit: int) -> tuple[bytes, bool]:
        found, size, is_whole = [], 0, False
        while size < limit and not is_whole:
            data, is_whole = await self._client.read_body(min(READ_BYTES, limit))
            plain = self._decoder.feed(data)
            if is_whole:
                self._decoder.end()
            found.append(plain)
            size += len(plain)
        return b"".join(found), is_whole

    def stream(self, sink: BodySink) -> None:
        self._sink = sink
        self._client.stream_body(self)

    def on_body(self, data: bytes) -> None:
        try:
            plain = self._decoder.feed(data)
        except ClientFault as fault:
            self._client.reject_body(fault)
            return
        if plain:
            self._sink.on_body(plain)

    def on_body_end(self) -> None:
        try:
            self._decoder.end()
        except ClientFault as fault:
            self._client.reject_body(fault)
            return
        self._sink.on_body_end()
