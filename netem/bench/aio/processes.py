"""Processes inside a lab: what they write goes to files, so that a broken one can be asked what it said."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import netem
from netem.aio.lab import Lab

READY_SECONDS = 60.0


class StageError(Exception):
    """A process didn't get ready or broke; the text says which and what it said."""


class Processes:
    """Commands started in the namespaces of `lab`. Of `name`, `folder` gets `name.out` and `name.err`."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self.folder = folder

    def start(
        self,
        name: str,
        role: str,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[Any]:
        """It ends with the lab at the latest. It finds the modules of this project."""
        root = str(Path(netem.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        with self.output(name).open("wb") as out, self.errors(name).open("wb") as err:
            return self._lab.popen(
                role,
                argv,
                stdin=stdin,
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            )

    def await_port(self, name: str, process: subprocess.Popen[Any], role: str, host: str, port: int) -> None:
        """Until it accepts connections. Raises StageError."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                with self._lab.inside(role), socket.create_connection((host, port), timeout=1.0):
                    return
            except OSError:
                time.sleep(0.03)  # nothing tells when a foreign process listens
        raise StageError(f"{name} isn't ready: {self.said(name)}")

    def output(self, name: str) -> Path:
        """What it writes to standard output."""
        return self.folder / f"{name}.out"

    def errors(self, name: str) -> Path:
        """What it writes to standard error."""
        return self.folder / f"{name}.err"

    def said(self, name: str) -> str:
        """The end of what a process wrote to standard error, or to standard output."""
        for file in (self.errors(name), self.output(name)):
            if text := file.read_text(errors="replace").strip():
                return text[-600:]
        return "it said nothing"


class LoadClient:
    """The load client's process (`netem.bench.aio.load`) in the client's namespace; it warms up at once."""

    def __init__(self, processes: Processes, order: Mapping[str, Any], name: str = "client") -> None:
        self._processes = processes
        self._name = name
        self._replies = processes.folder / f"{name}.json"
        argv = [sys.executable, "-m", "netem.bench.aio.load", str(self._replies)]
        self._process = processes.start(name, "client", argv, stdin=subprocess.PIPE)
        self._tell(order)

    def await_warm_up(self) -> str:
        """Returns what went wrong in it; "" if nothing did. Raises StageError."""
        out = self._processes.output(self._name)
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if (text := out.read_text()).endswith("\n"):
                return str(json.loads(text)["warm_up_fault"])
            time.sleep(0.02)  # its line comes through a file
        raise StageError(f"the load client isn't ready: {self._processes.said(self._name)}")

    def begin(self, begin_ns: int) -> None:
        """The window of requests begins at that moment of the monotonic clock."""
        self._tell({"begin_ns": begin_ns})

    def finish(self, seconds: float) -> dict[str, Any]:
        """Wait until it ends and read what it found. Raises StageError when it fails or takes longer."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise StageError(f"the load client didn't end: {self._processes.said(self._name)}") from None
        if code:
            raise StageError(f"the load client failed: {self._processes.said(self._name)}")
        said: dict[str, Any] = json.loads(self._replies.read_text())
        return said

    def _tell(self, what: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()


def ask(lab: Lab, role: str, address: tuple[str, int], path: str, body: Any = None) -> bytes:
    """GET, or POST of `body` as JSON, from inside a namespace. Raises OSError, StageError for other than 200."""
    with lab.inside(role):
        connection = http.client.HTTPConnection(*address, timeout=5.0)
        try:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            reply = connection.getresponse()
            data = reply.read()
        finally:
            connection.close()
    if reply.status != 200:
        raise StageError(f"{path}: status {reply.status}: {data[:200]!r}")
    return data
