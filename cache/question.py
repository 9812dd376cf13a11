"""What is asked, as the cache sees it: facts that the caller has found out already."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from transport.message import Headers


class Question(Struct, frozen=True):
    """One request. `target` is without the provider's prefix; `operation` and `dialect` are the edge's names of them.

    `tenant` comes from `tenant_of`: requests of two tenants never meet, unless a rule's scope says "shared".
    """

    dialect: str
    operation: str
    provider: str
    model: str
    tenant: str
    target: bytes
    headers: Headers
    body: bytes
    method: bytes = b"POST"
    is_sensitive: bool = False  # the caller's data class: neither stored nor answered from what is stored
    is_zero_retention: bool = False  # the tenant's own setting: the same


def tenant_of(principal: str, credential: str | None) -> str:
    """The scope of a caller: its id here, and the digest of the provider's key if it brings one of its own, since two
    keys may belong to two organisations with different rights."""
    if credential is None:
        return principal
    return f"{principal}+{hashlib.sha256(credential.encode('utf-8', 'surrogateescape')).hexdigest()}"
