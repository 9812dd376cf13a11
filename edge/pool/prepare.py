"""A request as an engine is to see it: OpenAI's path, the server's own name of the model, a reply that fits.

    openai, azure    chat completions, completions, embeddings: as they came, with the model renamed
                     responses: the same at vLLM and SGLang; translated to chat completions for the others
    anthropic        messages: translated
    gemini           generateContent and its stream: translated

Whatever else an API has – files, batches, images, sockets – has no counterpart in the pool. The headers are made anew:
the caller's keys and vendor headers are none of the server's business.
"""

from __future__ import annotations

import msgspec

from edge.config.model import Pool
from edge.dialects.json_scan import member_span, value
from edge.dialects.request import segments
from edge.dialects.translate import Translation, Untranslatable, translation
from edge.pool.tokens import Estimate
from transport.message import Headers, header
from transport.path import Protocol, Target

_AS_IT_IS = frozenset((("chat", "completions"), ("completions",), ("embeddings",)))
_WITH_RESPONSES = frozenset(("vllm", "sglang"))
_OPENAI = frozenset(("openai", "azure"))
_RESPONSES = ("responses",)
_TRANSLATED = frozenset(("messages", "generate", "stream"))
_LIMITS = (b"max_completion_tokens", b"max_tokens", b"max_output_tokens")
LEAST_REPLY = 16  # tokens: with less room than that a request doesn't fit


class Unfit(Exception):
    """This request can't be put to the pool; `status` and `detail` are for the caller."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class Prepared(msgspec.Struct, frozen=True):
    """`translation` None: the reply goes back as it is."""

    target: bytes
    body: bytes
    streaming: bool
    translation: Translation | None = None


def can_serve(dialect: str, operation: str, method: bytes, rest: bytes) -> bool:
    """Is there anything like it in the pool? Asked before the body is read."""
    if method != b"POST":
        return False
    if dialect in _OPENAI:
        path = _path(dialect, rest)
        return path in _AS_IT_IS or path == _RESPONSES
    return operation in _TRANSLATED


def prepare(
    pool: Pool, dialect: str, operation: str, rest: bytes, headers: Headers, body: bytes, model: str, streaming: bool
) -> Prepared:
    """For one server, which calls the model `model`.

    Raises:
        Unfit: it has no counterpart there, or some of its content has none, or it can't be read.
    """
    if header(headers, b"content-encoding") not in (None, b"identity"):
        raise Unfit("a compressed request can't be put to the local pool", 415)
    path = _path(dialect, rest)
    if dialect in _OPENAI and (path in _AS_IT_IS or (path == _RESPONSES and pool.engine in _WITH_RESPONSES)):
        return Prepared(_target(pool, path), with_model(body, model), streaming)
    way = translation(dialect, operation)
    if way is None:
        raise Unfit("the local pool has nothing like this operation")
    try:
        translated = way.request(rest, headers, body, model)
    except Untranslatable as wrong:
        raise Unfit(f"for the local pool: {wrong.reason}") from None
    return Prepared(pool.base_path.encode() + translated.target, translated.body, translated.streaming, way)


def target_of(pool: Pool) -> Target:
    """The server as the transport sees it. Engines speak HTTP/1.1; behind a TLS proxy it may be HTTP/2."""
    return Target(
        pool.id,
        pool.host,
        pool.port,
        pool.tls,
        (Protocol.H2, Protocol.H1) if pool.tls else (Protocol.H1,),
        pool.ca_file,
        max_connections=2 * pool.max_in_flight,
    )


def with_model(body: bytes, model: str) -> bytes:
    """The JSON body with this model, whichever it named; Azure's name none, since it stands in their path.

    Raises:
        Unfit: it isn't a JSON object.
    """
    name = msgspec.json.encode(model)
    span = member_span(body, b"model")
    if span is not None:
        return body[: span[0]] + name + body[span[1] :]
    start = body.lstrip()
    if not start.startswith(b"{"):
        raise Unfit("the request's body isn't a JSON object")
    rest = start[1:].lstrip()
    return b'{"model":' + name + (b"" if rest.startswith(b"}") else b",") + rest


def fitted(prepared: Prepared, context_tokens: int | None, prompt: Estimate) -> Prepared | None:
    """The request with its reply's limit lowered to what the context leaves; None if the prompt surely leaves too
    little. Where only the estimate's upper bound is over it is sent: the engine counts exactly, and says so."""
    if context_tokens is None:
        return prepared
    if prompt.least + LEAST_REPLY > context_tokens:
        return None
    room = max(LEAST_REPLY, context_tokens - prompt.most)
    body = prepared.body
    for name in _LIMITS:
        span = member_span(body, name)
        asked = value(body[slice(*span)], int) if span is not None else None
        if span is not None and asked is not None and asked > room:
            body = body[: span[0]] + b"%d" % room + body[span[1] :]
    return msgspec.structs.replace(prepared, body=body)


def request_headers(prepared: Prepared, pool: Pool, request_id: str) -> Headers:
    """All there are. The id is for the server's own log."""
    headers = [
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream" if prepared.streaming else b"application/json"),
        (b"content-length", b"%d" % len(prepared.body)),
        (b"x-request-id", request_id.encode()),
    ]
    if pool.credential is not None:
        headers.append((b"authorization", b"Bearer " + pool.credential.value.encode()))
    return headers


def _path(dialect: str, rest: bytes) -> tuple[str, ...]:
    parts = segments(rest)
    if dialect != "azure":
        return tuple(parts)
    if parts[:2] == ["openai", "deployments"]:
        return tuple(parts[3:])
    return tuple(parts[1:] if parts[:1] == ["openai"] else parts)


def _target(pool: Pool, path: tuple[str, ...]) -> bytes:
    return f"{pool.base_path}/v1/{'/'.join(path)}".encode()
