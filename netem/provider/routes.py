"""Path → API. One port speaks all of them, so a test needs one provider for every SDK."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from netem.provider import anthropic, gemini, openai, responses
from netem.provider.files import FileStore
from netem.provider.reply import Reply
from netem.provider.request import Request
from netem.provider.sim import Sim

Handler = Callable[[Request, Sim], Reply]
ErrorBody = Callable[[int, str], bytes]

ERRORS: dict[str, ErrorBody] = {"openai": openai.error, "anthropic": anthropic.error, "gemini": gemini.error}
_PREFIX = re.compile(r"^/(?:openai|azure|anthropic|gemini)(?=/v1)")
_AZURE = re.compile(r"^/openai/(?:deployments/[^/]+/)?")
_VERSION = re.compile(r"^/(?:upload/)?v1(?:alpha|beta)?/")
_DECIMAL = re.compile(r"/bytes/(\d{1,10})$")


@dataclass(frozen=True, slots=True)
class Route:
    """`api` picks the shape of errors; `operation` is for the log."""

    api: str
    operation: str
    handler: Handler


class Routes:
    """Finds the handler for a request."""

    def __init__(self, files: FileStore) -> None:
        self._posts: dict[str, Route] = {
            "chat/completions": Route("openai", "chat", openai.chat),
            "completions": Route("openai", "completions", openai.completions),
            "responses": Route("openai", "responses", responses.responses),
            "embeddings": Route("openai", "embeddings", openai.embeddings),
            "audio/transcriptions": Route("openai", "transcription", openai.transcription),
            "audio/translations": Route("openai", "transcription", openai.transcription),
            "audio/speech": Route("openai", "speech", openai.speech),
            "images/generations": Route("openai", "images", openai.images),
            "images/edits": Route("openai", "images", openai.images),
            "images/variations": Route("openai", "images", openai.images),
            "moderations": Route("openai", "moderations", openai.moderations),
            "messages": Route("anthropic", "messages", anthropic.messages),
            "messages/count_tokens": Route("anthropic", "count_tokens", anthropic.count_tokens),
        }
        self._trees: tuple[tuple[str, Route], ...] = (
            ("messages/batches", Route("anthropic", "batches", anthropic.batches)),
            ("responses", Route("openai", "responses", responses.retrieve)),
            ("uploads", Route("openai", "uploads", files.uploads)),
            ("batches", Route("openai", "batches", files.batches)),
        )
        self._gemini_verbs: dict[str, Route] = {
            "generateContent": Route("gemini", "generate", gemini.generate),
            "streamGenerateContent": Route("gemini", "generate", gemini.generate),
            "countTokens": Route("gemini", "count_tokens", gemini.count_tokens),
            "embedContent": Route("gemini", "embeddings", gemini.embed),
            "batchEmbedContents": Route("gemini", "embeddings", gemini.embed),
        }
        self._models = {
            "openai": Route("openai", "models", openai.models),
            "anthropic": Route("anthropic", "models", anthropic.models),
            "gemini": Route("gemini", "models", gemini.models),
        }
        self._files = {
            "openai": Route("openai", "files", files.files),
            "gemini": Route("gemini", "files", files.gemini),
        }

    def find(self, request: Request) -> Route | None:
        path = _PREFIX.sub("", request.path)
        if _DECIMAL.search(path):
            return Route("openai", "bytes", raw_bytes)
        found = _VERSION.match(path) or _AZURE.match(path)
        if found is None:
            return None
        rest = path[found.end() :]
        if request.method == "POST" and rest in self._posts:
            return self._posts[rest]
        tree, _, verb = rest.rpartition(":")
        if tree.startswith(("models/", "tunedModels/")) and verb in self._gemini_verbs:
            return self._gemini_verbs[verb]
        if _is_under(rest, "models"):
            return self._models[api_of(request)]
        if _is_under(rest, "files"):
            return self._files["gemini" if api_of(request) == "gemini" else "openai"]
        return next((route for name, route in self._trees if _is_under(rest, name)), None)


def _is_under(path: str, tree: str) -> bool:
    return path == tree or path.startswith(tree + "/")


def api_of(request: Request) -> str:
    """Whose API a path that several share is meant for: by version, key and headers."""
    fields = request.fields
    if "v1beta" in request.path or "v1alpha" in request.path or "x-goog-api-key" in fields or "key" in request.query:
        return "gemini"
    if request.path.startswith("/upload/") or "x-goog-upload-command" in fields or "upload_id" in request.query:
        return "gemini"
    return "anthropic" if "anthropic-version" in fields or "/messages" in request.path else "openai"


def raw_bytes(request: Request, sim: Sim) -> Reply:
    """GET /bytes/N: N bytes of the pattern."""
    found = _DECIMAL.search(request.path)
    size = min(int(found[1]), 1 << 30) if found else 0
    return Reply(content_type="application/octet-stream", body=openai.pattern(size))
