"""A lab with a system in it, whose edge and relay can be stopped, killed, started again and lied to about the time."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from netem.aio.lab import Lab
from netem.bench.aio.processes import LoadClient, Processes, StageError
from netem.bench.plan import Load
from netem.bench.systems.setup import PROVIDER_NAME, Adapter, Command, Place, Setup
from netem.link.conditions import Profile
from netem.link.event import Event
from netem.profiles import profile
from netem.provider.aio.certs import make as make_certificates
from netem.scenario import LineSpec, Scenario, plain_event
from tests.bench.failover.place import CONGESTION, CONTROL_PORT, PROVIDER_PORT, read_ledger
from tests.bench.sessions.plan import Deed, Target

_ROLES: dict[str, str] = {"edge": "edge", "relay": "far"}
_LOOK = 0.4
"""How long lines are watched to see which of them carries the traffic, in seconds."""


class Stand:
    """Made by `stand`. `setup` is the system's, put in its place."""

    def __init__(self, lab: Lab, folder: Path, adapter: Adapter, load: Load, seed: int) -> None:
        self.lab = lab
        self.processes = Processes(lab, folder)
        self._folder = folder
        self._load = load
        self._chance = random.Random(seed)
        self._running: dict[str, subprocess.Popen[Any]] = {}
        self._commands: dict[str, Command] = {}
        self._starts = 0
        self._environment: dict[str, str] = {}
        self.setup: Setup = adapter.setup(self._place(self._start_provider()))

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(spec.id for spec in self.lab.scenario.lines)

    def start(self, *, clock: bool = False) -> None:
        """The system's processes, until they know each other. `clock`: theirs can be set. Raises StageError."""
        for name, text in self.setup.files.items():
            (self._folder / name).write_text(text)
        if clock:
            self._environment = self._settable_clock()
        for command in self.setup.commands:
            self._commands[command.role] = command
            self._start(command)
        time.sleep(self.setup.acquaintance)  # sessions are joined and lines measured; a usual day begins later

    def client(
        self, load: Load, seed: int, label: str, *, traffic: str = "sse", patience: float = 30.0, name: str = "client"
    ) -> LoadClient:
        """A load client that is warming up."""
        base = self.setup.base
        order = {
            "host": base.host,
            "port": base.port,
            "way": base.way,
            "prefix": base.prefix,
            "ca_file": base.ca_file,
            "traffic": traffic,
            "starts": load.starts(seed),
            "streams": load.streams,
            "prompt_bytes": load.prompt_bytes,
            "patience": patience,
            "label": label,
            "tokens": 0 if traffic == "ws" else load.tokens,
        }
        return LoadClient(self.processes, order, name)

    def ledger(self, since: float) -> list[dict[str, Any]]:
        """The provider's records since then (monotonic seconds)."""
        return read_ledger(self.lab, CONTROL_PORT, since)

    def packets(self) -> dict[str, float]:
        """Packets so far, and what the lab itself did to them."""
        tallies = [self.lab.line(line).tally() for line in self.lines]
        offered = sum(way["offered"] for tally in tallies for way in tally.values())
        return {"offered": float(offered), **{name: float(count) for name, count in self.lab.troubles().items()}}

    def do(self, deed: Deed) -> str:
        """Do it now; says what was done. A process that is killed or stopped is back when this returns."""
        if deed.target in ("edge", "relay"):
            role = _ROLES[deed.target]
            getattr(self, f"_{deed.act}")(role, deed.seconds)
            return str(deed)
        lines = self._lines(deed.target)
        for line in lines:
            if deed.act == "profile":
                self.lab.line(line).profile(deed.profile)
            else:
                assert deed.event is not None
                self.lab.line(line).event(**_begin_now(deed.event))
        return f"{deed} ({', '.join(lines)})"

    def _lines(self, target: Target) -> Sequence[str]:
        if target == "all":
            return self.lines
        return [self._chance.choice(self.lines) if target == "random" else self.busiest()]

    def busiest(self) -> str:
        """The line that brings most packets to the edge just now."""
        before = {line: self.lab.line(line).tally()["down"]["offered"] for line in self.lines}
        time.sleep(_LOOK)
        return max(self.lines, key=lambda line: self.lab.line(line).tally()["down"]["offered"] - before[line])

    # Deeds to processes; their names are those of the acts.

    def _kill(self, role: str, seconds: float) -> None:
        process = self._running[role]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(seconds)
        self._start(self._commands[role])

    def _stop(self, role: str, seconds: float) -> None:
        pid = self._running[role].pid
        os.killpg(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(pid, signal.SIGCONT)

    def _handover(self, role: str, seconds: float) -> None:
        os.kill(self._running[role].pid, signal.SIGUSR2)

    def _clock(self, role: str, seconds: float) -> None:
        with (self._folder / f"clock.{role}").open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("@l", int(seconds)))

    def _settable_clock(self) -> dict[str, str]:
        """What makes processes believe the clock that `_clock` sets."""
        compiler = shutil.which("cc")
        if compiler is None:
            raise StageError("no C compiler (cc): clocks can't be set")
        library, source = self._folder / "clock.so", Path(__file__).with_name("clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        for role in _ROLES.values():
            (self._folder / f"clock.{role}").write_bytes(struct.pack("@l", 0))
        return {"LD_PRELOAD": str(library)}

    def _start(self, command: Command) -> None:
        self._starts += 1
        name, role = f"{command.role}-{self._starts}", command.role
        environment = dict(self._environment)
        if environment:
            environment["FARLINE_CLOCK"] = str(self._folder / f"clock.{role}")
        process = self._running[role] = self.processes.start(
            name, role, command.argv, {**command.environment, **environment}
        )
        host = command.host or self.lab.address("edge" if role == "edge" else "provider")
        self.processes.await_port(name, process, role, host, command.port)

    def _start_provider(self) -> str:
        host, load = self.lab.address("provider"), self._load
        ca_file, cert, key = make_certificates(self._folder, (host, PROVIDER_NAME))
        sim = f"answer=stamped,tokens={load.tokens},interval_ms={load.interval_ms},think_ms={load.think_ms}"
        argv = [sys.executable, "-m", "netem.provider", "--host", host, "--port", str(PROVIDER_PORT), "--tls"]
        argv += ["--control-port", str(CONTROL_PORT), "--cert", cert, "--key", key, "--sim", sim, "--json"]
        process = self.processes.start("provider", "far", argv)
        self.processes.await_port("provider", process, "far", host, PROVIDER_PORT)
        return ca_file

    def _place(self, ca_file: str) -> Place:
        lab = self.lab
        return Place(
            folder=str(self._folder),
            python=sys.executable,
            provider_host=lab.address("provider"),
            provider_port=PROVIDER_PORT,
            ca_file=ca_file,
            edge_host=lab.address("edge"),
            sources=tuple((line, lab.address("edge", line)) for line in self.lines),
            streams=self._load.streams,
            relay_host=lab.address("relay"),
        )


def _begin_now(event: Event) -> dict[str, Any]:
    return {name: value for name, value in plain_event(event).items() if name != "at"}


@contextmanager
def stand(adapter: Adapter, profiles: Mapping[str, str | Profile], load: Load, seed: int) -> Iterator[Stand]:
    """A lab with these lines, the provider running; all of it is removed at the end. Raises LabError, StageError."""
    specs = tuple(LineSpec(id, profile(each) if isinstance(each, str) else each) for id, each in profiles.items())
    scenario = Scenario(specs, seed=seed, hosts=("provider", "relay"), congestion=CONGESTION)
    with TemporaryDirectory(prefix="farline-sessions-") as folder, Lab(scenario) as lab:
        yield Stand(lab, Path(folder), adapter, load, seed)
