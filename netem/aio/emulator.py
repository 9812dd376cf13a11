"""The process that carries a lab's packets: `python -m netem.aio.emulator`, started by `Lab`.

Its standard input brings one line (the lab's name, backend and scenario) and then nothing: when it ends, for whatever
reason the owner is gone, everything of the lab is removed. It says "ready" or why not on its standard output.
"""

import json
import os
import signal
import sys
from typing import Any

from netem.aio.control import Server
from netem.aio.forwarder import Forwarder, Wire, be_punctual
from netem.aio.namespaces import RUN, LabError, ip_batch, open_tun, remove, write_sysctls
from netem.aio.shaper import Shaper
from netem.scenario import Scenario, read_scenario
from netem.topology import CLIENT, EDGE, FAR, ROLES, LabName, Topology


def build(name: LabName, scenario: Scenario, backend: str) -> Forwarder | Shaper:
    """Wires, addresses and routes in the lab's namespaces, and the engine for them."""
    topology = Topology(scenario)
    links = {spec.id: spec.link(scenario.seed) for spec in scenario.lines}
    edge, far = name.namespace(EDGE), name.namespace(FAR)
    for role in ROLES:
        write_sysctls(name.namespace(role), topology.sysctls(role))
    ip_batch(edge, topology.wiring(name.namespace(CLIENT)))
    wires: dict[str, Wire] = {}
    if backend == "tun":
        wires = {id: Wire(link, open_tun(edge, id), open_tun(far, id)) for id, link in links.items()}
    else:
        ip_batch(edge, topology.cables(far))
    for role in ROLES:
        ip_batch(name.namespace(role), topology.commands(role))
    return Forwarder(wires) if backend == "tun" else Shaper(links, {"up": edge, "down": far})


def serve(name: LabName, engine: Forwarder | Shaper) -> None:
    """Until standard input ends."""
    server = Server(RUN / str(name), engine)
    be_punctual()
    _say("ready")
    stdin = sys.stdin.fileno()
    while True:
        for fd in engine.step([stdin, *server.filenos()]):
            if fd != stdin:
                server.handle(fd)
            elif not os.read(stdin, 4096):
                return


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """One lab. Exit code 1: it couldn't be built, or broke; the reason is on standard output or standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner; we end with it
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    name = LabName.of(order["name"])
    if name is None:
        raise ValueError(f"not the name of a lab: {order['name']!r}")
    try:
        serve(name, build(name, read_scenario(order["scenario"]), order["backend"]))
    except (LabError, ValueError, OSError) as refused:
        _say(str(refused).replace("\n", " "))
        return 1
    finally:
        remove(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
