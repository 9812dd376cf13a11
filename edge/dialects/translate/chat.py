"""The making of a chat completion request (https://platform.openai.com/docs/api-reference/chat/create).

What goes beyond OpenAI's own fields (`top_k`, `chat_template_kwargs`, `continue_final_message`) vLLM, SGLang and
llama.cpp all take, and servers that don't know them pass over them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge.dialects.translate.values import CHAT, Translated

Json = dict[str, Any]


def text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def image_part(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def data_url(media_type: str, data: str) -> str:
    """A data: URL (RFC 2397). Some SDKs send the URL-safe alphabet of RFC 4648 §5; engines want the plain one."""
    return f"data:{media_type};base64,{data.replace('-', '+').replace('_', '/')}"


def function_tool(name: str, description: str | None, parameters: object, strict: bool | None = None) -> Json:
    """A tool. Without parameters it takes none, which some templates must be told."""
    function: Json = {"name": name, "parameters": parameters or {"type": "object", "properties": {}}}
    if description:
        function["description"] = description
    if strict is not None:
        function["strict"] = strict
    return {"type": "function", "function": function}


def only(tools: list[Json], name: str) -> Json:
    """Demands a call of this function. llama.cpp takes no name as `tool_choice`, but every engine "required"."""
    return {"tools": [tool for tool in tools if tool["function"]["name"] == name], "tool_choice": "required"}


def schema_format(name: str, schema: object, strict: bool | None = True) -> Json:
    """The `response_format` of a JSON schema."""
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": bool(strict)}}


def thinking(wanted: bool) -> Json:
    """Switches the thinking of models that can do without (Qwen3, GLM, …) on or off; others ignore it."""
    return {"enable_thinking": wanted}


@dataclass(slots=True)
class _Turn:
    role: str
    parts: list[Json] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    answers: str = ""

    def message(self) -> Json:
        made: Json = {"role": self.role, "content": self._content()}
        if self.calls:
            made["tool_calls"] = self.calls
        if self.role == "tool":
            made["tool_call_id"] = self.answers
        return made

    def _content(self) -> str | list[Json] | None:
        """Plain text where that says it all, because many templates know nothing else."""
        if not self.parts and self.calls:
            return None
        if any(part["type"] != "text" for part in self.parts):
            return self.parts
        return ("" if self.role == "assistant" else "\n").join(part["text"] for part in self.parts)


class Conversation:
    """Messages in the making. What one role says in a row is one message: many templates insist on turns."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []

    def say(self, role: str, parts: list[Json]) -> None:
        if parts:
            self._turn(role).parts += parts

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """The assistant calls a function; `arguments` is a JSON object's text."""
        function = {"name": name, "arguments": arguments}
        self._turn("assistant").calls.append({"id": call_id, "type": "function", "function": function})

    def result(self, call_id: str, text: str) -> None:
        """What the function answered."""
        self._turns.append(_Turn("tool", [text_part(text)], answers=call_id))

    def messages(self) -> list[Json]:
        return [turn.message() for turn in self._turns]

    def begun_answer(self) -> str:
        """The last words, if they are the assistant's, for the model to go on from."""
        last = self._turns[-1] if self._turns else _Turn("")
        return "".join(part["text"] for part in last.parts) if last.role == "assistant" and not last.calls else ""

    def _turn(self, role: str) -> _Turn:
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role))
        return self._turns[-1]


def chat_request(model: str, conversation: Conversation, streaming: bool, options: Json) -> Translated:
    """The whole request. Options that are None or empty are left out; usage is always asked for."""
    body: Json = {"model": model, "messages": conversation.messages()}
    body |= {name: value for name, value in options.items() if value is not None and value != []}
    if conversation.begun_answer():
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    if streaming:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return Translated(CHAT, msgspec.json.encode(body), streaming)
