"""Parsers for what concerns the local pool: its engines, the names of its models, and who may fall back to it."""

from __future__ import annotations

from edge.config.fault import KeyPath, kind, shown
from edge.config.kinds import listing, text
from edge.config.reading import Reading, Wrong

ENGINES = ("vllm", "sglang", "llama.cpp", "openai")
PREFIX = "local/"

_model_name = text("a model's name of 1 to 256 printable characters")


def fallback(reading: Reading, path: KeyPath, value: object) -> str:
    """`local/NAME`: the name. Another provider's model would need its own dialect and would be billed by surprise."""
    name: str = _model_name(reading, path, value)
    if not name.startswith(PREFIX) or name == PREFIX:
        raise Wrong(f"{shown(name)} is not a model of the local pool", '"local/NAME"; other providers are no fallback')
    return name.removeprefix(PREFIX)


def models(reading: Reading, path: KeyPath, value: object) -> tuple[tuple[str, str], ...]:
    """A list of names, or a table from the name used here to the server's own."""
    if isinstance(value, dict):
        if not value:
            raise Wrong("is empty", "at least one model")
        return tuple((name, _model_name(reading, (*path, name), served)) for name, served in value.items())
    if not isinstance(value, list):
        raise Wrong(f"is {kind(value)}", 'an array of names, or a table { name = "the server\'s name" }')
    names: tuple[str, ...] = listing(_model_name, least=1)(reading, path, value)
    return tuple((name, name) for name in names)
