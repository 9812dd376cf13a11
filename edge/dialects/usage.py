"""Token counts in the vendors' words, made into one `Usage`.

Every reader takes the raw JSON of a usage object and returns None if it holds no count at all. In `Usage`, `input` is
the whole prompt including what came from a cache, and `output` everything generated including reasoning, whatever the
vendor includes in its own fields:

    OpenAI      prompt_tokens / input_tokens include cached; completion_tokens / output_tokens include reasoning
    Anthropic   input_tokens exclude cache reads and cache writes: all three are added
    Gemini      promptTokenCount includes cached content but not tool-use prompts: added;
                candidatesTokenCount excludes thoughts: added (the Interactions API likewise)
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Raw, Struct

from edge.dialects.facts import Usage
from edge.dialects.json_scan import last_objects, value

Reader = Callable[[bytes], Usage | None]


class _Details(Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _OpenAI(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's place for cached tokens


class _AnthropicDetails(Struct):
    thinking_tokens: int | None = None


class AnthropicUsage(Struct):
    """`usage` of message, message_start and message_delta; the last one's counts are cumulative."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _AnthropicDetails | None = None


class _Gemini(Struct, rename="camel"):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    response_token_count: int | None = None  # Live API's word for candidates
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None


class _Interaction(Struct):
    total_input_tokens: int | None = None
    total_output_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_tool_use_tokens: int | None = None


def _first(*counts: int | None) -> int | None:
    for count in counts:
        if count is not None:
            return count
    return None


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _or_none(usage: Usage) -> Usage | None:
    return usage if usage.input is not None or usage.output is not None else None


def openai_usage(raw: bytes) -> Usage | None:
    """`usage` of chat, completions, responses, embeddings, images and audio."""
    told = value(raw, _OpenAI)
    if told is None:
        return None
    nothing = _Details()
    prompt = told.prompt_tokens_details or told.input_tokens_details or nothing
    answer = told.completion_tokens_details or told.output_tokens_details or nothing
    return _or_none(
        Usage(
            _first(told.prompt_tokens, told.input_tokens),
            _first(told.completion_tokens, told.output_tokens),
            _first(prompt.cached_tokens, told.prompt_cache_hit_tokens),
            answer.reasoning_tokens,
        )
    )


def anthropic_total(told: AnthropicUsage) -> Usage:
    """Anthropic's counts as a Usage: the prompt is what was new, written to the cache and read from it."""
    details = told.output_tokens_details
    return Usage(
        _sum(told.input_tokens, told.cache_creation_input_tokens, told.cache_read_input_tokens),
        told.output_tokens,
        told.cache_read_input_tokens,
        details.thinking_tokens if details else None,
    )


def anthropic_usage(raw: bytes) -> Usage | None:
    """`usage` of a message."""
    told = value(raw, AnthropicUsage)
    return _or_none(anthropic_total(told)) if told else None


def gemini_usage(raw: bytes) -> Usage | None:
    """`usageMetadata` of a generateContent reply."""
    told = value(raw, _Gemini)
    if told is None:
        return None
    return _or_none(
        Usage(
            _sum(told.prompt_token_count, told.tool_use_prompt_token_count),
            _sum(_first(told.candidates_token_count, told.response_token_count), told.thoughts_token_count),
            told.cached_content_token_count,
            told.thoughts_token_count,
        )
    )


def interaction_usage(raw: bytes) -> Usage | None:
    """`usage` of an interaction (Gemini's Interactions API)."""
    told = value(raw, _Interaction)
    if told is None:
        return None
    return _or_none(
        Usage(
            _sum(told.total_input_tokens, told.total_tool_use_tokens),
            _sum(told.total_output_tokens, told.total_thought_tokens),
            told.total_cached_tokens,
            told.total_thought_tokens,
        )
    )


OPENAI = ((b"usage", openai_usage),)
ANTHROPIC = ((b"usage", anthropic_usage),)
GEMINI = ((b"usageMetadata", gemini_usage), (b"usage", interaction_usage))
ANY = (*OPENAI, *GEMINI)


class _Document(Struct):
    usage: Raw = Raw()
    usageMetadata: Raw = Raw()  # noqa: N815 - the wire's name


def document_usage(data: bytes, readers: tuple[tuple[bytes, Reader], ...]) -> Usage | None:
    """The usage among the members of a whole JSON object; None if it is cut or has none there."""
    document = value(data, _Document)
    if document is None:
        return None
    for name, read in readers:
        raw = document.usage if name == b"usage" else document.usageMetadata
        if bytes(raw) and (usage := read(bytes(raw))) is not None:
            return usage
    return None


def find_usage(data: bytes, readers: tuple[tuple[bytes, Reader], ...]) -> Usage | None:
    """The last usage object in `data` that one of `readers` (member name, reader) understands.

    `data` may be cut at either end. The last one counts: usage is among a reply's last members, and later chunks of a
    stream repeat it with larger numbers.
    """
    for name, read in readers:
        for raw in last_objects(data, name):
            if (usage := read(raw)) is not None:
                return usage
    return None
