"""A stored reply in the form that a request asks for: a stream as a document, a document as a stream. All pure.

values.py       the seam: Form, Asked, Shape; reading strictly
framing.py      event streams and JSON arrays, apart and together
cached.py       usage of a reply that cost nothing this time

chat.py, completions.py    OpenAI; chunks.py is what both share
responses.py               OpenAI
messages.py                Anthropic
generate.py                Gemini

What isn't understood is never guessed: then there is no reply in the other form, and the cache counts a miss.
"""

from __future__ import annotations

from itertools import accumulate

import msgspec

from cache.entry import Entry
from edge.dialects.forms.chat import Chat
from edge.dialects.forms.completions import Completions
from edge.dialects.forms.framing import elements, elements_of, events_of, frame
from edge.dialects.forms.generate import Generate
from edge.dialects.forms.messages import Messages
from edge.dialects.forms.responses import Responses
from edge.dialects.forms.values import Asked, Event, Form, Shape, Unclear, decoded, encode
from edge.dialects.json_scan import members, value
from edge.dialects.request import query
from transport.message import Headers, header

__all__ = ["Asked", "Form", "as_asked", "asked", "to_json", "to_stream"]

_SHAPES: dict[str, Shape] = {
    "chat": Chat(),
    "completions": Completions(),
    "responses": Responses(),
    "messages": Messages(),
    "generate": Generate(),
}
_KINDS = {
    ("openai", "chat"): "chat",
    ("openai", "completions"): "completions",
    ("openai", "responses"): "responses",
    ("anthropic", "messages"): "messages",
    ("gemini", "generate"): "generate",
    ("gemini", "stream"): "generate",
}
_ECHOES: dict[str, dict[str, object]] = {
    "chat": {"metadata": {}},
    "responses": {"metadata": {}, "user": None, "safety_identifier": None, "prompt_cache_key": None},
}
"""Members of a reply that repeat what isn't part of the key, and what they are where the request has none."""

_EVENTS = b"text/event-stream"
_CONTENT_TYPES = {
    ("generate", Form.EVENTS): b"text/event-stream",
    ("generate", Form.DOCUMENT): b"application/json; charset=UTF-8",
    ("generate", Form.ARRAY): b"application/json; charset=UTF-8",
}
_DEFAULT_TYPES = {Form.EVENTS: b"text/event-stream; charset=utf-8", Form.DOCUMENT: b"application/json"}


def asked(dialect: str, operation: str, target: bytes, body: bytes) -> Asked | None:
    """What a request of a dialect and operation (of `edge.dialects.facts.Facts`) wants of its reply's form.

    `body` is whole. None: a form that nothing stored can be given in (Gemini's `alt=proto`).
    """
    if dialect == "azure":
        dialect = "openai"
    kind = _KINDS.get((dialect, operation), "")
    if dialect == "gemini":
        form = _gemini_form(operation, target)
        return None if form is None else Asked(kind, form)
    told = members(body, (b"stream", b"stream_options", *(name.encode() for name in _ECHOES.get(kind, ()))))
    form = Form.EVENTS if value(told.get(b"stream"), bool) else Form.DOCUMENT
    options = value(told.get(b"stream_options"), dict) or {}
    echoes = tuple(
        (name, _or_default(told.get(name.encode()), default)) for name, default in _ECHOES.get(kind, {}).items()
    )
    return Asked(kind, form, form is Form.EVENTS and options.get("include_usage") is True, echoes)


def _gemini_form(operation: str, target: bytes) -> Form | None:
    alt = query(target, "alt") or query(target, "$alt") or "json"
    if alt == "sse":
        return Form.EVENTS
    if alt != "json":
        return None
    return Form.ARRAY if operation == "stream" else Form.DOCUMENT


def _or_default(raw: bytes | None, default: object) -> object:
    told = None if raw is None else value(raw, object)
    return default if told is None else told


def to_json(kind: str, stream: bytes) -> bytes | None:
    """A whole stored event stream (or Gemini's array) as the document that says the same."""
    try:
        parse = elements_of if stream.lstrip()[:1] == b"[" else events_of
        return encode(_SHAPES[kind].document(parse(stream)))
    except Unclear:
        return None


def to_stream(asked: Asked, document: bytes) -> list[bytes] | None:
    """A whole stored document as the stream that is asked for, event by event."""
    try:
        return _SHAPES[asked.kind].stream(decoded(document), asked)
    except Unclear:
        return None


