"""What a provider keeps between requests: OpenAI files, uploads and batches, Gemini's resumable uploads."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from netem.provider.openai import CREATED, pattern
from netem.provider.reply import Reply, json_reply
from netem.provider.request import Request
from netem.provider.sim import Sim

KEPT_FILES = 64


@dataclass(slots=True)
class Stored:
    """One file, or an upload on its way to be one."""

    name: str
    filename: str = "file"
    purpose: str = "assistants"
    mime: str = "application/octet-stream"
    data: bytearray = field(default_factory=bytearray)
    status: str = "pending"
    final: str = ""  # an upload's file


class FileStore:
    """Files by id; the oldest go when there are more than `KEPT_FILES`."""

    def __init__(self) -> None:
        self._stored: OrderedDict[str, Stored] = OrderedDict()
        self._number = 0

    def add(self, prefix: str, **given: Any) -> Stored:
        self._number += 1
        stored = Stored(f"{prefix}{self._number}", **given)
        self._stored[stored.name] = stored
        if len(self._stored) > KEPT_FILES:
            self._stored.popitem(last=False)
        return stored

    def get(self, name: str) -> Stored | None:
        return self._stored.get(name)

    def all(self, prefix: str) -> list[Stored]:
        return [stored for name, stored in self._stored.items() if name.startswith(prefix)]

    # OpenAI: files

    def files(self, request: Request, sim: Sim) -> Reply:
        name, _, verb = request.path.rpartition("/files")[2].strip("/").partition("/")
        if not name and request.method == "POST":
            form = multipart(request)
            part = form.get("file", Part())
            stored = self.add(
                "file-", filename=part.filename, purpose=_text(form, "purpose"), data=bytearray(part.data)
            )
            return json_reply(_file(stored))
        if not name:
            return json_reply(
                {"object": "list", "data": [_file(each) for each in self.all("file-")], "has_more": False}
            )
        if request.method == "DELETE":
            self._stored.pop(name, None)
            return json_reply({"id": name, "object": "file", "deleted": True})
        known = self.get(name)
        if verb == "content":
            body = bytes(known.data) if known else pattern(sim.size)
            return Reply(content_type="application/octet-stream", body=body)
        return json_reply(_file(known or Stored(name)))

    # OpenAI: uploads in parts

    def uploads(self, request: Request, sim: Sim) -> Reply:
        name, _, verb = request.path.rpartition("/uploads")[2].strip("/").partition("/")
        if not name:
            asked = request.asked
            stored = self.add("upload_", filename=str(asked.get("filename")), purpose=str(asked.get("purpose")))
            return json_reply(_upload(stored))
        stored = self.get(name) or self.add("upload_")
        if verb == "parts":
            stored.data += multipart(request).get("data", Part()).data
            part = {"id": f"part_{len(stored.data)}", "object": "upload.part", "created_at": CREATED}
            return json_reply({**part, "upload_id": name})
        stored.status = "completed" if verb == "complete" else "cancelled"
        if verb == "complete":
            made = self.add("file-", filename=stored.filename, purpose=stored.purpose, data=stored.data)
            return json_reply({**_upload(stored), "file": _file(made)})
        return json_reply(_upload(stored))

    # OpenAI: batches

    def batches(self, request: Request, sim: Sim) -> Reply:
        name = request.path.rpartition("/batches")[2].strip("/")
        if not name and request.method == "GET":
            return json_reply({"object": "list", "data": [_batch("batch_1", {}, "completed")], "has_more": False})
        if not name:
            return json_reply(_batch(f"batch_{request.id}", request.asked, "validating"))
        status = "cancelling" if name.endswith("/cancel") else "completed"
        return json_reply(_batch(name.removesuffix("/cancel"), {}, status))

    # Gemini: https://ai.google.dev/api/files, resumable protocol

    def gemini(self, request: Request, sim: Sim) -> Reply:
        name = request.path.rpartition("/files")[2].strip("/")
        if "upload" in request.path.split("/"):
            return self._resumable(request)
        if name.endswith(":download"):
            known = self.get(name.removesuffix(":download"))
            return Reply(content_type="application/octet-stream", body=bytes(known.data) if known else b"")
        if not name:
            return json_reply({"files": [_gemini_file(each, request) for each in self.all("gf-")]})
        if request.method == "DELETE":
            self._stored.pop(name, None)
            return json_reply({})
        return json_reply(_gemini_file(self.get(name) or Stored(name), request))

    def _resumable(self, request: Request) -> Reply:
        command = request.fields.get("x-goog-upload-command", "")
        if "start" in command:
            given = request.asked.get("file") or {}
            mime = request.fields.get("x-goog-upload-header-content-type", "application/octet-stream")
            stored = self.add("gf-", filename=str(given.get("displayName", "")), mime=mime)
            url = f"{request.origin}{request.path}?upload_id={stored.name}&upload_protocol=resumable"
            headers = (("x-goog-upload-url", url), ("x-goog-upload-status", "active"))
            return json_reply({}, headers=(*headers, ("x-goog-upload-chunk-granularity", "262144")))
        known = self.get(request.query.get("upload_id", ""))
        if known is None:
            return json_reply({"error": {"code": 404, "message": "no such upload", "status": "NOT_FOUND"}}, status=404)
        if "query" in command:
            received = ("x-goog-upload-size-received", str(len(known.data)))
            return json_reply({}, headers=(("x-goog-upload-status", "active"), received))
        offset = int(request.fields.get("x-goog-upload-offset", "0"))
        known.data[offset:] = request.body
        if "finalize" not in command:
            return json_reply({}, headers=(("x-goog-upload-status", "active"),))
        known.status = "ACTIVE"
        return json_reply({"file": _gemini_file(known, request)}, headers=(("x-goog-upload-status", "final"),))


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart form."""

    data: bytes = b""
    filename: str = ""


