"""A scenario, running: namespaces joined by bad lines, and commands inside them.

    with Lab(load_scenario(path)) as lab:
        far = lab.popen("provider", [sys.executable, "-m", "netem.provider", "--bind", lab.address("provider")])
        lab.line("cn2").event("blackhole", seconds=3)
        lab.run_in("edge", ["curl", f"http://{lab.address('provider')}:8000/"])

Needs root, iproute2 and TUN interfaces (or `sch_netem`). Whatever the lab made is removed when it closes; also when
this process is killed, by the emulator that outlives it for a moment; if that is killed too, when the next lab opens.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import netem
from netem.aio import namespaces
from netem.aio.control import Remote
from netem.aio.machine import choose_backend
from netem.aio.namespaces import RUN, LabError
from netem.link.conditions import Profile
from netem.link.reading import plain_profile
from netem.profiles import profile
from netem.scenario import Scenario, plain_scenario
from netem.topology import ROLES, LabName, Topology

ENVIRONMENT = "FARLINE_LAB"
"""Set for commands inside a lab: the path of its control socket."""
PATIENCE = 5.0
"""How long processes may take to end when asked, before they are killed, in seconds."""
_serials = itertools.count()


class LineControl:
    """One line of a running lab, to be changed while it runs."""

    def __init__(self, remote: Remote, id: str) -> None:
        self._remote = remote
        self.id = id

    def event(self, kind: str, **settings: Any) -> None:
        """Let an `Event` begin now, or at lab time `at`; e.g. `event("blackhole", seconds=3, scope="down")`."""
        self._remote.ask(do="event", line=self.id, event={"kind": kind, **settings})

    def clear(self) -> None:
        """End all events."""
        self._remote.ask(do="clear", line=self.id)

    def profile(self, wanted: str | Profile) -> None:
        """Another profile from now on."""
        chosen = profile(wanted) if isinstance(wanted, str) else wanted
        self._remote.ask(do="profile", line=self.id, profile=plain_profile(chosen))

    def tally(self) -> dict[str, dict[str, int]]:
        """Packets so far: "up" and "down" → the counts of `Tally`. Of the tun backend; the kernel's aren't here."""
        lines: dict[str, dict[str, dict[str, int]]] = self._remote.ask(do="tally")["lines"]
        return lines[self.id]


class Lab:
    """Open it with `with`. Raises LabError where the machine can't, ValueError where the backend can't."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.topology = Topology(scenario)
        self.backend = choose_backend(scenario.backend)
        self.name = LabName(os.getpid(), namespaces.started_at(os.getpid()) or 0, next(_serials))
        self._processes: list[subprocess.Popen[Any]] = []
        self._emulator: subprocess.Popen[str] | None = None
        self._remote: Remote | None = None

    def __enter__(self) -> Self:
        namespaces.sweep()
        try:
            namespaces.make(self.name)
            self._emulator = self._start_emulator()
            self._remote = Remote(self.control_path)
            self._remote.ask(do="start")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process started here, then remove the lab."""
        self._end_processes()
        if self._remote is not None:
            self._remote.close()
        if self._emulator is not None:
            self._end_emulator(self._emulator)
        namespaces.remove(self.name)

    @property
    def control_path(self) -> Path:
        """The control socket; `LineControl(Remote(path), id)` works from any process of this machine."""
        return RUN / str(self.name)

    @property
    def emulator_pid(self) -> int:
        """The process that carries the packets, for CPU measurements."""
        return self._running().pid

    def now(self) -> float:
        """Lab time: seconds since the lab opened, the time axis of events and bursts."""
        now: float = self._ask(do="now")["now"]
        return now

    def restart(self) -> None:
        """Lab time is 0 now and the luck of the seed begins anew: for a measurement after its processes are ready.

        Events given at a lab time happen at that time again. The tallies go on.
        """
        self._ask(do="start")

    def troubles(self) -> dict[str, int]:
        """What the lab itself did to packets since it opened; all zero in a run that can be believed.

        late_writes      packets delivered more than 1 ms after their time: the machine was too busy
        refused_writes   packets an interface didn't take
        overruns         packets lost before the emulator could read them
        """
        found: dict[str, int] = self._ask(do="tally")["troubles"]
        overruns = 0
        for role in ("edge", "far"):
            with self.inside(role):
                overruns += _transmit_drops(Path("/proc/thread-self/net/dev").read_text(), self.scenario)
        return {**found, "overruns": overruns}

    def line(self, id: str) -> LineControl:
        """One line. Raises ValueError if there is none of that id."""
        self.topology.index(id)
        self._running()
        if self._remote is None:
            raise LabError("the lab isn't open")
        return LineControl(self._remote, id)

    def address(self, name: str, line: str = "") -> str:
        """As `Topology.address`."""
        return self.topology.address(name, line)

    def namespace(self, role: str) -> str:
        """The namespace of "client", "edge", "far" or of a far host."""
        if role not in ROLES:
            self.topology.address(role)
            role = "far"
        return self.name.namespace(role)

    @contextmanager
    def inside(self, role: str) -> Iterator[None]:
        """This thread is in that namespace for the while: sockets made there stay there. Don't await inside."""
        with namespaces.inside(self.namespace(role)):
            yield

    def popen(self, role: str, argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """Start a command in a namespace, in a session of its own; `options` as of subprocess.Popen.

        It is ended with the lab at the latest: SIGTERM to its process group, SIGKILL after `PATIENCE`.
        """
        options["env"] = self._environment(options.get("env"))
        command = ["ip", "netns", "exec", self.namespace(role), *argv]
        process: subprocess.Popen[Any] = subprocess.Popen(command, start_new_session=True, **options)
        self._processes.append(process)
        return process

    def run_in(self, role: str, argv: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
        """Run a command in a namespace and wait for it; `options` as of subprocess.run."""
        options["env"] = self._environment(options.get("env"))
        return subprocess.run(["ip", "netns", "exec", self.namespace(role), *argv], **options)

    def _environment(self, given: Mapping[str, str] | None) -> dict[str, str]:
        return {**(os.environ if given is None else given), ENVIRONMENT: str(self.control_path)}

    def _ask(self, **request: Any) -> dict[str, Any]:
        if self._remote is None:
            raise LabError("the lab isn't open")
        return self._remote.ask(**request)

    def _running(self) -> "subprocess.Popen[str]":
        if self._emulator is None:
            raise LabError("the lab isn't open")
        return self._emulator

    def _start_emulator(self) -> "subprocess.Popen[str]":
        root = str(Path(netem.__file__).parent.parent)
        process = subprocess.Popen(
            [sys.executable, "-m", "netem.aio.emulator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))},
        )
        self._emulator = process
        order = {"name": str(self.name), "backend": self.backend, "scenario": plain_scenario(self.scenario)}
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        said = process.stdout.readline().strip()
        if said != "ready":
            raise LabError(said or f"the emulator ended with exit code {process.wait()}")
        return process

    def _end_emulator(self, process: "subprocess.Popen[str]") -> None:
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            process.communicate(timeout=PATIENCE)  # closes its standard input, which is its sign to end
        if process.poll() is None:
            process.kill()
            process.communicate()

    def _end_processes(self) -> None:
        running = [process for process in self._processes if process.poll() is None]
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _transmit_drops(table: str, scenario: Scenario) -> int:
    lines = {spec.id for spec in scenario.lines}
    rows = (row.partition(":") for row in table.splitlines())
    return sum(int(figures.split()[11]) for name, _, figures in rows if name.strip() in lines)


def _signal(process: "subprocess.Popen[Any]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
