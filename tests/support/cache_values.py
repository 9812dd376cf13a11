"""Keys, questions and entries for the cache's tests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cache.entry import Entry, Spent
from cache.key import Key
from cache.question import Question

CHAT: dict[str, Any] = {
    "model": "gpt-4.1",
    "temperature": 0,
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": '你好 "there"'}],
}


def key(number: int | str = 0, tenant: str = "team", provider: str = "openai", model: str = "gpt-4.1") -> Key:
    return Key(hashlib.sha256(f"{number}/{tenant}/{model}".encode()).digest(), tenant, provider, model)


def question(body: Any = CHAT, **changes: Any) -> Question:
    """`body` is made JSON unless it is bytes."""
    fields: dict[str, Any] = {
        "dialect": "openai",
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4.1",
        "tenant": "team",
        "target": b"/v1/chat/completions",
        "headers": [(b"content-type", b"application/json")],
        "body": body if isinstance(body, bytes) else json.dumps(body).encode(),
    }
    return Question(**(fields | changes))


def entry(body: bytes = b"data: hi\n\ndata: [DONE]\n\n", created: float = 1000.0, ttl: float = 60.0) -> Entry:
    half = len(body) // 2
    chunks = ((half, 0), (len(body) - half, 250))
    headers = ((b"content-type", b"text/event-stream"),)
    return Entry(200, headers, body, chunks, True, Spent(5, 2, None, None, 0.5), created, created + ttl)
