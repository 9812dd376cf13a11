"""The lab of a turn with everything started in it: providers, one edge with its admin listener, the client's order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from netem.aio.lab import Lab
from netem.bench.aio.processes import LoadClient, Processes, ask
from netem.bench.plan import Load
from netem.profiles import profile
from netem.provider.aio.certs import make as make_certificates
from netem.scenario import LineSpec, Scenario
from tests.bench.failover.plan import Plan, Setting
from tests.bench.failover.watching import Sighting, State, differences, read_changes, read_exposition

CONGESTION = "bbr"
PORT, ADMIN = 8080, 8081
PROVIDER_PORT = 9443
CONTROL_PORT = 9081
POLL = 0.1
"""How often the edge's metrics are read, in seconds; what it logs comes with its own time."""
_HOSTS = ("provider", "provider2")


class Watch(threading.Thread):
    """Reads the edge's metrics from inside its namespace and keeps what changed, in seconds of the monotonic clock."""

    def __init__(self, lab: Lab, every: float) -> None:
        super().__init__(daemon=True)
        self._lab = lab
        self._every = every
        self._is_over = threading.Event()
        self.sightings: list[Sighting] = []
        self.looks = 0

    def run(self) -> None:
        seen: dict[str, State] = {}
        while not self._is_over.wait(self._every):
            try:
                text = ask(self._lab, "edge", ("127.0.0.1", ADMIN), "/metrics").decode()
            except OSError:
                continue  # the edge is busy or gone; the turn will say so
            found = read_exposition(text)
            self.sightings += differences(time.monotonic(), seen, found)
            seen = found
            self.looks += 1

    def end(self) -> None:
        self._is_over.set()
        self.join()


