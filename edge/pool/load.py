"""What the engines tell of themselves: how busy they are, which models they serve, how much context those take.

    vLLM       /metrics  vllm:num_requests_running, _waiting, kv_cache_usage_perc (older: gpu_cache_usage_perc)
    SGLang     /metrics  sglang:num_running_reqs, num_queue_reqs, token_usage
    llama.cpp  /metrics  llamacpp:requests_processing, _deferred; /slots where metrics are off; /props n_ctx
    all        /v1/models  ids, and vLLM's and SGLang's max_model_len

A sample that is missing is None: unknown. Servers with several engines report each: counts are added up, of the caches
the fullest is told.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec


class Load(msgspec.Struct, frozen=True, gc=False):
    """Requests at the server, from whomever, and the used share (0 to 1) of its KV cache."""

    running: int | None = None
    waiting: int | None = None
    cache_ratio: float | None = None


UNKNOWN = Load()

_RUNNING = frozenset(("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing"))
_WAITING = frozenset(("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred"))
_CACHE = frozenset(
    ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage", "llamacpp:kv_cache_usage_ratio")
)
_OURS = ("vllm:", "sglang:", "llamacpp:")


def from_metrics(text: str) -> Load:
    """From Prometheus' text format, of which only the lines that matter are looked at: servers expose thousands."""
    running: list[float] = []
    waiting: list[float] = []
    cache: list[float] = []
    for line in text.splitlines():
        if not line.startswith(_OURS):
            continue
        name, value = _sample(line)
        for names, found in ((_RUNNING, running), (_WAITING, waiting), (_CACHE, cache)):
            if name in names and value is not None:
                found.append(value)
    return Load(
        int(sum(running)) if running else None,
        int(sum(waiting)) if waiting else None,
        min(1.0, max(cache)) if cache else None,
    )


def _sample(line: str) -> tuple[str, float | None]:
    """Name and value of `name{labels} value [timestamp]`; a value that is no count is None. Labels may hold blanks."""
    if "{" in line:
        name, _, rest = line.partition("{")
        rest = rest.rpartition("}")[2]
    else:
        name, _, rest = line.partition(" ")
    try:
        value = float(rest.split()[0])
    except (ValueError, IndexError):
        return name, None
    return name, value if math.isfinite(value) and value >= 0 else None


def from_slots(body: bytes) -> Load:
    """llama.cpp's /slots: a list with one entry per slot."""
    slots = _decoded(body)
    if not isinstance(slots, list):
        return UNKNOWN
    return Load(running=sum(bool(slot.get("is_processing")) for slot in slots if isinstance(slot, dict)))


class Served(msgspec.Struct, frozen=True):
    """`context_tokens` None: the server doesn't say."""

    models: tuple[str, ...] = ()
    context_tokens: int | None = None


UNLISTED = Served()


def from_models(body: bytes) -> Served:
    """/v1/models. With several models of unlike length, the shortest counts."""
    document = _decoded(body)
    entries = document.get("data") if isinstance(document, dict) else None
    models, lengths = [], []
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            models.append(entry["id"])
            if _is_length(entry.get("max_model_len")):
                lengths.append(entry["max_model_len"])
    return Served(tuple(models), min(lengths, default=None))


def context_from_props(body: bytes) -> int | None:
    """llama.cpp's /props: the context of one slot."""
    document = _decoded(body)
    settings = document.get("default_generation_settings") if isinstance(document, dict) else None
    length = settings.get("n_ctx") if isinstance(settings, dict) else None
    return length if isinstance(length, int) and _is_length(length) else None


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
