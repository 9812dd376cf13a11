"""What the API's methods share: bodies, query strings, replies. (Shell.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from edge.control.changes import Refused
from edge.control.requested import decoded

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object sent. Raises Refused."""
    return dict(decoded(await request.read()))


def queried(parse: Callable[[dict[str, str]], Any], query: dict[str, str]) -> Any:
    """What `parse` makes of a query string; its ValueError becomes Refused."""
    try:
        return parse(query)
    except ValueError as error:
        raise Refused("invalid", str(error)) from None


def json_reply(document: Any, status: int = 200) -> web.Response:
    return web.json_response(document, status=status, headers=HEADERS)