def multipart(request: Request) -> dict[str, Part]:
    """The parts by name (RFC 7578); empty if the body isn't a form or wasn't kept whole."""
    _, found, boundary = request.fields.get("content-type", "").partition("boundary=")
    if not found:
        return {}
    form: dict[str, Part] = {}
    for section in request.body.split(b"--" + boundary.strip('"').encode()):
        head, found_head, data = section.partition(b"\r\n\r\n")
        if found_head:
            form[_parameter(head, b"name")] = Part(data.removesuffix(b"\r\n"), _parameter(head, b"filename"))
    return form


def _parameter(head: bytes, name: bytes) -> str:
    return head.partition(b" " + name + b'="')[2].partition(b'"')[0].decode(errors="replace")


def _text(form: dict[str, Part], name: str) -> str:
    return form.get(name, Part()).data.decode(errors="replace")


def _file(stored: Stored) -> dict[str, Any]:
    about = {"id": stored.name, "object": "file", "bytes": len(stored.data), "created_at": CREATED}
    return {**about, "filename": stored.filename, "purpose": stored.purpose, "status": "processed"}


def _upload(stored: Stored) -> dict[str, Any]:
    about = {"id": stored.name, "object": "upload", "bytes": len(stored.data), "created_at": CREATED}
    more = {"filename": stored.filename, "purpose": stored.purpose, "status": stored.status}
    return {**about, **more, "expires_at": CREATED + 3600}


def _batch(name: str, asked: dict[str, Any], status: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "batch",
        "endpoint": asked.get("endpoint", "/v1/chat/completions"),
        "input_file_id": asked.get("input_file_id", "file-1"),
        "completion_window": asked.get("completion_window", "24h"),
        "status": status,
        "created_at": CREATED,
        "request_counts": {"total": 1, "completed": int(status == "completed"), "failed": 0},
    }


def _gemini_file(stored: Stored, request: Request) -> dict[str, Any]:
    digest = hashlib.sha256(stored.data).hexdigest()
    return {
        "name": f"files/{stored.name}",
        "displayName": stored.filename,
        "mimeType": stored.mime,
        "sizeBytes": str(len(stored.data)),
        "createTime": "2026-01-01T00:00:00Z",
        "updateTime": "2026-01-01T00:00:00Z",
        "sha256Hash": digest,
        "uri": f"{request.origin}/v1beta/files/{stored.name}",
        "state": "ACTIVE",
    }
