"""What a request of OpenAI's Responses API refers to, and who may: read from its head and the start of its body.

https://platform.openai.com/docs/api-reference/responses/retrieve (`stream`, `starting_after`)
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

from edge.dialects.json_scan import members, value
from edge.dialects.request import query, segments

OWNER = b"x-farline-owner"
"""From an edge to its relays: who asks, as a digest that tells nothing else."""
RESUME = b"x-farline-resume"
"""From an edge to its relays: `only` from what is kept, the provider isn't asked."""
RESUMED = b"x-farline-resumed"
"""In a reply: by whom (`edge`, `relay`) the stream was kept."""
NOBODY = b"anyone"
"""An owner without any key: told apart by the edge alone."""

_ID_CHARACTERS = 256


class Asked(Struct, frozen=True):
    """A stream to go on with: the events of response `id` after the number `after` (-1: all)."""

    id: str
    after: int


def makes_response(method: bytes, target: bytes) -> bool:
    """Does the request make a response, whose stream may be taken up later?"""
    return method == b"POST" and segments(target)[-1:] == ["responses"]


def resumed(method: bytes, target: bytes) -> Asked | None:
    """The stream that the request goes on with; None: it asks for something else."""
    if method != b"GET" or query(target, "stream") != "true":
        return None
    id = _id_in(target)
    after = query(target, "starting_after") or "-1"
    if id is None or not after.removeprefix("-").isascii() or not after.removeprefix("-").isdigit() or len(after) > 15:
        return None
    return Asked(id, int(after)) if segments(target)[-1] == id else None


def referred(target: bytes, body: bytes) -> str | None:
    """The response that the request is about (`/responses/{id}…`) or goes on from (`previous_response_id`)."""
    if (id := _id_in(target)) is not None:
        return id
    return value(members(body, (b"previous_response_id",)).get(b"previous_response_id"), str)


def _id_in(target: bytes) -> str | None:
    """As in `/v1/responses/resp_1/cancel`. Its other words (`compact`, `input_tokens`) are no ids, and harmless."""
    path = segments(target)
    if "responses" not in path[:-1]:
        return None
    return path[path.index("responses") + 1][:_ID_CHARACTERS]


def owner_of(provider: str, *secrets: str | None) -> bytes:
    """Who asks, by the keys that came with the request: nobody else can name it, and it can't be turned back."""
    known = [secret for secret in secrets if secret]
    if not known:
        return NOBODY
    digest = blake2b(provider.encode(), digest_size=16, person=b"farline-owner")
    for secret in known:
        digest.update(blake2b(secret.encode(), digest_size=32).digest())
    return digest.hexdigest().encode()
