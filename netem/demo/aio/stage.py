"""What a run needs around its clients: a provider, bad lines, an edge; in namespaces, or rootless through relays."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from netem.aio.lab import Lab
from netem.aio.relay import Address, RelayLab
from netem.demo.aio.children import Child, MemoryFile, Start, start_here
from netem.demo.aio.tunnel import TunnelServer
from netem.demo.aio.ways import Way
from netem.demo.board import LineState
from netem.demo.sdk import EDGE_FIRST_BYTE
from netem.profiles import profile
from netem.scenario import LineSpec, Scenario
from netem.topology import CLIENT, EDGE

HOST = "provider"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build. `edge` is the command to run a node, to which the path of its configuration is added."""

    lines: tuple[LineState, ...]
    edge: tuple[str, ...]
    tokens: int
    rate: float
    think: float
    seed: int = 1

    def scenario(self) -> Scenario:
        """Its lines for a lab."""
        specs = tuple(LineSpec(line.id, profile(line.profile)) for line in self.lines)
        return Scenario(specs, name="demo", seed=self.seed, hosts=(HOST,))


@dataclass(frozen=True, slots=True)
class Stage:
    """Ready to be used. `put` brings a line into a state."""

    name: str
    direct: Way
    farline: Way
    admin: Way
    put: Callable[[LineState], None]


@asynccontextmanager
async def namespaces(plan: Plan) -> AsyncIterator[Stage]:
    """Packets over TUN interfaces; needs root. Raises LabError, ChildError."""
    async with AsyncExitStack() as stack:
        lab = stack.enter_context(Lab(plan.scenario()))

        def start(role: str) -> Start:
            return lambda argv, **options: lab.popen(role, argv, **options)

        provider = await _provider(stack, start(HOST), plan, lab.address(HOST))
        sources = {line.id: f'source = "{lab.address(EDGE, line.id)}"' for line in plan.lines}
        data, admin = await _edge(stack, start(EDGE), plan, provider, sources, lab.address(EDGE))

        def put(line: LineState) -> None:
            control = lab.line(line.id)
            control.clear()
            control.profile(line.profile)
            for fault in line.faults:
                control.event(fault.kind, **dict(fault.settings))

        source = lab.address(CLIENT, plan.lines[0].id)
        yield Stage(
            "namespaces",
            direct=Way(provider, source=source, inside=lambda: lab.inside(CLIENT)),
            farline=Way(data, inside=lambda: lab.inside(CLIENT)),
            admin=Way(admin, inside=lambda: lab.inside(EDGE)),
            put=put,
        )


@asynccontextmanager
async def relays(plan: Plan) -> AsyncIterator[Stage]:
    """TCP bytes through relays on loopback; needs nothing. Raises ChildError."""
    async with AsyncExitStack() as stack:
        provider = await _provider(stack, start_here, plan, "127.0.0.1")
        tunnel = await stack.enter_async_context(TunnelServer(provider))
        lab = await stack.enter_async_context(RelayLab(plan.scenario(), {HOST: tunnel.address}))
        ends = {line.id: lab.address(HOST, line.id, "tcp") for line in plan.lines}
        proxies = {id: f'proxy = "http://{host}:{port}"' for id, (host, port) in ends.items()}
        data, admin = await _edge(stack, start_here, plan, provider, proxies, "127.0.0.1")

        def put(line: LineState) -> None:
            link = lab.link(line.id)
            link.clear_events()
            link.set_profile(profile(line.profile))
            for fault in line.faults:
                lab.event(line.id, fault.kind, **dict(fault.settings))

        direct = Way(provider, via=ends[plan.lines[0].id])
        yield Stage("relays, no root", direct=direct, farline=Way(data), admin=Way(admin), put=put)


async def _provider(stack: AsyncExitStack, start: Start, plan: Plan, host: str) -> Address:
    pace = ["--tokens", str(plan.tokens), "--tokens-per-second", str(plan.rate), "--think-ms", str(plan.think * 1000)]
    argv = [sys.executable, "-m", "netem.provider", "--host", host, "--port", "0", "--json", "--sim", "answer=stamped"]
    child = Child(start, [*argv, *pace])
    stack.callback(child.close)
    return _address(await child.wait_for(r'"url": "([^"]+)"'))


async def _edge(
    stack: AsyncExitStack, start: Start, plan: Plan, provider: Address, ways: Mapping[str, str], host: str
) -> tuple[Address, Address]:
    file = MemoryFile("edge.toml", configuration(plan.lines, provider, ways, host))
    stack.callback(file.close)
    child = Child(start, [*plan.edge, file.path], pass_fds=(file.fd,), out=subprocess.DEVNULL)  # the request log
    stack.callback(child.close)
    data = _address(await child.wait_for(r"data  (\S+)\n"))
    return data, _address(await child.wait_for(r"admin (\S+)\n"))


def configuration(lines: Sequence[LineState], provider: Address, ways: Mapping[str, str], host: str) -> str:
    """The edge's file. `ways`: the setting of each line that says how to leave by it."""
    parts = [f'[listen]\ndata = ["{host}:0"]\nadmin = "127.0.0.1:0"']
    parts += [f'[[line]]\nid = "{line.id}"\nweight = {line.weight}\n{ways[line.id]}' for line in lines]
    url = f"http://{provider[0]}:{provider[1]}"
    parts.append(f'[[provider]]\nid = "openai"\n[[provider.endpoint]]\nurl = "{url}"\nkeep_warm = 1')
    parts.append(f"[timeouts]\nfirst_byte_stream_seconds = {EDGE_FIRST_BYTE}\n[limits]\ndrain_seconds = 0")
    return "\n".join(parts) + "\n"


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0
