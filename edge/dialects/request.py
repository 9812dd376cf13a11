"""Reads what every dialect reads of a request: path, query, the SDK's headers, and the fields of its body."""

from __future__ import annotations

import math
import re
from urllib.parse import parse_qsl, unquote

import msgspec

from edge.dialects.json_scan import is_filled, members, value
from transport.message import Headers, header

SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS"))

_VERSION = re.compile(r"v\d+(?:alpha|beta)?\d*")
_PATIENCE = (b"x-stainless-read-timeout", b"x-stainless-timeout", b"x-server-timeout")
_BOUNDARY = re.compile(rb'boundary="?([^";,\s]+)', re.IGNORECASE)
_PART_NAME = re.compile(rb'content-disposition:[^\r\n]*[; ]name="?([^";\r\n]+)', re.IGNORECASE)
_FORM_BYTES = 1 << 20
"""How far into a multipart form its text fields are looked for."""

_ABSENT = msgspec.Raw()
_NO_THINKING = re.compile(rb'"(?:none|minimal|disabled)"')


class Fields(msgspec.Struct):
    """The members of a request body that some dialect asks for. Unset where the body has none, or not of this type."""

    model: str | None = None
    stream: bool | None = None
    tools: msgspec.Raw = _ABSENT
    functions: msgspec.Raw = _ABSENT
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    background: bool | None = None
    conversation: msgspec.Raw = _ABSENT
    stream_format: str | None = None
    generationConfig: msgspec.Raw = _ABSENT  # noqa: N815 - the wire's name
    generation_config: msgspec.Raw = _ABSENT
    reasoning: msgspec.Raw = _ABSENT
    reasoning_effort: msgspec.Raw = _ABSENT
    thinking: msgspec.Raw = _ABSENT

    @property
    def has_tools(self) -> bool:
        if self.tools is _ABSENT and self.functions is _ABSENT:
            return False
        return is_filled(bytes(self.tools)) or is_filled(bytes(self.functions))

    @property
    def asks_to_reason(self) -> bool:
        """OpenAI's `reasoning_effort` or `reasoning.effort`, Anthropic's `thinking`, Gemini's `thinkingConfig`."""
        for said in (self.reasoning, self.reasoning_effort, self.thinking):
            if said is not _ABSENT and bytes(said) not in (b"", b"null") and not _NO_THINKING.search(bytes(said)):
                return True
        if self.generationConfig is _ABSENT and self.generation_config is _ABSENT:
            return False
        return b"thinkingConfig" in bytes(self.generationConfig) or b"thinking_config" in bytes(self.generation_config)

    @property
    def token_limit(self) -> int | None:
        for limit in (self.max_completion_tokens, self.max_output_tokens, self.max_tokens):
            if limit is not None:
                return limit
        return None


NO_FIELDS = Fields()
_NAMES = frozenset(name.encode() for name in Fields.__struct_fields__)
_decode = msgspec.json.Decoder(Fields).decode


def segments(target: bytes) -> list[str]:
    """The path of an origin-form target, unquoted, without an API version (`v1`, `v1beta`…) and what precedes it."""
    path = target.partition(b"?")[0].decode("latin-1")
    parts = [part for part in path.split("/") if part]
    if "%" in path:
        parts = [unquote(part) for part in parts]
    for at, part in enumerate(parts):
        if part[0:1] == "v" and _VERSION.fullmatch(part):
            return parts[at + 1 :]
    return parts


def query(target: bytes, name: str) -> str | None:
    """The first value of a query parameter, unquoted."""
    if b"?" not in target:
        return None
    text = target.partition(b"?")[2].decode("latin-1")
    for key, found in parse_qsl(text, keep_blank_values=True):
        if key == name:
            return found
    return None


def patience(headers: Headers) -> float | None:
    """Seconds that the SDK says it will wait: Stainless's read timeout, or google-genai's x-server-timeout."""
    told = {name: value for name, value in reversed(headers) if name in _PATIENCE}
    for name in _PATIENCE if told else ():
        seconds = _number(told.get(name))
        if seconds is not None:
            return seconds
    return None


def retry_count(headers: Headers) -> int:
    """How often the SDK says it has already tried (x-stainless-retry-count); 0 if it doesn't say."""
    count = _number(header(headers, b"x-stainless-retry-count"))
    return 0 if count is None else min(int(count), 1_000)


def _number(raw: bytes | None) -> float | None:
    try:
        number = float(raw or b"")
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def body_fields(headers: Headers, body: bytes, complete: bool) -> Fields:
    """The known fields of a JSON or multipart body, or of as much of it as there is. Never raises.

    A compressed body, or one that isn't what its content-type says, has none: that is for the provider to judge.
    """
    if not body or header(headers, b"content-encoding") not in (None, b"identity"):
        return NO_FIELDS
    kind = header(headers, b"content-type") or b""
    if kind.lower().startswith(b"multipart/form-data"):
        boundary = _BOUNDARY.search(kind)
        return _multipart(body, boundary.group(1)) if boundary else NO_FIELDS
    if complete:
        try:
            return _decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass  # broken, or one field is of another type: the scan still finds the others
    return _scanned(body)


def _scanned(body: bytes) -> Fields:
    """The fields that the top level of `body`, which may be cut, shows."""
    raw = members(body, _NAMES)
    return Fields(
        model=value(raw.get(b"model"), str),
        stream=value(raw.get(b"stream"), bool),
        tools=_raw(raw, b"tools"),
        functions=_raw(raw, b"functions"),
        max_tokens=value(raw.get(b"max_tokens"), int),
        max_completion_tokens=value(raw.get(b"max_completion_tokens"), int),
        max_output_tokens=value(raw.get(b"max_output_tokens"), int),
        background=value(raw.get(b"background"), bool),
        conversation=_raw(raw, b"conversation"),
        stream_format=value(raw.get(b"stream_format"), str),
        generationConfig=_raw(raw, b"generationConfig"),
        generation_config=_raw(raw, b"generation_config"),
        reasoning=_raw(raw, b"reasoning"),
        reasoning_effort=_raw(raw, b"reasoning_effort"),
        thinking=_raw(raw, b"thinking"),
    )


def _raw(found: dict[bytes, bytes], name: bytes) -> msgspec.Raw:
    return msgspec.Raw(found.get(name, b""))


def _multipart(body: bytes, boundary: bytes) -> Fields:
    """`model`, `stream` and `stream_format` of a multipart form (RFC 7578), of those parts that are whole."""
    texts: dict[bytes, str] = {}
    for part in body[:_FORM_BYTES].split(b"--" + boundary)[1:-1]:
        head, _, text = part.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head)
        if name and name.group(1) in (b"model", b"stream", b"stream_format"):
            texts[name.group(1)] = text.removesuffix(b"\r\n").decode("utf-8", "replace")
    stream = texts.get(b"stream")
    return Fields(
        model=texts.get(b"model"),
        stream=None if stream is None else stream.lower() == "true",
        stream_format=texts.get(b"stream_format"),
    )