class Place:
    """Everything running. Made by `place`."""

    def __init__(self, lab: Lab, folder: Path, setting: Setting, every: float) -> None:
        self.lab = lab
        self.setting = setting
        self.processes = Processes(lab, folder)
        self.watch = Watch(lab, every)
        self.edge: subprocess.Popen[Any]
        self.ca_file = ""

    @property
    def config(self) -> Path:
        return self.processes.folder / "edge.toml"

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(spec.id for spec in self.lab.scenario.lines)

    def configuration(self, plan: Plan) -> str:
        """The edge's file: every line by its source address, an endpoint for each provider."""
        rows = [f'[listen]\ndata = ["{self.lab.address("edge")}:{PORT}"]\nadmin = "127.0.0.1:{ADMIN}"']
        rows.append(f'[routing]\npolicy = "{plan.policy}"')
        for line, weight in zip(self.lines, plan.weights, strict=True):
            source = self.lab.address("edge", line)
            rows.append(
                f'[[line]]\nid = "{line}"\nsource = "{source}"\ncongestion = "{CONGESTION}"\nweight = {weight:g}'
            )
        rows.append('[[provider]]\nid = "openai"\ndialect = "openai"')
        protocols = self.setting.protocols
        warm = plan.streams if protocols == ("http/1.1",) else 1
        for number, host in enumerate(_HOSTS[: self.setting.endpoints], 1):
            url = f"https://{self.lab.address(host)}:{PROVIDER_PORT}"
            rows.append(
                f'[[provider.endpoint]]\nid = "far{number}"\nurl = "{url}"\nca_file = {json.dumps(self.ca_file)}\n'
                f"protocols = {json.dumps(protocols)}\nkeep_warm = {warm}"
            )
        return "\n".join([*rows, plan.extra]) + "\n"

    def start_providers(self, load: Load) -> None:
        """One process for each endpoint, with the same certificate; numbered and stamped tokens."""
        sim = f"answer=stamped,tokens={load.tokens},interval_ms={load.interval_ms},think_ms={load.think_ms}"
        hosts = _HOSTS[: self.setting.endpoints]
        addresses = tuple(map(self.lab.address, hosts))
        self.ca_file, cert, key = make_certificates(self.processes.folder, addresses)
        for number, (host, address) in enumerate(zip(hosts, addresses, strict=True)):
            argv = [sys.executable, "-m", "netem.provider", "--host", address, "--port", str(PROVIDER_PORT), "--tls"]
            argv += ["--control-port", str(CONTROL_PORT + number), "--cert", cert, "--key", key, "--sim", sim, "--json"]
            process = self.processes.start(host, "far", argv)
            self.processes.await_port(host, process, "far", address, PROVIDER_PORT)

    def start_edge(self, text: str, environment: Mapping[str, str] | None = None) -> None:
        """The edge with that configuration; its metrics are watched from now on. Raises StageError."""
        self.config.write_text(text)
        argv = [sys.executable, "-m", "edge.cli", "edge", "-c", str(self.config)]
        self.edge = self.processes.start("edge", "edge", argv, environment)
        self.processes.await_port("edge", self.edge, "edge", self.lab.address("edge"), PORT)
        self.watch.start()

    def reload(self, text: str) -> None:
        """Another configuration, by SIGHUP."""
        self.config.write_text(text)
        os.killpg(self.edge.pid, signal.SIGHUP)

    def ledger(self, since: float) -> list[dict[str, Any]]:
        """The requests that reached the provider since then (monotonic seconds), at most 10,000 of each endpoint."""
        found: list[dict[str, Any]] = []
        for number in range(self.setting.endpoints):
            found += read_ledger(self.lab, CONTROL_PORT + number, since)
        return sorted(found, key=lambda each: float(each["received_at"]))

    def client(self, load: Load, seed: int, label: str, patience: float, name: str = "client") -> LoadClient:
        """A load client that is warming up."""
        order = {
            "host": self.lab.address("edge"),
            "port": PORT,
            "way": "h1",
            "prefix": "/openai",
            "ca_file": "",
            "traffic": "sse",
            "starts": load.starts(seed),
            "streams": load.streams,
            "prompt_bytes": load.prompt_bytes,
            "patience": patience,
            "label": label,
            "tokens": load.tokens,
        }
        return LoadClient(self.processes, order, name)

    def order(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Standing orders of the first endpoint; none: it behaves."""
        ask(self.lab, "far", ("127.0.0.1", CONTROL_PORT), "/_sim/faults", {"rules": list(rules)})

    def executions(self, since: float) -> dict[str, int]:
        """How often each request that came since then (monotonic seconds) was executed, over all endpoints."""
        return dict(Counter(each["id"] for each in self.ledger(since) if each["executed"]))

    def request_log(self) -> str:
        """What the edge has logged of requests that ended."""
        return self.processes.output("edge").read_text(errors="replace")

    def node_log(self) -> str:
        """What the edge has logged of itself."""
        return self.processes.errors("edge").read_text(errors="replace")

    def sightings(self, zero: float, utc_of_zero: float) -> tuple[Sighting, ...]:
        """What the node logged of its lines, else what was seen in its metrics; in seconds from `zero` (monotonic)."""
        said = read_changes(self.node_log(), utc_of_zero)
        seen = [Sighting(each.at - zero, each.line, each.word) for each in self.watch.sightings]
        return tuple(sorted(said or seen))

    def packets(self) -> dict[str, float]:
        """Packets so far, and what the lab itself did to them."""
        tallies = [self.lab.line(line).tally() for line in self.lines]
        offered = sum(way["offered"] for tally in tallies for way in tally.values())
        return {"offered": float(offered), **{name: float(count) for name, count in self.lab.troubles().items()}}


def read_ledger(lab: Lab, control_port: int, since: float) -> list[dict[str, Any]]:
    """A provider's records of the requests that it received since then (monotonic seconds), at most 10,000."""
    text = ask(lab, "far", ("127.0.0.1", control_port), "/_sim/log?limit=10000")
    return [each for each in json.loads(text) if each["received_at"] >= since]


def lab_troubles(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Why to doubt: late packets as a percentage, and what the lab lost. Zeroes are left out."""
    change = {name: after[name] - before[name] for name in before}
    offered = max(1.0, change.pop("offered"))
    late = 100.0 * change.pop("late_writes", 0.0) / offered
    return {name: value for name, value in {**change, "late_writes_percent": round(late, 2)}.items() if value}


@contextmanager
def place(profiles: Mapping[str, str], seed: int, setting: Setting, every: float = POLL) -> Iterator[Place]:
    """A lab with these lines and nothing started in it; all of it is removed at the end.

    Raises:
        LabError: the machine can't.
    """
    specs = tuple(LineSpec(id, profile(name)) for id, name in profiles.items())
    hosts = _HOSTS[: setting.endpoints]
    with (
        TemporaryDirectory(prefix="farline-failover-") as folder,
        Lab(Scenario(specs, seed=seed, hosts=hosts, congestion=CONGESTION)) as lab,
    ):
        made = Place(lab, Path(folder), setting, every)
        try:
            yield made
        finally:
            if made.watch.is_alive():
                made.watch.end()
