"""OpenAI's Responses API. Shapes: https://platform.openai.com/docs/api-reference/responses-streaming"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netem.provider.openai import CREATED, wants_tool
from netem.provider.reply import MARK, Piece, Reply, Stream, json_reply, named_event, template
from netem.provider.request import Request
from netem.provider.sim import Sim
from netem.provider.words import Words, count, text_of, words_for


def responses(request: Request, sim: Sim) -> Reply:
    asked = request.asked
    words = words_for(sim, text_of(asked.get("input")), asked.get("max_output_tokens"))
    given = asked.get("input")
    last = given[-1] if isinstance(given, list) and given else {}
    answered = isinstance(last, dict) and last.get("type") == "function_call_output"
    tool = None if answered else wants_tool({"tools": asked.get("tools"), "tool_choice": asked.get("tool_choice")}, sim)
    frame = _frame(request, asked)
    if not asked.get("stream"):
        return json_reply(_finished(frame, words, tool), words.tokens)
    return Reply(content_type="text/event-stream", stream=_stream(frame, words, tool))


def retrieve(request: Request, sim: Sim) -> Reply:
    """GET, DELETE and cancel of a stored response: it is always complete, also as a stream."""
    name = request.path.split("/responses/")[1].split("/")[0]
    if request.method == "DELETE":
        return json_reply({"id": name, "object": "response", "deleted": True})
    words, frame = words_for(sim, "", None), {**_frame(request, {}), "id": name}
    if request.query.get("stream") != "true":
        return json_reply(_finished(frame, words, None))
    return Reply(content_type="text/event-stream", body=_events_after(frame, words, request.query))


def _events_after(frame: dict[str, Any], words: Words, query: Mapping[str, str]) -> bytes:
    """https://platform.openai.com/docs/api-reference/responses/get: `starting_after`."""
    stream = _stream(frame, words, None)
    deltas = (stream.piece(index) for index in range(stream.pieces))
    pieces = (piece if isinstance(piece, bytes) else b"" for piece in deltas)
    events = (stream.opening + b"".join(pieces) + stream.closing).split(b"\n\n")[:-1]
    after = int(query.get("starting_after", "-1"))
    return b"".join(event + b"\n\n" for number, event in enumerate(events) if number > after)


def _frame(request: Request, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"resp_{request.id}",
        "object": "response",
        "created_at": CREATED,
        "model": asked.get("model", "gpt-4.1"),
        "parallel_tool_calls": True,
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": asked.get("tools", []),
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(text: str, tool: str | None, status: str) -> dict[str, Any]:
    if tool:
        arguments = '{"text": "' + text + '"}' if text else ""
        call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": tool, "arguments": arguments}
        return {**call, "status": status}
    content = [_part(text)] if text else []
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}


def _finished(frame: dict[str, Any], words: Words, tool: str | None) -> dict[str, Any]:
    sim, spent = words.sim, count(words.prompt)
    written = words.tokens + sim.reasoning_tokens
    cut = words.finish == "length"
    return {
        **frame,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [_item(words.text(), tool, "incomplete" if cut else "completed")],
        "usage": {
            "input_tokens": spent,
            "input_tokens_details": {"cached_tokens": sim.cached_tokens},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": sim.reasoning_tokens},
            "total_tokens": spent + written,
        },
    }


class _Numbered:
    """Events with their `sequence_number`."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, kind: str, **rest: Any) -> bytes:
        self.number += 1
        return named_event({"type": kind, "sequence_number": self.number - 1, **rest})


def _stream(frame: dict[str, Any], words: Words, tool: str | None) -> Stream:
    event = _Numbered()
    running = {**frame, "status": "in_progress", "output": [], "usage": None}
    where: dict[str, Any] = {"item_id": "fc_1" if tool else "msg_1", "output_index": 0}
    opening = event("response.created", response=running) + event("response.in_progress", response=running)
    opening += event("response.output_item.added", output_index=0, item=_item("", tool, "in_progress"))
    text, done = words.text(), _finished(frame, words, tool)
    if tool:
        opening += event("response.function_call_arguments.delta", **where, delta='{"text": "')
        delta = event("response.function_call_arguments.delta", **where, delta=MARK)
        event.number += words.pieces - 1
        closing = event("response.function_call_arguments.delta", **where, delta='"}')
        closing += event(
            "response.function_call_arguments.done", **where, name=tool, arguments=done["output"][0]["arguments"]
        )
    else:
        where["content_index"] = 0
        opening += event("response.content_part.added", **where, part=_part(""))
        delta = event("response.output_text.delta", **where, delta=MARK, logprobs=[])
        event.number += words.pieces - 1
        closing = event("response.output_text.done", **where, text=text, logprobs=[])
        closing += event("response.content_part.done", **where, part=_part(text))
    closing += event("response.output_item.done", output_index=0, item=done["output"][0])
    closing += event(f"response.{done['status']}", response=done)
    broken = event("error", code="server_error", message="The server had an error.", param=None)
    return Stream(opening, _deltas(delta, words), words.pieces, closing, broken)


def _deltas(first: bytes, words: Words) -> Callable[[int], bytes | Piece]:
    """The deltas, numbered on from the first, which has `MARK` for its token."""
    before, after = template(first)
    head, mark, tail = before.partition(b'"sequence_number":')
    digits = len(tail) - len(tail.lstrip(b"0123456789"))
    number, tail = int(tail[:digits]), tail[digits:]
    return lambda index: words.render(b"%b%b%d%b" % (head, mark, number + index, tail), after)(index)
