"""Errors of the admin API in one shape: problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


def problem(status: int, detail: str, pointer: str = "") -> dict[str, Any]:
    """`pointer` names the member of the request's body that is to blame (RFC 6901)."""
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if pointer:
        told["errors"] = [{"pointer": pointer, "detail": detail}]
    return told