def as_asked(asked: Asked, entry: Entry, *, is_marked: bool = True) -> Entry | None:
    """The entry as the reply to another request with the same key; None if it can't be told in that form.

    `is_marked`: usage is said to come from a cache, in the dialect's words (see cached.py). An entry that needs no
    change is given back itself. The times of a stream's pieces stay those of the stored one.
    """
    stored = _form_of(asked.kind, entry)
    shape = _SHAPES.get(asked.kind)
    if shape is None:
        return entry if stored is asked.form else None
    try:
        if stored is asked.form:
            return _same(shape, asked, entry, is_marked)
        if stored is Form.DOCUMENT:
            document = decoded(entry.body)
            shape.complete(document, asked, is_marked)
            return _given(asked, entry, [(len(entry.body), piece) for piece in shape.stream(document, asked)])
        events = _events(stored, entry.body)
        if asked.form is not Form.DOCUMENT:
            return _streamed(shape, asked, entry, events, is_marked, reframe=True)
        document = shape.document(events)
        shape.complete(document, asked, is_marked)
        return _given(asked, entry, [(len(entry.body), encode(document))])
    except Unclear:
        return None


def _form_of(kind: str, entry: Entry) -> Form:
    is_stream = (header(list(entry.headers), b"content-type") or b"").lower().startswith(_EVENTS)
    if is_stream:
        return Form.EVENTS
    return Form.ARRAY if kind == "generate" and entry.body.lstrip()[:1] == b"[" else Form.DOCUMENT


def _events(form: Form, body: bytes) -> list[Event]:
    return elements_of(body) if form is Form.ARRAY else events_of(body)


def _same(shape: Shape, asked: Asked, entry: Entry, is_marked: bool) -> Entry | None:
    """In the form it has. What isn't understood is given as it is, unless it would say another caller's words."""
    if asked.form is not Form.DOCUMENT:
        return _streamed(shape, asked, entry, _events(asked.form, entry.body), is_marked, reframe=False)
    try:
        document = decoded(entry.body)
    except Unclear:
        return None if asked.echoes else entry
    if not shape.complete(document, asked, is_marked):
        return entry
    return _given(asked, entry, [(len(entry.body), encode(document))])


def _streamed(
    shape: Shape, asked: Asked, entry: Entry, events: list[Event], is_marked: bool, *, reframe: bool
) -> Entry | None:
    """A stream as a stream. Events that don't change keep their bytes."""
    if asked.with_usage and not any(_tells_usage(event) for event in events):
        return None
    pieces: list[tuple[int, bytes]] = []
    changed = reframe
    for event in events:
        data = shape.again(event, asked, is_marked)
        changed |= data is not None
        if data != b"":
            pieces.append((event.end, _framed(asked, entry.body, event, data, reframe)))
    if not changed:
        return entry
    if asked.form is Form.ARRAY:
        whole = elements([piece for _, piece in pieces])
        pieces = [(end, piece) for (end, _), piece in zip(pieces, whole, strict=True)]
    return _given(asked, entry, pieces)


def _tells_usage(event: Event) -> bool:
    return b'"usage"' in event.data and event.json().get("usage") is not None


def _framed(asked: Asked, body: bytes, event: Event, data: bytes | None, reframe: bool) -> bytes:
    if asked.form is Form.ARRAY:
        return event.data if data is None else data
    if data is None and not reframe:
        return body[event.start : event.end]
    if asked.kind == "generate":
        return b"data: " + (msgspec.json.format(event.data, indent=-1) if data is None else data) + b"\r\n\r\n"
    return frame(data or b"", event.kind)


def _given(asked: Asked, entry: Entry, pieces: list[tuple[int, bytes]]) -> Entry:
    """`entry` with another body. Each piece: how much of the stored body it takes to say it, and its bytes."""
    told = _CONTENT_TYPES.get((asked.kind, asked.form)) or _DEFAULT_TYPES[asked.form]
    headers: Headers = [(name, told if name == b"content-type" else text) for name, text in entry.headers]
    is_stream = asked.form is not Form.DOCUMENT
    return msgspec.structs.replace(
        entry,
        headers=tuple(headers),
        body=b"".join(piece for _, piece in pieces),
        chunks=_timed(entry, pieces) if is_stream else tuple((len(piece), 0) for _, piece in pieces),
        is_stream=is_stream,
    )


def _timed(entry: Entry, pieces: list[tuple[int, bytes]]) -> tuple[tuple[int, int], ...]:
    """When each piece was whole. What a document says in many pieces came with its last byte."""
    ends = accumulate(length for length, _ in entry.chunks)
    times = iter(zip(ends, (milliseconds for _, milliseconds in entry.chunks), strict=True))
    due_end, due = next(times, (0, 0))
    made: list[tuple[int, int]] = []
    for end, piece in pieces:
        while due_end < end and (later := next(times, None)) is not None:
            due_end, due = later
        made.append((len(piece), due))
    return tuple(made)
