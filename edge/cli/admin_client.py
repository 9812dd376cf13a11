"""Asking a running node's admin API, over TCP or a unix socket."""

from __future__ import annotations

import argparse
import getpass
import http.client
import json
import os
import socket
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT = "http://127.0.0.1:8081"
SECONDS = 15.0  # for an answer
TRIES, LONGEST_WAIT = 3, 5.0  # of a node that asks for patience; seconds

REFUSED = 1
UNREACHABLE = 2


class AskFailed(Exception):
    """`code` is the exit code: 1, the node refused; 2, it can't be reached or the command is wrong."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the node is, who is asking, and how to print. Given before or after the action."""
    absent = argparse.SUPPRESS
    parser.add_argument("--admin", metavar="URL", default=absent, help=f"the node's admin listener (default {DEFAULT})")
    parser.add_argument("-c", "--config", metavar="FILE", default=absent, help="take [listen] admin from this file")
    parser.add_argument("--token", metavar="REF", default=absent, help="env:NAME (default FARLINE_TOKEN) or file:PATH")
    parser.add_argument("--json", action="store_true", default=absent, help="print the node's answer as JSON")


class AdminClient:
    """`ask` sends one request. Nothing is kept open in between."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._token = token

    @classmethod
    def of(cls, args: argparse.Namespace) -> AdminClient:
        """Raises AskFailed: the options make no sense."""
        given = vars(args)
        url = given.get("admin")
        if url is None and "config" in given:
            url = _from_file(given["config"])
        if url is None:
            url = os.environ.get("FARLINE_ADMIN") or DEFAULT
        return cls(_reachable(url), _token(given.get("token")))

    def ask(self, method: str, path: str, body: Any = None, *, seconds: float = SECONDS) -> Any:
        """The answer's document, which may take so many seconds. A node that is asked too often is given the time that
        it wants.

        Raises:
            AskFailed: the node refuses, or can't be reached.
        """
        status, wait, text = self._send(method, path, body, seconds)
        for _ in range(TRIES - 1):
            if status != http.HTTPStatus.TOO_MANY_REQUESTS or wait > LONGEST_WAIT:
                break
            time.sleep(wait)  # Retry-After: sooner, the node would turn us away again
            status, wait, text = self._send(method, path, body, seconds)
        return _document(self._url, status, text)

    def _send(self, method: str, path: str, body: Any, seconds: float) -> tuple[int, float, bytes]:
        """Status, seconds to wait before asking again, body. Raises AskFailed."""
        headers = {"accept": "application/json", "x-farline-operator": _person()}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        if method != "GET":
            headers["content-type"] = "application/json"
        connection = self._connection(seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise AskFailed(
                f"no farline answers at {self._url}: {error or type(error).__name__}", UNREACHABLE
            ) from None
        finally:
            connection.close()
        return reply.status, _wait(reply.headers.get("retry-after")), text

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self._url.startswith("unix:"):
            return _UnixConnection(self._url.removeprefix("unix:"), seconds)
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=seconds)


def performing(
    verb: str, action: Callable[[AdminClient, argparse.Namespace], int]
) -> Callable[[argparse.Namespace], int]:
    """`action` as a verb's `run`: a failure is told to people, with --json to programs, and is the exit code."""

    def run(args: argparse.Namespace) -> int:
        try:
            return action(AdminClient.of(args), args)
        except AskFailed as failed:
            if vars(args).get("json"):
                print(json.dumps({"ok": False, "detail": str(failed)}))
            print(f"farline {verb}: {failed}", file=sys.stderr)
            return failed.code

    return run


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path
        self._seconds = seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._seconds)
        self.sock.connect(self._path)


def _wait(told: str | None) -> float:
    return float(told) if told is not None and told.isdecimal() else 1.0


def _document(url: str, status: int, text: bytes) -> Any:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if status < 400 and document is not None:
        return document
    if not isinstance(document, dict) or "detail" not in document:
        raise AskFailed(f"what answers at {url} is no farline's admin API (status {status})", UNREACHABLE)
    pointer = next((error["pointer"] for error in document.get("errors", ())), "")
    where = f"{pointer.removeprefix('/')}: " if pointer else ""
    hint = "; give it with --token env:NAME" if status == 401 else ""
    raise AskFailed(f"{where}{document['detail']}{hint}", REFUSED)


def _from_file(name: str) -> str | None:
    """[listen] admin of a configuration file, whose other faults don't matter here."""
    try:
        listen = tomllib.loads(Path(name).read_text("utf-8-sig")).get("listen", {})
    except (OSError, ValueError) as error:
        raise AskFailed(f"{name}: {error}", UNREACHABLE) from None
    admin = listen.get("admin") if isinstance(listen, dict) else None
    if admin is False or admin == "":
        raise AskFailed(f"{name}: the node has no admin listener", UNREACHABLE)
    if isinstance(admin, str) and admin.startswith("unix:"):
        return f"unix:{Path(name).parent / admin.removeprefix('unix:')}"
    return str(admin) if admin is not None else None


def _reachable(url: str) -> str:
    """A URL of what may be the address of a listener: every interface includes loopback."""
    if url.startswith("unix:"):
        return url
    full = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(full)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise AskFailed(f"{url} is no URL; expected http://host:port or unix:/path", UNREACHABLE)
    return full.replace("//0.0.0.0", "//127.0.0.1", 1).replace("//[::]", "//[::1]", 1).rstrip("/")


def _person() -> str:
    """Who is typing, for the audit log."""
    try:
        return getpass.getuser().encode("ascii", "replace").decode()
    except (OSError, KeyError):
        return ""


def _token(ref: str | None) -> str | None:
    if ref is None:
        return os.environ.get("FARLINE_TOKEN") or None
    source, _, name = ref.partition(":")
    try:
        found = os.environ.get(name) if source == "env" else Path(name).read_text() if source == "file" else ""
    except OSError as error:
        raise AskFailed(f"--token: {name}: {error.strerror}", UNREACHABLE) from None
    if found is None:
        raise AskFailed(f"--token: the environment variable {name} is not set", UNREACHABLE)
    if not found.strip():
        expected = "env:NAME or file:PATH (a token on the command line could be read by everybody on the machine)"
        raise AskFailed(f"--token: expected {expected}", UNREACHABLE)
    return found.strip()
