"""TCP faults through a real Toxiproxy server: one proxy for each line and host, toxics as the scenario's time goes on.

Needs the `toxiproxy-python` package and a toxiproxy-server (tests/support/install-toxiproxy.sh builds one). It works on
streams: no packets, so no loss, reordering, MTU or UDP; see `netem.toxics`.
"""

import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import toxiproxy  # type: ignore[import-untyped]  # ships no annotations

from netem.aio.machine import toxiproxy_server
from netem.aio.namespaces import LabError
from netem.link.conditions import Profile
from netem.link.event import Event
from netem.scenario import Scenario
from netem.topology import Topology
from netem.toxics import ToxicSpec, toxics_of

Address = tuple[str, int]
_START_SECONDS = 10.0
_IDLE_SECONDS = 3600.0


class ToxiLab:
    """`with ToxiLab(scenario, {"provider": ("127.0.0.1", 8000)}) as lab: connect(lab.address("provider", "cn2"))`.

    One at a time in a process: the client library keeps the server's address in a class. Raises LabError if there is
    no server.
    """

    def __init__(self, scenario: Scenario, targets: Mapping[str, Address]) -> None:
        self.scenario = scenario
        self._targets = targets
        self._topology = Topology(scenario)
        self._links = {spec.id: spec.link(scenario.seed) for spec in scenario.lines}
        self._proxies: dict[tuple[str, str], Any] = {}
        self._applied: dict[str, tuple[ToxicSpec, ...]] = dict.fromkeys(self._links, ())
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_closing = False
        self._origin = 0.0
        self._thread = threading.Thread(target=self._follow, name="toxi-timeline")
        self.fault: Exception | None = None

    def __enter__(self) -> Self:
        path = toxiproxy_server()
        if path is None:
            raise LabError("no toxiproxy-server: run tests/support/install-toxiproxy.sh, or set FARLINE_TOXIPROXY")
        port = _free_port()
        argv = [str(path), "-host", "127.0.0.1", "-port", str(port)]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._create_proxies(port)
        except BaseException:
            self._end_server()
            raise
        self._origin = time.monotonic()
        self._apply()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closing = True
        self._wake.set()
        self._thread.join()
        self._end_server()
        if self.fault is not None and error is None:
            raise self.fault

    def address(self, host: str, line: str) -> Address:
        """Where to connect to reach `host` over `line`."""
        name, _, port = self._proxies[host, line].listen.rpartition(":")
        return name, int(port)

    def now(self) -> float:
        """Lab time."""
        return time.monotonic() - self._origin

    def event(self, line: str, kind: str, **settings: Any) -> None:
        """Let an `Event` begin now, or at lab time `at`."""
        with self._lock:
            self._links[line].add([Event(kind, **{"at": self.now(), **settings})])
        self._apply()
        self._wake.set()

    def _create_proxies(self, port: int) -> None:
        client = toxiproxy.Toxiproxy()
        client.update_api_consumer("127.0.0.1", port)
        deadline = time.monotonic() + _START_SECONDS
        while not client.running():
            if time.monotonic() > deadline or (self._process is not None and self._process.poll() is not None):
                raise LabError("toxiproxy-server doesn't answer")
            time.sleep(0.02)  # it has no other way to say that it is up
        for host, (name, target_port) in self._targets.items():
            self._topology.address(host)
            for line in self._links:
                self._proxies[host, line] = client.create(upstream=f"{name}:{target_port}", name=f"{host}.{line}")

    def _follow(self) -> None:
        while not self._is_closing:
            with self._lock:
                change = min(link.advance(self.now()) for link in self._links.values())
            self._wake.wait(max(0.0, min(change - self.now(), _IDLE_SECONDS)))
            self._wake.clear()
            try:
                self._apply()
            except Exception as fault:  # the thread's root: kept, and raised when the lab closes
                self.fault = fault
                return

    def _apply(self) -> None:
        with self._lock:
            for id, link in self._links.items():
                link.advance(self.now())
                wanted = toxics_of(Profile(link.lane("up").conditions, link.lane("down").conditions))
                if wanted != self._applied[id]:
                    self._replace(id, wanted)

    def _replace(self, line: str, wanted: tuple[ToxicSpec, ...]) -> None:
        before, self._applied[line] = self._applied[line], wanted
        for (_, proxied), proxy in self._proxies.items():
            if proxied == line:
                for toxic in before:
                    proxy.destroy_toxic(toxic.name)
                for toxic in wanted:
                    proxy.add_toxic(type=toxic.type, stream=toxic.stream, attributes=dict(toxic.attributes))

    def _end_server(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
