"""Anthropic's Messages request as a chat completion. https://docs.anthropic.com/en/api/messages

Dropped, because it changes nothing that a local model could do: `metadata`, `cache_control`, `service_tier`, beta
features, and the thinking of earlier turns, which only Anthropic can read. Refused: documents other than plain text,
files, tools and blocks that run at Anthropic (web search, code execution, MCP servers, containers).
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
    data_url,
    function_tool,
    image_part,
    only,
    schema_format,
    text_part,
    thinking,
)
from edge.dialects.translate.values import Translated, Untranslatable, decoded


class _Source(Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""


class _Block(Struct):
    type: str
    text: str = ""
    source: _Source | None = None
    id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")
    tool_use_id: str = ""
    content: Raw = Raw()
    is_error: bool | None = None


class _Message(Struct):
    role: str
    content: str | list[_Block]


class _Tool(Struct):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class _ToolChoice(Struct):
    type: str
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct):
    type: str
    display: str | None = None


class _Format(Struct):
    type: str
    schema: dict[str, Any] | None = None


class _OutputConfig(Struct):
    effort: str | None = None
    format: _Format | None = None


class Message(Struct):
    """The request's body, as far as it is looked at."""

    messages: list[_Message]
    model: str = ""
    max_tokens: int | None = None
    system: str | list[_Block] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    mcp_servers: Raw = Raw()
    container: Raw = Raw()

    @property
    def wants_thinking(self) -> bool:
        return self.thinking is not None and self.thinking.type != "disabled"

    @property
    def shows_thinking(self) -> bool:
        """May the reply have thinking blocks?

        Only Anthropic can sign them, and refuses unsigned ones when they come back. Applications with tools send them
        back, so those don't get any: the conversation must stay fit to go on at Anthropic.
        """
        return bool(self.wants_thinking and not self.tools and self.thinking and self.thinking.display != "omitted")


def chat_of(target: bytes, body: bytes, model: str) -> Translated:
    """The chat completion that asks for the same.

    Raises:
        Untranslatable: there is none.
    """
    if segments(target) != ["messages"]:
        raise Untranslatable("The local pool can only create messages.")
    asked = decoded(body, Message)
    for name, raw in (("mcp_servers", asked.mcp_servers), ("container", asked.container)):
        if is_truthy(bytes(raw) or None):
            raise Untranslatable(f"{name!r} needs Anthropic's own servers; the local pool hasn't them.")
    return chat_request(model, _conversation(asked), bool(asked.stream), _options(asked))


def begun_answer(asked: Message) -> str:
    """The words of its answer that the request begins with."""
    return _conversation(asked).begun_answer()


def _conversation(asked: Message) -> Conversation:
    conversation = Conversation()
    conversation.say("system", _texts(asked.system or []))
    for message in asked.messages:
        _add(conversation, message)
    return conversation


def _options(asked: Message) -> Json:
    config = asked.output_config or _OutputConfig()
    choice = asked.tool_choice
    return {
        "max_tokens": asked.max_tokens,
        "stop": asked.stop_sequences,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k,
        **_tools(asked),
        "parallel_tool_calls": False if choice and choice.disable_parallel_tool_use else None,
        "response_format": _format(config.format or asked.output_format),
        "reasoning_effort": {"xhigh": "high", "max": "high"}.get(config.effort or "", config.effort),
        "chat_template_kwargs": thinking(asked.wants_thinking),
    }


def _add(conversation: Conversation, message: _Message) -> None:
    blocks = [_Block("text", text=message.content)] if isinstance(message.content, str) else message.content
    if message.role == "assistant":
        for block in blocks:
            _add_answer(conversation, block)
    elif message.role == "user":
        _add_question(conversation, blocks)
    elif message.role == "system":
        conversation.say("system", _texts(blocks))
    else:
        raise Untranslatable(f"A message's role is 'user' or 'assistant', not {message.role!r}.")


def _add_answer(conversation: Conversation, block: _Block) -> None:
    if block.type == "text":
        conversation.say("assistant", [text_part(block.text)])
    elif block.type == "tool_use":
        conversation.call(block.id, block.name, bytes(block.input).decode())
    elif block.type not in ("thinking", "redacted_thinking"):
        raise _refusal(block.type)


def _add_question(conversation: Conversation, blocks: list[_Block]) -> None:
    """Tool results first, as the API demands; their images can stand only in the user's own message after them."""
    parts: list[Json] = []
    for block in blocks:
        if block.type == "tool_result":
            content = _content_of(block)
            said = "\n".join(part["text"] for part in content if part["type"] == "text")
            conversation.result(block.tool_use_id, f"Error: {said}" if block.is_error else said)
            parts += [part for part in content if part["type"] != "text"]
        else:
            parts.append(_part(block))
    conversation.say("user", parts)


def _content_of(result: _Block) -> list[Json]:
    if not bytes(result.content):
        return []
    content: str | list[_Block] | None = decoded(bytes(result.content), str | list[_Block] | None)  # type: ignore[arg-type]  # a union is a type to msgspec
    return [text_part(content)] if isinstance(content, str) else [_part(block) for block in content or ()]


def _part(block: _Block) -> Json:
    source = block.source
    if block.type == "text":
        return text_part(block.text)
    if block.type == "image" and source and source.type == "base64":
        return image_part(data_url(source.media_type, source.data))
    if block.type == "image" and source and source.type == "url":
        return image_part(source.url)
    if block.type == "document" and source and source.type == "text":
        return text_part(source.data)
    raise _refusal(block.type if source is None else f"{block.type} ({source.type})")


def _texts(system: str | list[_Block]) -> list[Json]:
    if isinstance(system, str):
        return [text_part(system)] if system else []
    for block in system:
        if block.type != "text":
            raise _refusal(block.type)
    return [text_part(block.text) for block in system]


def _refusal(kind: str) -> Untranslatable:
    return Untranslatable(f"The local pool can't read content of type {kind!r}.")


def _tool(tool: _Tool) -> Json:
    if tool.type not in (None, "custom"):
        raise Untranslatable(f"The tool {tool.type!r} needs Anthropic's own servers or models.")
    return function_tool(tool.name, tool.description, tool.input_schema, tool.strict)


def _tools(asked: Message) -> Json:
    tools = [_tool(tool) for tool in asked.tools or ()]
    choice = asked.tool_choice
    if choice is None:
        return {"tools": tools}
    if choice.type == "tool":
        return only(tools, choice.name)
    if choice.type not in ("auto", "any", "none"):
        raise Untranslatable(f"There is no tool_choice {choice.type!r}.")
    return {"tools": tools, "tool_choice": "required" if choice.type == "any" else choice.type}


def _format(wanted: _Format | None) -> Json | None:
    if wanted is None:
        return None
    if wanted.type != "json_schema" or wanted.schema is None:
        raise Untranslatable(f"The local pool has no output format {wanted.type!r} of this shape.")
    return schema_format("output", wanted.schema)
