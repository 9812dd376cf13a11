"""Requests of the other dialects as chat completions, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.dialects.translate import Untranslatable, translation
from edge.dialects.translate.gemini_schema import json_schema

ASK = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"a_b": {"type": "string"}}}
PNG = {"type": "base64", "media_type": "image/png", "data": "AA-_"}
IMAGE = {"type": "image", "source": PNG}
SEEN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA+/"}}


def claude(headers: Any = (), target: bytes = b"/v1/messages?beta=true", **fields: Any) -> dict[str, Any]:
    found = translation("anthropic", "messages")
    assert found is not None
    body = json.dumps({"model": "claude", "max_tokens": 5, "messages": ASK} | fields).encode()
    asked = found.request(target, list(headers), body, "qwen")
    assert asked.target == b"/v1/chat/completions"
    assert asked.streaming is bool(fields.get("stream"))
    made: dict[str, Any] = json.loads(asked.body)
    assert made["model"] == "qwen"
    return made


def gemini(method: str = "generateContent", query: bytes = b"", **fields: Any) -> dict[str, Any]:
    found = translation("gemini", "generate")
    assert found is not None
    body = json.dumps({"contents": [{"parts": [{"text": "Hi"}]}]} | fields).encode()
    asked = found.request(b"/v1beta/models/gemini-x:" + method.encode() + query, [], body, "qwen")
    made: dict[str, Any] = json.loads(asked.body)
    return made


def turns(*messages: tuple[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = claude(messages=[{"role": role, "content": said} for role, said in messages])[
        "messages"
    ]
    return made


def contents(*said: tuple[str | None, list[Any]]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = gemini(contents=[{"role": role, "parts": parts} for role, parts in said])["messages"]
    return made


def config(**fields: Any) -> dict[str, Any]:
    return gemini(generationConfig=fields)


def test_what_is_openais_already_passes_as_it_is() -> None:
    assert translation("openai", "chat") is None
    assert translation("generic", "generate") is None


def test_a_plain_message() -> None:
    assert claude() == {
        "model": "qwen",
        "messages": ASK,
        "max_tokens": 5,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_sampling_and_streaming() -> None:
    made = claude(stream=True, stop_sequences=["x"], temperature=0.5, top_p=0.9, top_k=3, metadata={"user_id": "u"})
    assert made["stream"] and made["stream_options"] == {"include_usage": True}
    assert (made["stop"], made["temperature"], made["top_p"], made["top_k"]) == (["x"], 0.5, 0.9, 3)
    assert "metadata" not in made


@pytest.mark.parametrize("system", ["Be.", [{"type": "text", "text": "Be.", "cache_control": {"type": "ephemeral"}}]])
def test_the_system_prompt_comes_first(system: Any) -> None:
    assert claude(system=system)["messages"] == [{"role": "system", "content": "Be."}, *ASK]


def test_an_empty_system_prompt_is_none() -> None:
    assert claude(system="")["messages"] == ASK


def test_texts_of_one_turn_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    made = turns(("user", parts), ("user", "c"), ("assistant", parts), ("user", "d"), ("system", "e"), ("user", "f"))
    assert [(turn["role"], turn["content"]) for turn in made] == [
        ("user", "a\nb\nc"),
        ("assistant", "ab"),
        ("user", "d"),
        ("system", "e"),
        ("user", "f"),
    ]


def test_images_and_text_documents() -> None:
    url = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "doc"}}
    assert turns(("user", [IMAGE, url, text]))[0]["content"] == [
        SEEN,
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "text", "text": "doc"},
    ]


def test_tool_use_and_result() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a_b": 1}}
    made = turns(
        ("user", "go"),
        ("assistant", [{"type": "thinking", "thinking": "t", "signature": "s"}, use]),
        ("user", [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "ok"}, IMAGE]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "bad", "is_error": True},
            {"type": "tool_result", "tool_use_id": "toolu_3"},
            {"type": "tool_result", "tool_use_id": "toolu_4", "content": None},
            {"type": "text", "text": "and?"},
        ]),
    )  # fmt: skip
    function = {"name": "f", "arguments": '{"a_b": 1}'}
    calls = [{"id": "toolu_1", "type": "function", "function": function}]
    assert made[1:] == [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "ok", "tool_call_id": "toolu_1"},
        {"role": "tool", "content": "Error: bad", "tool_call_id": "toolu_2"},
        {"role": "tool", "content": "", "tool_call_id": "toolu_3"},
        {"role": "tool", "content": "", "tool_call_id": "toolu_4"},
        {"role": "user", "content": [SEEN, {"type": "text", "text": "and?"}]},
    ]


def test_words_before_a_call_stay() -> None:
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    message = turns(("assistant", [{"type": "text", "text": "so"}, use]))[0]
    assert message["content"] == "so" and message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_the_model_goes_on_from_what_the_caller_began() -> None:
    made = claude(messages=[*ASK, {"role": "assistant", "content": "{"}])
    assert made["continue_final_message"] is True and made["add_generation_prompt"] is False
    assert "continue_final_message" not in claude(messages=[])


def test_tools_and_their_choice() -> None:
    tools = [
        {"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True},
        {"name": "g", "type": "custom"},
    ]
    f = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}
    g = {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}}
    assert claude(tools=tools)["tools"] == [f, g]
    assert "tool_choice" not in claude(tools=tools)
    for said, meant in (("any", "required"), ("auto", "auto"), ("none", "none")):
        made = claude(tools=tools, tool_choice={"type": said, "disable_parallel_tool_use": True})
        assert made["tool_choice"] == meant and made["parallel_tool_calls"] is False
    made = claude(tools=tools, tool_choice={"type": "tool", "name": "g"})
    assert made["tools"] == [g] and made["tool_choice"] == "required" and "parallel_tool_calls" not in made


def test_thinking_and_effort() -> None:
    made = claude(thinking={"type": "enabled", "budget_tokens": 9}, output_config={"effort": "max"})
    assert made["chat_template_kwargs"] == {"enable_thinking": True} and made["reasoning_effort"] == "high"
    assert claude(output_config={"effort": "low"})["reasoning_effort"] == "low"
    assert claude(thinking={"type": "disabled"})["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_json_schema(where: str) -> None:
    wanted = {"type": "json_schema", "schema": SCHEMA}
    made = claude(**{where: {"format": wanted} if where == "output_config" else wanted})
    expected = {"name": "output", "schema": SCHEMA, "strict": True}
    assert made["response_format"] == {"type": "json_schema", "json_schema": expected}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"messages": 5}, "can't be read"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role is 'user' or 'assistant', not 'tool'"),
        ({"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file"}}]}]}, "document"),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, "'search_result'"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]}, "image"),
        ({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]}, "'server_tool_use'"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": 5}]}]}, "can't be read"),
        ({"system": [IMAGE]}, "'image'"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "'web_search_20250305'"),
        ({"tool_choice": {"type": "odd"}}, "no tool_choice 'odd'"),
        ({"mcp_servers": [{"url": "x"}]}, "'mcp_servers'"),
        ({"container": "c"}, "'container'"),
        ({"output_config": {"format": {"type": "odd"}}}, "'odd'"),
        ({"headers": [(b"content-encoding", b"gzip")]}, "compressed"),
        ({"target": b"/v1/messages/count_tokens"}, "only create messages"),
    ],
)
def test_what_claude_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Untranslatable, match=reason) as seen:
        claude(**fields)
    assert str(seen.value) == seen.value.reason


def test_nothing_is_refused_for_being_empty() -> None:
    made = claude(mcp_servers=[], container=None, tools=[], headers=[(b"content-encoding", b"identity")])
    assert "tools" not in made


def test_plain_content() -> None:
    assert gemini() == {"model": "qwen", "messages": ASK}
    made = gemini("streamGenerateContent", b"?alt=sse")
    assert made["stream"] and made["stream_options"] == {"include_usage": True}


def test_both_ways_to_write_names() -> None:
    made = gemini(
        system_instruction={"parts": [{"text": "Be."}]},
        generation_config={"max_output_tokens": 5, "stop_sequences": ["x"], "top_k": 40.0, "top_p": 0.5, "seed": 1},
        contents=[{"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "AA-_"}}]}],
        safety_settings=[{"category": "X"}],
    )
    assert made["messages"] == [{"role": "system", "content": "Be."}, {"role": "user", "content": [SEEN]}]
    assert (made["max_tokens"], made["stop"], made["top_k"], made["top_p"], made["seed"]) == (5, ["x"], 40, 0.5, 1)


def test_function_calls_without_ids_find_their_responses() -> None:
    made = contents(
        ("user", [{"text": "go"}]),
        ("model", [
            {"text": "secret", "thought": True},
            {"text": "so"},
            {"functionCall": {"name": "f", "args": {"a_b": 1}}, "thoughtSignature": "x"},
            {"functionCall": {"name": "g"}},
            {"functionCall": {"name": "f", "id": "own"}},
        ]),
        ("user", [
            {"functionResponse": {"name": "g", "response": {"r_s": 2}}},
            {"functionResponse": {"name": "f", "id": "own", "response": {}}},
            {"functionResponse": {"name": "f", "response": {}}},
            {"functionResponse": {"name": "h", "response": {}}},
            {"functionResponse": {"name": "h", "id": "never", "response": {}}},
        ]),
    )  # fmt: skip
    assert made[1]["content"] == "so"
    assert [(call["id"], call["function"]["arguments"]) for call in made[1]["tool_calls"]] == [
        ("call_1", '{"a_b":1}'),
        ("call_2", "{}"),
        ("own", "{}"),
    ]
    assert [turn["tool_call_id"] for turn in made[2:]] == ["call_2", "own", "call_1", "call_4", "never"]
    assert made[2]["content"] == '{"r_s":2}'


def test_audio_and_linked_images() -> None:
    parts = [
        {"inlineData": {"mimeType": "audio/mp3", "data": "A-_A"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x/y.png"}},
    ]
    assert contents((None, parts))[0]["content"] == [
        {"type": "input_audio", "input_audio": {"data": "A+/A", "format": "mp3"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
    ]


def test_functions_and_their_mode() -> None:
    declared = [
        {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a_b": {"type": "STRING"}}}},
        {"name": "g", "description": "d", "parametersJsonSchema": SCHEMA},
    ]
    tools = [{"functionDeclarations": declared, "googleSearch": None}]
    f = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    g = {"type": "function", "function": {"name": "g", "description": "d", "parameters": SCHEMA}}
    made = gemini(tools=tools)
    assert made["tools"] == [f, g] and made["tool_choice"] == "auto"
    for mode, choice in (("NONE", "none"), ("VALIDATED", "auto"), ("any", "required")):
        made = gemini(tools=tools, toolConfig={"functionCallingConfig": {"mode": mode}})
        assert made["tools"] == [f, g] and made["tool_choice"] == choice
    made = gemini(
        tools=tools, tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["g"]}}
    )
    assert made["tools"] == [g] and made["tool_choice"] == "required"
    made = gemini(tools=tools, toolConfig={"functionCallingConfig": {"allowedFunctionNames": ["g"]}})
    assert made["tools"] == [f, g] and made["tool_choice"] == "auto"
    assert "tools" not in gemini(tools=[{}], toolConfig={})


def test_json_answers() -> None:
    assert "response_format" not in config(responseMimeType="text/plain")
    assert config(responseMimeType="application/json")["response_format"] == {"type": "json_object"}
    for schema in (
        {"responseSchema": {"type": "OBJECT", "nullable": True}},
        {"responseJsonSchema": {"type": ["object", "null"]}},
    ):
        made = config(responseMimeType="application/json", **schema)["response_format"]["json_schema"]
        assert made["schema"] == {"type": ["object", "null"]}


def test_thinking_budgets_and_levels() -> None:
    assert config(thinkingConfig={"thinkingBudget": 0})["chat_template_kwargs"] == {"enable_thinking": False}
    assert config(thinkingConfig={"thinkingBudget": -1})["chat_template_kwargs"] == {"enable_thinking": True}
    assert config(thinkingConfig={"thinkingLevel": "MINIMAL"})["reasoning_effort"] == "low"
    assert "reasoning_effort" not in config(thinkingConfig={"includeThoughts": True})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"contents": 5}, "can't be read"),
        ({"cachedContent": "cachedContents/x"}, "Cached content"),
        ({"contents": [{"role": "system", "parts": []}]}, "not 'system'"),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": ""}}]}]}, "'video/mp4'"),
        ({"contents": [{"parts": [{"executableCode": {}}]}]}, "says nothing known"),
        (
            {"contents": [{"parts": [{"fileData": {
                "mimeType": "image/png", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}}]}]},
            "'image/png'",
        ),
        ({"tools": [{"codeExecution": {}}]}, "'code_execution'"),
        ({"tools": [{"functionDeclarations": 5}]}, "can't be read"),
        ({"generationConfig": {"candidateCount": 2}}, "one candidate"),
        ({"generationConfig": {"responseLogprobs": True}}, "log probabilities"),
        ({"generationConfig": {"responseModalities": ["IMAGE"]}}, "text only"),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "'text/x.enum'"),
        ({"method": "countTokens"}, "only generate"),
    ],
)  # fmt: skip
def test_what_gemini_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Untranslatable, match=reason):
        gemini(**fields)


def test_a_target_without_a_path_and_a_body_without_sense() -> None:
    found = translation("gemini", "other")
    assert found is not None
    with pytest.raises(Untranslatable, match="only generate"):
        found.request(b"/", [], b"", "m")
    with pytest.raises(Untranslatable, match="can't be read"):
        found.request(b"/v1/models/m:generateContent", [], b"{" * 9, "m")


def test_text_is_the_only_modality() -> None:
    assert "modalities" not in config(responseModalities=["TEXT"], candidateCount=1, responseLogprobs=False)


def test_schemas() -> None:
    told = {
        "type": "OBJECT",
        "title": "T",
        "propertyOrdering": ["a"],
        "example": 1,
        "properties": {
            "a": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"}, "minItems": "1", "maxItems": 3},
            "type": {"type": "STRING", "format": "date-time", "enum": ["x"], "nullable": True},
            "b": {"anyOf": [{"type": "STRING"}, {"ref": "#/$defs/c"}], "nullable": True},
            "d": {"type": "TYPE_UNSPECIFIED", "nullable": True},
        },
        "defs": {"c": {"type": "NUMBER", "minimum": 0}},
        "additionalProperties": False,
    }
    assert json_schema(told) == {
        "type": "object",
        "title": "T",
        "properties": {
            "a": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
            "type": {"type": ["string", "null"], "format": "date-time", "enum": ["x", None]},
            "b": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/c"}, {"type": "null"}]},
            "d": {},
        },
        "$defs": {"c": {"type": "number", "minimum": 0}},
        "additionalProperties": False,
    }
    assert json_schema(None) is None


def test_nesting_has_its_limits() -> None:
    schema: dict[str, Any] = {}
    for _ in range(490):
        schema = {"items": schema}
    with pytest.raises(Untranslatable, match="nested too deeply"):
        config(responseMimeType="application/json", responseSchema=schema)
    with pytest.raises(Untranslatable, match="can't be read"):
        gemini(labels=schema)


def responses(target: bytes = b"/v1/responses", **fields: Any) -> dict[str, Any]:
    found = translation("openai", "responses")
    assert found is not None
    asked = found.request(target, [], json.dumps({"model": "gpt", "input": "Hi"} | fields).encode(), "qwen")
    made: dict[str, Any] = json.loads(asked.body)
    return made


def test_a_plain_response() -> None:
    assert responses() == {"model": "qwen", "messages": ASK}
    made = responses(instructions="Be.", max_output_tokens=9, temperature=0, top_p=0.5, stream=True, store=True)
    assert made["messages"] == [{"role": "system", "content": "Be."}, *ASK]
    assert (made["max_tokens"], made["temperature"], made["top_p"], made["stream"]) == (9, 0, 0.5, True)


def test_items() -> None:
    said = [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    seen = [{"type": "input_image", "image_url": "https://x"}]
    made = responses(input=[
        {"role": "developer", "content": "Be."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}, *seen]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "content": said},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "ok"},
        {"type": "function_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "ok"}, *seen]},
    ])["messages"]  # fmt: skip
    image = {"type": "image_url", "image_url": {"url": "https://x"}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert made == [
        {"role": "system", "content": "Be."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, image]},
        {"role": "assistant", "content": "ab", "tool_calls": [call]},
        {"role": "tool", "content": "ok", "tool_call_id": "c"},
        {"role": "tool", "content": "ok", "tool_call_id": "d"},
        {"role": "user", "content": [image]},
    ]


def test_functions_formats_and_effort_of_responses() -> None:
    tools = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": True} for name in "fg"]
    f, g = ({"type": "function", "function": {"name": n, "parameters": SCHEMA, "strict": True}} for n in "fg")
    made = responses(tools=tools, tool_choice="required", parallel_tool_calls=False)
    assert made["tools"] == [f, g] and made["tool_choice"] == "required" and made["parallel_tool_calls"] is False
    assert responses(tools=tools, tool_choice={"type": "function", "name": "g"})["tools"] == [g]
    assert "tool_choice" not in responses(tool_choice="auto", parallel_tool_calls=True)
    wanted = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": False}
    expected = {"name": "n", "schema": SCHEMA, "strict": False}
    assert responses(text={"format": wanted})["response_format"] == {"type": "json_schema", "json_schema": expected}
    assert responses(text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert "response_format" not in responses(text={"verbosity": "low"})
    assert responses(reasoning={"effort": "minimal"})["reasoning_effort"] == "low"
    assert responses(reasoning={"effort": "none"})["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"target": b"/v1/responses/resp_1"}, "stores none"),
        ({"previous_response_id": "resp_1"}, "'previous_response_id'"),
        ({"background": True}, "'background'"),
        ({"input": [{"role": "critic", "content": "x"}]}, "no role 'critic'"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "'item_reference'"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "'input_file'"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]}, "'input_image'"),
        ({"tools": [{"type": "web_search"}]}, "'web_search'"),
        ({"tools": [{"type": "function"}], "tool_choice": {"type": "allowed_tools"}}, "'allowed_tools'"),
    ],
)
def test_what_responses_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Untranslatable, match=reason):
        responses(**fields)
