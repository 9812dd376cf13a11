"""One conversation, one endpoint: providers keep prompt caches per region, and a turn that finds one is quicker and
cheaper. It binds the endpoint only, never the line.

Rendezvous hashing (Thaler and Ravishankar, 1998): everyone scores every endpoint and takes the highest, so that when
one of n leaves, only its own conversations move.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log

from edge.dialects.json_scan import skip_space, string_end

NAMES = (b'"prompt_cache_key"', b'"user_id"', b'"cachedContent"')  # OpenAI, Anthropic (metadata), Gemini
PREFIX_BYTES = 1024
END_BYTES = 2048  # of a body: names are looked for at either end, not in the conversation itself
_MOST = 2.0**52


def named_conversation(body: bytes) -> bytes | None:
    """What the body says that belongs together: the value of the first of NAMES that is a string. Nothing is decoded:
    a quoted name before a colon can't occur inside a JSON string."""
    if len(body) > 2 * END_BYTES:
        body = body[:END_BYTES] + b"\n" + body[-END_BYTES:]
    for name in NAMES:
        at = body.find(name)
        if at >= 0:
            colon = skip_space(body, at + len(name))
            start = skip_space(body, colon + 1)
            if body[colon : colon + 1] == b":" and body[start : start + 1] == b'"':
                end = string_end(body, start)
                if end > 0:
                    return body[start:end]
    return None


def conversation(mode: str, header: bytes | None, body: bytes, principal: str, model: str | None) -> bytes | None:
    """A digest of what names the conversation, or None. `mode`: "off", "key" (the header, or a name in the body) or
    "prefix" (else the body's beginning, which the turns of a conversation share). Tenants never share one."""
    if mode == "off":
        return None
    name = header or named_conversation(body)
    if name is None and mode == "prefix":
        name = body[:PREFIX_BYTES] or None
    if name is None:
        return None
    digest = blake2b(name, digest_size=16)
    digest.update(f"\0{principal}\0{model}".encode())
    return digest.digest()


def home(conversation: bytes, endpoints: Sequence[tuple[str, float]]) -> str:
    """The endpoint, of (id, weight) each, where the conversation lives; its chances follow the weights."""
    return max((_score(conversation, name, weight), name) for name, weight in endpoints)[1]


def _score(conversation: bytes, endpoint: str, weight: float) -> float:
    drawn = int.from_bytes(blake2b(conversation + endpoint.encode(), digest_size=8).digest(), "big") >> 12
    return -max(weight, 1e-9) / log((drawn + 0.5) / _MOST)
