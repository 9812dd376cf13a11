"""The console's files on the admin listener. They hold nothing of the node: what they show, the API tells. (Shell.)"""

from __future__ import annotations

from aiohttp import web

from edge.console.files import HEADERS, File, load


class Pages:
    """`/` is the page, `/console/…` what it is made of."""

    def __init__(self) -> None:
        self._files = load()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self._index), web.get("/console/{name:.+}", self._file)]

    async def _index(self, request: web.Request) -> web.Response:
        return _reply(request, self._files["index.html"])

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return _reply(request, found)


def _reply(request: web.Request, file: File) -> web.Response:
    headers = {**HEADERS, "etag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return web.Response(status=304, headers=headers)
    headers["content-type"] = file.type
    if "gzip" in request.headers.get("accept-encoding", ""):
        return web.Response(body=file.packed, headers={**headers, "content-encoding": "gzip"})
    return web.Response(body=file.body, headers=headers)
