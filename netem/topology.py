"""Where everything is in a lab: namespaces, addresses, routes, and the commands that make it so (for `ip -batch`).

    client ──lan0── edge ══ line 1 ══ far          client  10.88.0.2   and 10.88.<i>.1, which leaves by line i
                         ══ line 2 ══              edge    10.88.0.1   and 10.77.<i>.2, the source address of line i
                         …                         far     10.99.0.<10+k> for host k: provider, relay, …

Policy routing (`ip rule`) makes the source address choose the line, in the edge as it would be done on a real node and
in the far side by the address to answer to. Binding a socket to the interface (its name is the line's id) works too.
"""

import re
from dataclasses import dataclass

from netem.scenario import Scenario

CLIENT, EDGE, FAR = "client", "edge", "far"
ROLES = (CLIENT, EDGE, FAR)
LAN_CLIENT, LAN_EDGE = "10.88.0.2", "10.88.0.1"
_NAME = re.compile(r"farline-(\d+)-([0-9a-f]+)-(\d+)(?:-\w+)?")
_FIRST_TABLE = 101


@dataclass(frozen=True, slots=True)
class LabName:
    """Who made a lab. A pid may come again: with the moment its process started (in ticks since boot) it can't."""

    pid: int
    started: int
    serial: int

    def __str__(self) -> str:
        return f"farline-{self.pid}-{self.started:x}-{self.serial}"

    def namespace(self, role: str) -> str:
        """The name of a network namespace of this lab."""
        return f"{self}-{role}"

    @classmethod
    def of(cls, text: str) -> "LabName | None":
        """The lab a namespace or a socket belongs to by its name, or None if it isn't one of a lab's."""
        match = _NAME.fullmatch(text)
        return cls(int(match[1]), int(match[2], 16), int(match[3])) if match else None


@dataclass(frozen=True, slots=True)
class Topology:
    """The plan of one scenario."""

    scenario: Scenario

    def index(self, line: str) -> int:
        """The number of a line, from 1. Raises ValueError."""
        for number, spec in enumerate(self.scenario.lines, 1):
            if spec.id == line:
                return number
        raise ValueError(
            f"no line {line!r} in this lab; there are {', '.join(spec.id for spec in self.scenario.lines)}"
        )

    def address(self, name: str, line: str = "") -> str:
        """The address of a far host, of "edge" or of "client"; with a line: the one whose traffic leaves by it."""
        if name == EDGE:
            return f"10.77.{self.index(line)}.2" if line else LAN_EDGE
        if name == CLIENT:
            return f"10.88.{self.index(line)}.1" if line else LAN_CLIENT
        if name not in self.scenario.hosts:
            raise ValueError(f"no host {name!r} in this lab; there are {', '.join(self.scenario.hosts)}")
        return f"10.99.0.{10 + self.scenario.hosts.index(name)}"

    def wiring(self, client: str) -> list[str]:
        """For the edge's namespace, first of all: the cable to the namespace called `client`."""
        return [f"link add name lan0 type veth peer name lan0 netns {client}"]

    def cables(self, far: str) -> list[str]:
        """For the edge's namespace, where lines are cables and not tunnels: one to `far` for each line."""
        return [f"link add name {spec.id} type veth peer name {spec.id} netns {far}" for spec in self.scenario.lines]

    def commands(self, role: str) -> list[str]:
        """The commands for the namespace of `role`, once the interfaces are there."""
        return ["link set dev lo up", *{CLIENT: self._client, EDGE: self._edge, FAR: self._far}[role]()]

    def _client(self) -> list[str]:
        own = [f"address add {self.address(CLIENT, spec.id)}/32 dev lan0" for spec in self.scenario.lines]
        return [
            f"address add {LAN_CLIENT}/24 dev lan0",
            *own,
            "link set dev lan0 up",
            f"route add default via {LAN_EDGE} src {LAN_CLIENT}",
        ]

    def _edge(self) -> list[str]:
        commands = [f"address add {LAN_EDGE}/24 dev lan0", "link set dev lan0 up"]
        for number, spec in enumerate(self.scenario.lines, 1):
            table = _FIRST_TABLE + number - 1
            source, guest = self.address(EDGE, spec.id), self.address(CLIENT, spec.id)
            commands += [
                f"address add {source}/32 dev {spec.id}",
                f"link set dev {spec.id} up txqueuelen 5000",
                f"route add {guest}/32 dev lan0",
                f"route add default dev {spec.id} src {source} table {table}",
                f"rule add from {source} lookup {table}",
                f"rule add from {guest} lookup {table}",
                f"rule add oif {spec.id} lookup {table}",
            ]
        first = self.scenario.lines[0].id
        return [*commands, f"route add default dev {first} src {self.address(EDGE, first)}"]

    def _far(self) -> list[str]:
        hosts = [f"address add {self.address(name)}/32 dev lo" for name in self.scenario.hosts]
        commands = []
        for spec in self.scenario.lines:
            edge = self.address(EDGE, spec.id)
            commands += [
                f"link set dev {spec.id} up txqueuelen 5000",
                f"route add {edge}/32 dev {spec.id}",
                f"route add {self.address(CLIENT, spec.id)}/32 via {edge} dev {spec.id} onlink",
            ]
        first = self.scenario.lines[0].id
        home = f"route add {LAN_CLIENT}/32 via {self.address(EDGE, first)} dev {first} onlink"
        return [*hosts, *commands, home]

    def sysctls(self, role: str) -> dict[str, str]:
        """Kernel settings of that namespace, by their path under /proc/sys/net."""
        settings = {
            "ipv6/conf/all/disable_ipv6": "1",  # router solicitations are traffic nobody sent
            "ipv4/conf/all/rp_filter": "0",
            "ipv4/conf/default/rp_filter": "0",
            "ipv4/tcp_no_metrics_save": "1",  # a run must not learn from the one before
        }
        if role == EDGE:
            settings["ipv4/ip_forward"] = "1"
        if self.scenario.congestion:
            settings["ipv4/tcp_congestion_control"] = self.scenario.congestion
        return settings
