"""One turn: a lab of its own, the provider, the system, the load client; and what they counted."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from netem.aio.lab import Lab
from netem.bench.aio.kernel import available
from netem.bench.aio.processes import LoadClient, Processes, StageError, ask
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
_LAB_TROUBLES = {"late_writes", "refused_writes", "overruns"}


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
    return Scenario(specs, seed=plan.seed_of(round), hosts=("provider", "relay"), congestion=adapter.congestion)


class _Stage:
    """The processes of one turn."""

    def __init__(self, lab: Lab, folder: Path, load: Load) -> None:
        self._lab = lab
        self._folder = folder
        self._load = load
        self._processes = Processes(lab, folder)

    def play(self, adapter: Adapter, empty: Turn, happening: Event | None) -> Turn:
        """Everything is warmed up first; then lab time begins anew, and with it the window of requests."""
        ca_file = self._start_provider()
        place = self._place(ca_file)
        setup = adapter.setup(place)
        running = self._start(setup)
        client = self._start_client(setup, empty)
        warm_up_fault = client.await_warm_up()
        self._lab.restart()
        begin_ns = time.monotonic_ns() + int(1e9 * SETTLE)
        if happening is not None:
            self._lab.line("line1").event(**plain_event(happening))
        before = self._counts(running)
        client.begin(begin_ns)
        said = client.finish(self._load.seconds + self._load.patience_seconds + 60.0)
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
        process = self._processes.start("provider", "far", argv)
        self._processes.await_port("provider", process, "far", host, PROVIDER_PORT)
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
            relay_host=lab.address("relay"),
        )

    def _start(self, setup: Setup) -> list[int]:
        """The system's processes; their sessions, by the leader's pid."""
        for name, text in setup.files.items():
            (self._folder / name).write_text(text)
        pids = [self._start_command(number, command) for number, command in enumerate(setup.commands, 1)]
        time.sleep(setup.acquaintance)  # sessions are joined and lines measured; a usual day begins later
        return pids

    def _start_command(self, number: int, command: Command) -> int:
        name = f"{Path(command.argv[0]).name}-{number}"
        process = self._processes.start(name, command.role, command.argv, command.environment)
        if command.port:
            host = command.host or self._lab.address("edge" if command.role == "edge" else "provider")
            self._processes.await_port(name, process, command.role, host, command.port)
        return process.pid

    def _start_client(self, setup: Setup, turn: Turn) -> LoadClient:
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
        return LoadClient(self._processes, order)

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
        counters = json.loads(ask(self._lab, "far", _CONTROL, "/_sim/counters"))
        return sum(counters["executions_by_id"].values())

    def _sent_bytes(self, role: str) -> int:
        with self._lab.inside(role):
            table = Path("/proc/thread-self/net/dev").read_text()
        lines = {spec.id for spec in self._lab.scenario.lines}
        rows = (row.partition(":") for row in table.splitlines())
        return sum(int(figures.split()[8]) for name, _, figures in rows if name.strip() in lines)


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
