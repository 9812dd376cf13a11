"""Gemini's generateContent as a chat completion. https://ai.google.dev/api/generate-content

Google reads members in camelCase and in snake_case, and so does this. Dropped: `safetySettings` (a local model has no
such filters), `labels`, and thoughts of earlier turns. Refused: files at Google, video and documents, cached content,
code execution and Google's other tools, more than one candidate, log probabilities, output other than text.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from edge.dialects.request import query, segments
from edge.dialects.translate.chat import (
    Conversation,
    Json,
    chat_request,
    data_url,
    function_tool,
    image_part,
    schema_format,
    text_part,
    thinking,
)
from edge.dialects.translate.engine import plain_id
from edge.dialects.translate.gemini_schema import json_schema
from edge.dialects.translate.values import Translated, Untranslatable, decoded


class _Blob(Struct, rename="camel"):
    mime_type: str = ""
    data: str = ""
    file_uri: str = ""


class _Call(Struct):
    name: str = ""
    args: dict[str, Any] | None = None
    id: str | None = None
    response: Any = None


class _Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    inline_data: _Blob | None = None
    file_data: _Blob | None = None
    function_call: _Call | None = None
    function_response: _Call | None = None


class _Content(Struct):
    parts: list[_Part] | None = None
    role: str | None = None


class _Function(Struct, rename="camel"):
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class _CallingConfig(Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class _ToolConfig(Struct, rename="camel"):
    function_calling_config: _CallingConfig | None = None


class _Thinking(Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class _Config(Struct, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    response_modalities: list[str] | None = None
    response_logprobs: bool | None = None
    thinking_config: _Thinking | None = None


class Generate(Struct, rename="camel"):
    """The request's body, as far as it is looked at."""

    contents: list[_Content]
    system_instruction: _Content | None = None
    generation_config: _Config | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: _ToolConfig | None = None
    cached_content: str | None = None

    @property
    def config(self) -> _Config:
        return self.generation_config or _Config()

    @property
    def shows_thoughts(self) -> bool:
        asked = self.config.thinking_config
        return bool(asked and asked.include_thoughts)


_SNAKE = re.compile(r"_+([a-z0-9])")
_THE_CALLERS = frozenset(
    ("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema")
)
"""Members within which names are the caller's own."""
_SCHEMAS = frozenset(("parameters", "responseSchema"))
_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


def body_of(body: bytes) -> Generate:
    """The request's body.

    Raises:
        Untranslatable: it isn't one.
    """
    try:
        return msgspec.convert(_camel(decoded(body, dict[str, Any])), Generate)
    except (msgspec.ValidationError, RecursionError) as fault:
        raise Untranslatable(f"The request's body can't be read: {fault}") from None


