"""What this machine can do for a lab. Each question is answered by trying, in a namespace that is removed again."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netem.aio import namespaces
from netem.aio.namespaces import LabError, open_tun, run
from netem.scenario import Backend
from netem.topology import EDGE, LabName

CONGESTION = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
_SCRATCH = 9999


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing tried: `fault` is empty if it works, else the machine's words."""

    name: str
    fault: str = ""
    note: str = ""

    @property
    def is_there(self) -> bool:
        """True if it works."""
        return not self.fault


def abilities() -> tuple[Ability, ...]:
    """Everything a lab may use, in the order in which the lack of one explains that of the next."""
    root = Ability("root", "" if os.geteuid() == 0 else "not the super-user: only rootless relays can run")
    tools = [
        _tool(name, why)
        for name, why in (("ip", "labs"), ("tc", "the tc backend"), ("ping", "nothing: it is only handy inside a lab"))
    ]
    congestion = Ability("tcp", note=CONGESTION.read_text().strip() if CONGESTION.exists() else "")
    toxiproxy = _toxiproxy()
    if not root.is_there or not tools[0].is_there:
        return (root, *tools, congestion, toxiproxy)
    namespaces.sweep()
    scratch = LabName(os.getpid(), namespaces.started_at(os.getpid()) or 0, _SCRATCH).namespace(EDGE)
    netns = _try("netns", lambda: run(["ip", "netns", "add", scratch]))
    if not netns.is_there:
        return (root, *tools, netns, congestion, toxiproxy)
    try:
        return (root, *tools, netns, *_in_namespace(scratch), congestion, toxiproxy)
    finally:
        run(["ip", "netns", "delete", scratch])


def _in_namespace(scratch: str) -> tuple[Ability, ...]:
    def qdisc(*words: str) -> Callable[[], object]:
        return lambda: run(["tc", "-n", scratch, "qdisc", "replace", "dev", "lo", "root", *words])

    return (
        _try("tun", lambda: os.close(open_tun(scratch, "doctor"))),
        _try(
            "veth",
            lambda: run(["ip", "-n", scratch, "link", "add", "name", "one", "type", "veth", "peer", "name", "two"]),
        ),
        _try("tbf", qdisc("tbf", "rate", "1mbit", "burst", "3000", "limit", "9000")),
        _try("sch_netem", qdisc("netem", "delay", "1ms")),
        _try("real-time", lambda: run(["chrt", "--fifo", "1", "true"])),
    )


def choose_backend(wanted: Backend) -> str:
    """ "tun" or "tc". "auto" takes tun, which does every profile alike, and tc only where there is no TUN.

    Raises LabError if the machine can't do the one wanted. Whether the kernel has sch_netem shows when it is used.
    """
    if os.geteuid():
        raise LabError("a lab needs root for its namespaces; without it use the relays of netem.aio.relay")
    if wanted == "tc":
        return "tc"
    if Path("/dev/net/tun").exists():
        return "tun"
    if wanted == "tun":
        raise LabError("there is no /dev/net/tun")
    return "tc"


def _try(name: str, attempt: Callable[[], object]) -> Ability:
    try:
        attempt()
    except (LabError, OSError) as refused:
        return Ability(name, str(refused).strip().replace("\n", " "))
    return Ability(name)


def _tool(name: str, why: str) -> Ability:
    path = shutil.which(name)
    return Ability(name, note=path) if path else Ability(name, f"not installed (needed for {why})")


def toxiproxy_server() -> Path | None:
    """The toxiproxy-server to use: $FARLINE_TOXIPROXY, .cache/bin of the working directory, the search path."""
    named = os.environ.get("FARLINE_TOXIPROXY")
    candidates = [Path(named)] if named else [Path(".cache/bin/toxiproxy-server").absolute()]
    if found := shutil.which("toxiproxy-server"):
        candidates.append(Path(found))
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def _toxiproxy() -> Ability:
    path = toxiproxy_server()
    return Ability("toxiproxy", note=str(path)) if path else Ability("toxiproxy", "no toxiproxy-server found")
