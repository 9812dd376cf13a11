"""How many tokens a prompt may be, without its tokenizer: two bounds, because models differ.

What is counted are characters of the text, not bytes of JSON: an escaped character is one character, a Chinese one is
about one token (0.5 to 1.5 by tokenizer), English runs at 4 to 5 characters a token, code and digits at 2.5.
"""

from __future__ import annotations

from typing import Any

import msgspec

MEDIA_TOKENS = 768  # an image or sound, whatever its size in base64
_PER_ITEM = 4  # a message's role and separators in the chat template


class Estimate(msgspec.Struct, frozen=True):
    """Bounds that hold for the usual tokenizers."""

    least: int
    most: int


class _Counts(msgspec.Struct):
    ascii: int = 0
    other: int = 0
    media: int = 0
    items: int = 0


def estimate(body: bytes) -> Estimate:
    """Of a request's body. One that isn't JSON has no prompt that could be judged: zero."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Estimate(0, 0)
    counts = _Counts()
    _count(document, counts)
    return Estimate(
        int(counts.ascii / 7 + counts.other * 0.5),
        int(counts.ascii / 2.5 + counts.other * 1.5) + counts.media * MEDIA_TOKENS + counts.items * _PER_ITEM,
    )


def _count(root: Any, counts: _Counts) -> None:
    """Without recursion: what a client sends may be nested deeply."""
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            _count_text(value, counts)
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            counts.items += 1
            if _is_media(value):
                counts.media += 1
            else:
                waiting += value.values()


def _count_text(text: str, counts: _Counts) -> None:
    if text.startswith("data:"):
        counts.media += 1
        return
    plain = len(text) if text.isascii() else sum(map(str.isascii, text))
    counts.ascii += plain
    counts.other += len(text) - plain


def _is_media(value: dict[str, Any]) -> bool:
    """Anthropic's `source`, Gemini's `inlineData`, OpenAI's `input_audio`: base64 in `data`."""
    return isinstance(value.get("data"), str) and any(name in value for name in ("media_type", "mimeType", "format"))
