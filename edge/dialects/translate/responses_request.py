"""OpenAI's Responses request as a chat completion. https://platform.openai.com/docs/api-reference/responses/create

Dropped: `metadata` (given back in the reply), `store`, `include`, `truncation`, caching hints, and reasoning of earlier
turns. Refused: what needs OpenAI's memory (`previous_response_id`, `conversation`, `prompt`, item references, files,
`background`) and its own tools.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from edge.dialects.json_scan import is_truthy
from edge.dialects.request import segments
from edge.dialects.translate.chat import (
    Conversation,
    Json,
    chat_request,
    function_tool,
    image_part,
    only,
    schema_format,
    text_part,
    thinking,
)
from edge.dialects.translate.values import Translated, Untranslatable, decoded


class _Part(Struct):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: str | None = None


class _Item(Struct):
    type: str = "message"
    role: str = ""
    content: Raw = Raw(b"[]")
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: Raw = Raw(b'""')


class _Format(Struct, omit_defaults=True):
    type: str
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _Text(Struct):
    format: _Format | None = None


class _Reasoning(Struct):
    effort: str | None = None


class Asked(Struct):
    """The request's body, as far as it is looked at."""

    input: str | list[_Item] = ""
    model: str = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    metadata: dict[str, str] | None = None
    previous_response_id: Raw = Raw()
    conversation: Raw = Raw()
    prompt: Raw = Raw()
    background: Raw = Raw()


_MEMORY = ("previous_response_id", "conversation", "prompt", "background")
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}


def chat_of(target: bytes, body: bytes, model: str) -> Translated:
    """The chat completion that asks for the same.

    Raises:
        Untranslatable: there is none.
    """
    if segments(target) != ["responses"]:
        raise Untranslatable("The local pool can only create responses; it stores none.")
    asked = decoded(body, Asked)
    for name in _MEMORY:
        if is_truthy(bytes(getattr(asked, name)) or None):
            raise Untranslatable(f"{name!r} needs OpenAI's own memory; the local pool hasn't it.")
    return chat_request(model, _conversation(asked), bool(asked.stream), _options(asked))


def _conversation(asked: Asked) -> Conversation:
    conversation = Conversation()
    if asked.instructions:
        conversation.say("system", [text_part(asked.instructions)])
    if isinstance(asked.input, str):
        conversation.say("user", [text_part(asked.input)])
    else:
        for item in asked.input:
            _add(conversation, item)
    return conversation


def _add(conversation: Conversation, item: _Item) -> None:
    if item.type == "message":
        role = "system" if item.role == "developer" else item.role
        if role not in ("user", "assistant", "system"):
            raise Untranslatable(f"There is no role {item.role!r}.")
        conversation.say(role, _parts(item.content))
    elif item.type == "function_call":
        conversation.call(item.call_id, item.name, item.arguments)
    elif item.type == "function_call_output":
        parts = _parts(item.output)
        conversation.result(item.call_id, "\n".join(part["text"] for part in parts if part["type"] == "text"))
        conversation.say("user", [part for part in parts if part["type"] != "text"])
    elif item.type != "reasoning":
        raise Untranslatable(f"The local pool can't read an item of type {item.type!r}.")


def _parts(content: Raw) -> list[Json]:
    said: str | list[_Part] = decoded(bytes(content), str | list[_Part])  # type: ignore[arg-type]  # a union is a type to msgspec
    return [text_part(said)] if isinstance(said, str) else [_part(part) for part in said]


def _part(part: _Part) -> Json:
    if part.type in ("input_text", "output_text", "text"):
        return text_part(part.text)
    if part.type == "refusal":
        return text_part(part.refusal)
    if part.type == "input_image" and part.image_url:
        return image_part(part.image_url)
    raise Untranslatable(f"The local pool can't read content of type {part.type!r}.")


def _options(asked: Asked) -> Json:
    effort = (asked.reasoning and asked.reasoning.effort) or ""
    return {
        "max_tokens": asked.max_output_tokens,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "parallel_tool_calls": asked.parallel_tool_calls if asked.tools else None,
        "response_format": _format((asked.text and asked.text.format) or _Format("text")),
        "reasoning_effort": _EFFORTS.get(effort),
        "chat_template_kwargs": thinking(False) if effort == "none" else None,
        **_tools(asked),
    }


def _format(wanted: _Format) -> Json | None:
    if wanted.type == "json_schema":
        return schema_format(wanted.name or "output", wanted.schema, wanted.strict)
    return None if wanted.type == "text" else {"type": wanted.type}


def _tools(asked: Asked) -> Json:
    tools = [_tool(tool) for tool in asked.tools or ()]
    choice = asked.tool_choice
    if not tools or choice is None or isinstance(choice, str):
        return {"tools": tools, "tool_choice": choice if tools else None}
    if choice.get("type") == "function":
        return only(tools, choice.get("name", ""))
    raise Untranslatable(f"The local pool hasn't the tool_choice {choice.get('type')!r}.")


def _tool(tool: dict[str, Any]) -> Json:
    if tool.get("type") != "function":
        raise Untranslatable(f"The tool {tool.get('type')!r} needs OpenAI's own servers.")
    return function_tool(tool.get("name", ""), tool.get("description"), tool.get("parameters"), tool.get("strict"))
