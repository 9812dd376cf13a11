"""One turn: a lab of its own, the provider, the system, the load client; and what they counted."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import netem
from netem.aio.lab import Lab
from netem.bench.aio.kernel import available
from netem.bench.plan import SETTLE, Condition, Load, Plan
from netem.bench.record import Turn, read_reply
from netem.bench.systems.setup import PROVIDER_NAME, Adapter, Command, Place, Setup
from netem.link.event import Event
from netem.profiles import profile
from netem.provider.aio.certs import make as make_certificates
from netem.scenario import LineSpec, Scenario, plain_event

PROVIDER_PORT = 9443
_CONTROL = ("127.0.0.1", 9081)
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_READY_SECONDS = 60.0
_LAB_TROUBLES = {"late_writes", "refused_writes", "overruns"}


class StageError(Exception):
    """A process didn't get ready or broke; the text says which and what it said."""


def why_unavailable(adapter: Adapter) -> str:
    """The reason why a system can't run here; "" if it can."""
    missing = [need for need in adapter.needs if shutil.which(need) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if adapter.congestion in available() else f"the kernel has no {adapter.congestion}"


def play(adapter: Adapter, condition: Condition, plan: Plan, round: int) -> Turn:
    """One turn. What goes wrong with the system is the turn's `fault`; what the machine can't do raises LabError."""
    empty = Turn(adapter.name, condition.profile, condition.event, condition.traffic, round, plan.seed_of(round))
    if reason := why_unavailable(adapter):
        return replace(empty, fault=reason)
    with TemporaryDirectory(prefix="farline-bench-") as folder, Lab(_scenario(adapter, condition, plan, round)) as lab:
        try:
            return _Stage(lab, Path(folder), plan.load).play(adapter, empty, condition.happening())
        except StageError as broken:
            return replace(empty, fault=str(broken))


def _scenario(adapter: Adapter, condition: Condition, plan: Plan, round: int) -> Scenario:
    wanted = profile(condition.profile)
    specs = tuple(LineSpec(f"line{number}", wanted) for number in range(1, adapter.lines + 1))
    return Scenario(specs, seed=plan.seed_of(round), hosts=("provider",), congestion=adapter.congestion)


class _Stage:
    """The processes of one turn."""

    def __init__(self, lab: Lab, folder: Path, load: Load) -> None:
        self._lab = lab
        self._folder = folder
        self._load = load
        self._logs: dict[str, Path] = {}

    def play(self, adapter: Adapter, empty: Turn, happening: Event | None) -> Turn:
        """Everything is warmed up first; then lab time begins anew, and with it the window of requests."""
        ca_file = self._start_provider()
        place = self._place(ca_file)
        setup = adapter.setup(place)
        running = self._start(setup)
        client = self._start_client(setup, empty)
        warm_up_fault = self._await_warm_up(client)
        self._lab.restart()
        begin_ns = time.monotonic_ns() + int(1e9 * SETTLE)
        if happening is not None:
            self._lab.line("line1").event(**plain_event(happening))
        before = self._counts(running)
        said = self._finish(client, begin_ns)
        after = self._counts(running)
        packets = max(1.0, after["offered"] - before["offered"])
        lab_troubles = {name: float(after[name] - before[name]) for name in before if name in _LAB_TROUBLES}
        lab_troubles["late_writes_percent"] = 100.0 * lab_troubles.pop("late_writes", 0.0) / packets
        return replace(
            empty,
            replies=tuple(read_reply(each) for each in said["replies"]),
            wire_up_bytes=int(after["up"] - before["up"]),
            wire_down_bytes=int(after["down"] - before["down"]),
            system_cpu_seconds=after["cpu"] - before["cpu"] if running else None,
            client_cpu_seconds=said["client_cpu_seconds"],
            executions=int(after["executions"] - before["executions"]),
            packets_lost=int(after["lost"] - before["lost"]),
            troubles={**lab_troubles, **said["troubles"], "load_average": os.getloadavg()[0]},
            fault=f"warm-up: {warm_up_fault}" if warm_up_fault else "",
        )

    def _start_provider(self) -> str:
        host, load = self._lab.address("provider"), self._load
        ca_file, cert, key = make_certificates(self._folder, (host, PROVIDER_NAME))
        sim = f"answer=stamped,tokens={load.tokens},interval_ms={load.interval_ms},think_ms={load.think_ms}"
        argv = [sys.executable, "-m", "netem.provider", "--host", host, "--port", str(PROVIDER_PORT), "--tls"]
        argv += ["--control-port", str(_CONTROL[1]), "--cert", cert, "--key", key, "--sim", sim, "--json"]
        process = self._popen("provider", "far", argv)
        self._await_port("provider", process, "far", host, PROVIDER_PORT)
        return ca_file

    def _place(self, ca_file: str) -> Place:
        lab = self._lab
        sources = tuple((spec.id, lab.address("edge", spec.id)) for spec in lab.scenario.lines)
        return Place(
            folder=str(self._folder),
            python=sys.executable,
            provider_host=lab.address("provider"),
            provider_port=PROVIDER_PORT,
            ca_file=ca_file,
            edge_host=lab.address("edge"),
            sources=sources,
            streams=self._load.streams,
        )

    def _start(self, setup: Setup) -> list[int]:
        """The system's processes; their sessions, by the leader's pid."""
        for name, text in setup.files.items():
            (self._folder / name).write_text(text)
        return [self._start_command(number, command) for number, command in enumerate(setup.commands, 1)]

    def _start_command(self, number: int, command: Command) -> int:
        name = f"{Path(command.argv[0]).name}-{number}"
        process = self._popen(name, command.role, command.argv, command.environment)
        if command.port:
            host = self._lab.address("edge") if command.role == "edge" else self._lab.address("provider")
            self._await_port(name, process, command.role, host, command.port)
        return process.pid

    def _start_client(self, setup: Setup, turn: Turn) -> subprocess.Popen[Any]:
        base, load = setup.base, self._load
        order = {
            "host": base.host,
            "port": base.port,
            "way": base.way,
            "prefix": base.prefix,
            "ca_file": base.ca_file,
            "traffic": turn.traffic,
            "starts": load.starts(turn.seed),
            "streams": load.streams,
            "prompt_bytes": load.prompt_bytes,
            "patience": load.patience_seconds,
            "label": f"{turn.profile} {turn.event} round {turn.round}",
        }
        argv = [sys.executable, "-m", "netem.bench.aio.load", str(self._folder / "replies.json")]
        client = self._popen("client", "client", argv, stdin=subprocess.PIPE)
        _tell(client, order)
        return client

    def _await_warm_up(self, client: subprocess.Popen[Any]) -> str:
        """Returns what went wrong in it; "" if nothing did."""
        out = self._folder / "client.out"
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and client.poll() is None:
            if (text := out.read_text()).endswith("\n"):
                return str(json.loads(text)["warm_up_fault"])
            time.sleep(0.02)
        raise StageError(f"the load client isn't ready: {self._said('client')}")

    def _finish(self, client: subprocess.Popen[Any], begin_ns: int) -> dict[str, Any]:
        _tell(client, {"begin_ns": begin_ns})
        try:
            code = client.wait(self._load.seconds + self._load.patience_seconds + 60.0)
        except subprocess.TimeoutExpired:
            raise StageError(f"the load client didn't end: {self._said('client')}") from None
        if code:
            raise StageError(f"the load client failed: {self._said('client')}")
        said: dict[str, Any] = json.loads((self._folder / "replies.json").read_text())
        return said

    def _counts(self, running: Sequence[int]) -> dict[str, float]:
        tallies = [self._lab.line(spec.id).tally() for spec in self._lab.scenario.lines]
        executions = self._executions()
        return {
            "up": self._sent_bytes("edge"),
            "down": self._sent_bytes("far"),
            **self._lab.troubles(),
            "offered": sum(way["offered"] for tally in tallies for way in tally.values()),
            "lost": sum(way["offered"] - way["passed"] for tally in tallies for way in tally.values()),
            "cpu": sum(map(_session_cpu_seconds, running)),
            "executions": executions,
        }

    def _executions(self) -> int:
        """What the provider has executed so far, asked on its control plane inside the far namespace."""
        with self._lab.inside("far"):
            control = http.client.HTTPConnection(*_CONTROL, timeout=5.0)
            control.request("GET", "/_sim/counters")
            counters = json.load(control.getresponse())
            control.close()
        return sum(counters["executions_by_id"].values())

    def _sent_bytes(self, role: str) -> int:
        with self._lab.inside(role):
            table = Path("/proc/thread-self/net/dev").read_text()
        lines = {spec.id for spec in self._lab.scenario.lines}
        rows = (row.partition(":") for row in table.splitlines())
        return sum(int(figures.split()[8]) for name, _, figures in rows if name.strip() in lines)

    def _popen(
        self, name: str, role: str, argv: Sequence[str], environment: Mapping[str, str] | None = None, stdin: Any = None
    ) -> subprocess.Popen[Any]:
        root = str(Path(netem.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._logs[name] = self._folder / f"{name}.err"
        with (self._folder / f"{name}.out").open("wb") as out, self._logs[name].open("wb") as err:
            return self._lab.popen(
                role,
                argv,
                stdin=stdin or subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            )

    def _await_port(self, name: str, process: subprocess.Popen[Any], role: str, host: str, port: int) -> None:
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                with self._lab.inside(role), socket.create_connection((host, port), timeout=1.0):
                    return
            except OSError:
                time.sleep(0.03)
        raise StageError(f"{name} isn't ready: {self._said(name)}")

    def _said(self, name: str) -> str:
        """The end of what a process wrote to standard error, or to standard output."""
        for file in (self._logs[name], self._logs[name].with_suffix(".out")):
            if text := file.read_text(errors="replace").strip():
                return text[-600:]
        return "it said nothing"


def _tell(client: subprocess.Popen[Any], what: Mapping[str, Any]) -> None:
    assert client.stdin is not None
    client.stdin.write(json.dumps(what).encode() + b"\n")
    client.stdin.flush()


def _session_cpu_seconds(leader: int) -> float:
    """CPU time of all processes of a session (proc(5), stat: fields 6, 14 and 15)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == leader:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND
