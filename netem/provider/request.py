"""One request as the provider sees it: whatever HTTP version carried it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

KEEP_BYTES = 32 * 1024**2  # longest body kept whole; of a longer one only the start, its length and hash


class Body:
    """A request's body as it comes in: hashed and counted whole, kept up to `KEEP_BYTES`."""

    __slots__ = ("_hash", "_parts", "length")

    def __init__(self) -> None:
        self.length = 0
        self._hash = hashlib.sha256()
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self._hash.update(data)
        if self.length < KEEP_BYTES:
            self._parts.append(data)
        self.length += len(data)

    def kept(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def sha256(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class Request:
    """`target` is the path with its query; `headers` have lower-case names, in their order on the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    body_length: int = 0
    body_sha256: str = field(default=hashlib.sha256().hexdigest())
    protocol: str = "http/1.1"
    secure: bool = False

    @cached_property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2]))

    @cached_property
    def fields(self) -> dict[str, str]:
        return dict(self.headers)

    @cached_property
    def document(self) -> Any:
        """The body as JSON, or None if it isn't."""
        try:
            return msgspec.json.decode(self.body) if self.body else None
        except msgspec.DecodeError:
            return None

    @property
    def asked(self) -> dict[str, Any]:
        """The body as a JSON object, or an empty one."""
        return self.document if isinstance(self.document, dict) else {}

    @cached_property
    def id(self) -> str:
        """What executions are counted by: the caller's `x-sim-id`, else a hash of method, target and body."""
        given = self.fields.get("x-sim-id")
        if given:
            return given
        return hashlib.sha256(f"{self.method} {self.target} {self.body_sha256}".encode()).hexdigest()[:16]

    @property
    def origin(self) -> str:
        """Scheme and authority as the caller wrote them, for the URLs that a reply names."""
        host = self.fields.get("host") or self.fields.get(":authority") or "localhost"
        return f"{'https' if self.secure else 'http'}://{host}"