def _camel(value: Any) -> Any:
    """All names in camelCase, but for the caller's own."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {_camel_name(name): item for name, item in value.items()}
    return {name: item if name in _THE_CALLERS else _camel(item) for name, item in renamed.items()}


def _camel_name(name: str) -> str:
    return _SNAKE.sub(lambda found: found.group(1).upper(), name) if "_" in name else name


def chat_of(target: bytes, body: bytes, model: str) -> Translated:
    """The chat completion that asks for the same.

    Raises:
        Untranslatable: there is none.
    """
    method = (segments(target) or [""])[-1].rpartition(":")[2]
    if method not in ("generateContent", "streamGenerateContent"):
        raise Untranslatable("The local pool can only generate content.")
    asked = body_of(body)
    if asked.cached_content:
        raise Untranslatable("Cached content is held at Google; the local pool hasn't it.")
    return chat_request(model, _conversation(asked), method == "streamGenerateContent", _options(asked))


def begun_answer(asked: Generate) -> str:
    """The words of its answer that the request begins with."""
    return _conversation(asked).begun_answer()


def _conversation(asked: Generate) -> Conversation:
    conversation = Conversation()
    conversation.say("system", [_part(part) for part in _parts(asked.system_instruction)])
    calls = _Calls()
    for content in asked.contents:
        _add(conversation, content, calls)
    return conversation


def is_array(target: bytes) -> bool:
    """Is the stream asked for as a JSON array (Gemini's default) and not as events?"""
    return query(target, "alt") != "sse"


class _Calls:
    """Gives ids to calls without one, which Gemini's mostly are: a response belongs to the first open call of its
    name."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def called(self, call: _Call) -> str:
        self._count += 1
        call_id = plain_id(call.id or "") or f"call_{self._count}"
        self._open.append((call.name, call_id))
        return call_id

    def answered(self, answer: _Call) -> str:
        wanted = plain_id(answer.id or "")
        for at, (name, call_id) in enumerate(self._open):
            if call_id == wanted if wanted else name == answer.name:
                del self._open[at]
                return call_id
        return wanted or self.called(answer)


def _parts(content: _Content | None) -> list[_Part]:
    return (content and content.parts) or []


def _add(conversation: Conversation, content: _Content, calls: _Calls) -> None:
    role = "assistant" if content.role == "model" else "user"
    if content.role not in (None, "", "user", "model", "function"):
        raise Untranslatable(f"A content's role is 'user' or 'model', not {content.role!r}.")
    said: list[Json] = []
    for part in _parts(content):
        if part.function_response is not None:
            answer = part.function_response
            conversation.result(calls.answered(answer), msgspec.json.encode(answer.response).decode())
        elif part.function_call is not None:
            conversation.say(role, said)
            said = []
            call = part.function_call
            conversation.call(calls.called(call), call.name, msgspec.json.encode(call.args or {}).decode())
        elif not part.thought:
            said.append(_part(part))
    conversation.say(role, said)


def _part(part: _Part) -> Json:
    blob = part.inline_data
    if part.text is not None:
        return text_part(part.text)
    if blob and blob.mime_type.startswith("image/"):
        return image_part(data_url(blob.mime_type, blob.data))
    if blob and blob.mime_type in _AUDIO:
        data = blob.data.replace("-", "+").replace("_", "/")
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO[blob.mime_type]}}
    file = part.file_data
    if file and file.mime_type.startswith("image/") and "googleapis.com" not in file.file_uri.split("/", 3)[2:3]:
        return image_part(file.file_uri)
    kind = (blob or file or _Blob()).mime_type
    raise Untranslatable(
        f"The local pool can't read a part of type {kind!r}." if kind else "A part says nothing known."
    )


def _options(asked: Generate) -> Json:
    config = asked.config
    if (config.candidate_count or 1) > 1:
        raise Untranslatable("The local pool gives one candidate.")
    if config.response_logprobs:
        raise Untranslatable("The local pool gives no log probabilities in Gemini's form.")
    if any(modality.upper() != "TEXT" for modality in config.response_modalities or ()):
        raise Untranslatable("The local pool answers with text only.")
    return {
        "max_tokens": config.max_output_tokens,
        "stop": config.stop_sequences,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": None if config.top_k is None else int(config.top_k),
        "seed": config.seed,
        "presence_penalty": config.presence_penalty,
        "frequency_penalty": config.frequency_penalty,
        "response_format": _format(config),
        **_tools(asked),
        **_thinking(config.thinking_config),
    }


def _thinking(asked: _Thinking | None) -> Json:
    if asked is None:
        return {}
    if asked.thinking_budget is not None:
        return {"chat_template_kwargs": thinking(asked.thinking_budget != 0)}
    level = _LEVELS.get((asked.thinking_level or "").lower())
    return {"reasoning_effort": level} if level else {}


def _format(config: _Config) -> Json | None:
    schema = config.response_json_schema or json_schema(config.response_schema)
    if config.response_mime_type in (None, "", "text/plain"):
        return None
    if config.response_mime_type != "application/json":
        raise Untranslatable(f"The local pool can't answer in {config.response_mime_type!r}.")
    return schema_format("response", schema) if schema else {"type": "json_object"}


def _tools(asked: Generate) -> Json:
    functions = [function for tool in asked.tools or () for function in _functions(tool)]
    config = (asked.tool_config and asked.tool_config.function_calling_config) or _CallingConfig()
    mode = (config.mode or "AUTO").upper()
    if not functions:
        return {}
    allowed = config.allowed_function_names
    if mode == "ANY" and allowed:
        functions = [function for function in functions if function.name in allowed]
    choice = {"ANY": "required", "NONE": "none"}.get(mode, "auto")
    return {"tools": [_tool(function) for function in functions], "tool_choice": choice}


def _functions(tool: dict[str, Any]) -> list[_Function]:
    for name, value in tool.items():
        if name != "functionDeclarations" and value is not None:
            raise Untranslatable(f"The tool {name!r} needs Google's own servers.")
    return msgspec.convert(tool.get("functionDeclarations") or [], list[_Function])


def _tool(function: _Function) -> Json:
    parameters = function.parameters_json_schema or json_schema(function.parameters)
    return function_tool(function.name, function.description, parameters)
