"""Usage of a reply that came from farline's cache, in the vendors' own words for a prompt that was cached.

The numbers of tokens stay what they were: they are those of the prompt that was sent and of the answer that is given,
and totals still add up. What changes is which part of the prompt is said to come from a cache: all of it. So a caller
who works out costs from usage counts no more than a repeated prompt costs, although this reply cost nothing; no vendor
has a word for an answer that wasn't generated. That is what `x-farline-cache: hit` and `Age` say.

Each function changes a usage object in place and tells if it did; one that it doesn't understand stays as it is.
"""

from __future__ import annotations

from edge.dialects.forms.values import Json


def mark_openai(usage: Json) -> bool:
    """Chat, completions and responses: `cached_tokens` becomes the whole prompt; DeepSeek's two counts likewise."""
    changed = False
    for count, details in (("prompt_tokens", "prompt_tokens_details"), ("input_tokens", "input_tokens_details")):
        told = usage.get(count)
        if type(told) is not int:
            continue
        within = usage.get(details)
        if not isinstance(within, dict):
            within = usage[details] = {}
        changed |= _put(within, "cached_tokens", told)
        if "prompt_cache_hit_tokens" in usage and count == "prompt_tokens":
            changed |= _put(usage, "prompt_cache_hit_tokens", told)
            changed |= _put(usage, "prompt_cache_miss_tokens", 0)
    return changed


def mark_anthropic(usage: Json) -> bool:
    """What was new, written to a cache or read from it: all of it counts as read."""
    new, written = usage.get("input_tokens"), usage.get("cache_creation_input_tokens")
    read = usage.get("cache_read_input_tokens")
    if type(new) is not int:
        return False
    total = new + sum(count for count in (written, read) if type(count) is int)
    changed = _put(usage, "input_tokens", 0)
    if type(written) is int:
        changed |= _put(usage, "cache_creation_input_tokens", 0)
    by_life = usage.get("cache_creation")
    if isinstance(by_life, dict):
        for name in by_life:
            changed |= _put(by_life, name, 0)
    return _put(usage, "cache_read_input_tokens", total) or changed


def mark_gemini(usage: Json) -> bool:
    """`cachedContentTokenCount` becomes the whole prompt, and its modalities the prompt's."""
    told = usage.get("promptTokenCount")
    if type(told) is not int:
        return False
    changed = _put(usage, "cachedContentTokenCount", told)
    details = usage.get("promptTokensDetails")
    if isinstance(details, list):
        changed |= _put(usage, "cacheTokensDetails", details)
    return changed


def _put(into: Json, name: str, value: object) -> bool:
    if name in into and into[name] == value:
        return False
    into[name] = value
    return True
