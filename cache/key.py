"""The key of a request: SHA-256 over everything that can change the answer, in a versioned namespace."""

from __future__ import annotations

import hashlib
from struct import pack

from msgspec import Struct

from cache.canonical import Document, canonical
from cache.fields import HEADERS, LEFT_OUT, path_of, query_of
from cache.question import Question

VERSION = 1
"""Of the key's meaning. Raise it whenever the same request would get another key, or the same key another meaning."""

SHARED = "*"
"""Stands for the tenant where a rule shares answers between tenants."""


class Key(Struct, frozen=True):
    """`digest` alone identifies; the rest is for purging and for people."""

    digest: bytes
    tenant: str
    provider: str
    model: str

    @property
    def name(self) -> str:
        """`provider/model/digest`; what `purge` takes as a key or as a prefix."""
        return f"{self.provider}/{self.model}/{self.digest.hex()}"


def key_of(question: Question, document: Document, shared: bool = False, headers: tuple[bytes, ...] = ()) -> Key:
    """`document` is what `canonical.read` made of the question's body; it is not changed. `headers` (lower-case names)
    are part of the key beside the documented ones. Raises Uncacheable."""
    left_out = LEFT_OUT.get(question.dialect, LEFT_OUT["generic"])
    tenant = SHARED if shared else question.tenant
    taken = HEADERS.union(headers) if headers else HEADERS
    parts = [
        b"farline cache %d" % VERSION,
        b"shared" if shared else b"tenant",  # apart from the name: a tenant may be called anything
        tenant.encode("utf-8", "surrogateescape"),
        question.provider.encode(),
        question.dialect.encode(),
        question.model.encode("utf-8", "surrogatepass"),
        question.method,
        path_of(question.target),
        b"&".join(query_of(question.target)),
        canonical({name: value for name, value in document.items() if name not in left_out}),
    ]
    for field in sorted(field for field in question.headers if field[0] in taken):
        parts += field
    return Key(_digest(parts), tenant, question.provider, question.model)


def _digest(parts: list[bytes]) -> bytes:
    """Each part with its length before it, so that no two lists of parts run into the same bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(pack(">Q", len(part)))
        digest.update(part)
    return digest.digest()
