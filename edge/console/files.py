"""The console's files, read once: bodies, types, tags, and what browsers may do with them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-cache",  # asked for anew each time, answered by "not modified"
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "vary": "accept-encoding",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class File:
    """`tag`: an entity tag with its quotes (RFC 9110 §8.8.3)."""

    type: str
    body: bytes
    packed: bytes  # gzip
    tag: str


def load() -> dict[str, File]:
    """All files by their path under the console's folder; "index.html" is the page."""
    return dict(_walk(files(__package__).joinpath("static"), ""))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, File]]:
    found = []
    for each in folder.iterdir():
        name = f"{prefix}{each.name}"
        if each.is_dir():
            found += _walk(each, f"{name}/")
        elif (kind := name.rpartition(".")[2]) in TYPES:
            found.append((name, _file(TYPES[kind], each.read_bytes())))
    return found


def _file(kind: str, body: bytes) -> File:
    return File(kind, body, gzip.compress(body, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:16]}"')
