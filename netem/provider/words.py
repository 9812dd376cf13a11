"""The words of an answer: deterministic, so that a lost, repeated or changed token shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from netem.provider.reply import Piece, encode
from netem.provider.sim import Sim

STAMP = "0" * 16  # where a stamped token's time of sending goes


@dataclass(frozen=True, slots=True)
class Words:
    """`tokens` words, and why they end: `finish` is "stop" or "length"."""

    sim: Sim
    prompt: str
    tokens: int
    finish: str

    @property
    def pieces(self) -> int:
        return -(-self.tokens // self.sim.burst)

    def word(self, index: int) -> str:
        """The index-th token, from 0: `t0001 `, `t0002 `…; or the prompt's words."""
        if self.sim.answer == "echo":
            words = self.prompt.split()
            return words[index] + " " if index < len(words) else ""
        return _numbered(index, self.sim.token_bytes, self.sim.answer == "stamped")

    def run(self, piece: int) -> str:
        """The text of the piece-th piece."""
        if self.sim.burst == 1:
            return self.word(piece)
        first = piece * self.sim.burst
        return "".join(map(self.word, range(first, min(first + self.sim.burst, self.tokens))))

    def text(self) -> str:
        return "".join(map(self.word, range(self.tokens)))

    def render(self, before: bytes, after: bytes) -> Callable[[int], bytes | Piece]:
        """Pieces made by putting each run of words into a template."""
        if self.sim.answer == "stamped":
            return lambda index: _stamped(before, self.run(index), after)
        if self.sim.answer == "echo":
            return lambda index: before + _escaped(self.run(index)) + after
        return lambda index: before + self.run(index).encode() + after


def words_for(sim: Sim, prompt: str, max_tokens: Any) -> Words:
    """The answer to `prompt`, cut to `max_tokens` as a provider would (anything but a positive integer is no limit)."""
    wanted = len(prompt.split()) if sim.answer == "echo" else sim.tokens
    if isinstance(max_tokens, int) and 0 < max_tokens < wanted:
        return Words(sim, prompt, max_tokens, "length")
    return Words(sim, prompt, wanted, "stop")


def count(text: str) -> int:
    """About how many tokens a prompt has."""
    return len(text) // 4 + 1


def text_of(content: Any) -> str:
    """All the text in a message's content, whatever the API's nesting (`text`, `content`, `parts`, `input`…)."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(filter(None, map(text_of, content)))
    if isinstance(content, dict):
        return text_of(next((content[key] for key in ("text", "content", "parts", "input") if key in content), ""))
    return ""


@lru_cache(maxsize=8192)
def _numbered(index: int, width: int, is_stamped: bool) -> str:
    name = f"t{index + 1:04d}"
    if is_stamped:
        name += "@" + STAMP
    return name.ljust(width - 1, ".") + " "


def _escaped(text: str) -> bytes:
    return encode(text)[1:-1]


def _stamped(before: bytes, text: str, after: bytes) -> Piece:
    head, _, tail = text.partition(STAMP)
    return Piece(before + head.encode(), tail.encode() + after)
