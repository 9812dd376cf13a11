"""A real edge and a real fake provider as processes, for tests from outside: the way a user runs them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from edge.app import Node
from edge.config.watch import load

LINES = {"cn2": "127.0.1.1", "cu2": "127.0.1.2", "cmi": "127.0.1.3"}
READY_SECONDS = 60.0


class Process:
    """A child that is ended, by its PID, when the context ends. Its output goes to files."""

    def __init__(self, arguments: Iterable[str], environment: dict[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="farline-test-")
        self.folder = Path(self._folder.name)
        self.out, self.err = self.folder / "out", self.folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.child = subprocess.Popen(
                [sys.executable, *arguments], stdout=out, stderr=err, env={**os.environ, **(environment or {})}
            )

    def wait_for(self, pattern: str, where: Path) -> re.Match[str]:
        """Waits until `pattern` stands in `where`."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            found = re.search(pattern, where.read_text())
            if found:
                return found
            if self.child.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"not ready: {self.out.read_text()}\n{self.err.read_text()}")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Ends the process; its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._folder.cleanup()


class Provider(Process):
    """`farline demo provider` on ports of its own choice. `h3` implies TLS."""

    def __init__(
        self, *, tls: bool = False, sim: str = "think_ms=5,interval_ms=1,tokens=8", arguments: tuple[str, ...] = ()
    ):
        extra = ("--tls",) if tls else ()
        super().__init__(
            ["-m", "edge.cli", "demo", "provider", "--port", "0", "--json", "--sim", sim, *extra, *arguments]
        )
        about = json.loads(self.wait_for(r"\{.*\}\n", self.out).group())
        self.url: str = about["url"]
        self.control_url: str = about["control_url"]
        self.ca_file: str | None = about["ca_file"]

    def counters(self) -> dict[str, Any]:
        return fetch_json(f"{self.control_url}/_sim/counters")

    def executions(self) -> dict[str, int]:
        """How often each `x-sim-id` was executed."""
        executions: dict[str, int] = self.counters()["executions_by_id"]
        return executions

    def log(self, sim_id: str = "") -> list[dict[str, Any]]:
        """The records of `x-sim-id`, or all, oldest first."""
        query = f"id={sim_id}&" if sim_id else ""
        records: list[dict[str, Any]] = fetch_json(f"{self.control_url}/_sim/log?{query}limit=10000")
        return records

    def faults(self, **orders: Any) -> None:
        """Sets rules and switches; see the fake provider's control plane."""
        body = json.dumps(orders).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.control_url}/_sim/faults", body)) as reply:
            assert reply.status == 200


@dataclass
class Lines:
    """Client addresses on loopback that stand for lines: the provider sees who came over which."""

    sources: dict[str, str]

    def toml(self) -> str:
        return "".join(f'[[line]]\nid = "{name}"\nsource = "{source}"\n' for name, source in self.sources.items())


def config(
    provider_url: str,
    *,
    ca_file: str | None = None,
    protocols: tuple[str, ...] = (),
    lines: dict[str, str] | None = None,
    extra: str = "",
    endpoint_extra: str = "",
) -> str:
    """A whole configuration: three lines with distinct source addresses, three providers at one fake one."""
    text = ['[listen]\ndata = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"', Lines(lines or LINES).toml()]
    for name in ("openai", "anthropic", "gemini"):
        text.append(f'[[provider]]\nid = "{name}"\n[[provider.endpoint]]\nurl = "{provider_url}"')
        if protocols:
            text.append(f"protocols = {json.dumps(protocols)}")
        if ca_file:
            text.append(f'ca_file = "{ca_file}"')
        text.append(endpoint_extra)
    return "\n".join([*text, extra]) + "\n"


class Edge(Process):
    """`farline edge -c FILE`; `text` is the configuration. `admin_url` is "" if admin is a unix socket."""

    def __init__(self, text: str, environment: dict[str, str] | None = None) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
            file.write(text)
        self.file = Path(file.name)
        super().__init__(["-m", "edge.cli", "edge", "-c", file.name], environment)
        self.url = self.wait_for(r"data  (\S+)", self.err).group(1)
        has_port = 'admin = "unix:' not in text
        self.admin_url = self.wait_for(r"admin (\S+)", self.err).group(1) if has_port else ""

    def requests(self) -> list[dict[str, Any]]:
        """The request log so far."""
        time.sleep(0.4)  # lines are written in batches
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of `name` that have `labels`."""
        with urllib.request.urlopen(f"{self.admin_url}/metrics") as reply:
            families = list(text_string_to_metric_families(reply.read().decode()))
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.file.unlink(missing_ok=True)


@asynccontextmanager
async def node(text: str) -> AsyncIterator[Node]:
    """A node inside the test's own loop, for what can't be seen from outside."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        ready = asyncio.Event()
        node = Node(load(file.name), on_ready=lambda node: ready.set())
        async with asyncio.TaskGroup() as group:
            group.create_task(node.run())
            try:
                await asyncio.wait_for(ready.wait(), READY_SECONDS)
                yield node
            finally:
                node.stop()


def fetch_json(url: str) -> Any:
    with urllib.request.urlopen(url) as reply:
        return json.load(reply)
