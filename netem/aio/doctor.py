"""Does the lab do what it says? One lab with a line for each property, measured all at once."""

from collections.abc import Callable
from dataclasses import replace

from netem.aio.lab import Lab
from netem.aio.probe import measure, open_flow, ping, tcp_mbit
from netem.link.conditions import Bursts, Conditions, Profile
from netem.link.link import Link
from netem.scenario import Backend, LineSpec, Scenario
from netem.tc import beyond_tc
from netem.verify import Check, compare, mean, replay

SIZE_BYTES = 200
PACKETS_PER_SECOND = 250.0
RATE_MBIT = 10.0
TC_SLACK = 4.0
_PAYLOAD_OF_PACKET = 1448 / 1500  # what TCP with timestamps carries in a full packet
_BASE = Conditions(delay_ms=20.0)

LINES: dict[str, Conditions] = {
    "delay": replace(_BASE, delay_ms=80.0),
    "jitter": replace(_BASE, delay_ms=60.0, jitter_ms=10.0, ordered=False),
    "wave": replace(_BASE, delay_ms=60.0, jitter_ms=10.0, jitter_corr_ms=100.0),
    "loss": replace(_BASE, loss=0.05),
    "bursts": replace(_BASE, bursts=(Bursts(0.1, 50.0),)),
    "reorder": replace(_BASE, reorder=0.05),
    "duplicate": replace(_BASE, duplicate=0.05),
}


def verify(
    backend: Backend = "auto", seconds: float = 4.0, tell: Callable[[str], None] = lambda text: None
) -> list[Check]:
    """Build a lab, measure, compare. Takes about `seconds` + 4. Raises LabError, ValueError where none can be built.

    The tun backend must do to each packet what the model does. The tc backend has its own chance: there the lines it
    can do are held against a replay all the same, with `TC_SLACK` times the tolerance.
    """
    lines = {id: conditions for id, conditions in LINES.items() if backend != "tc" or not beyond_tc(conditions)}
    specs = [LineSpec(id, Profile(conditions, conditions)) for id, conditions in lines.items()]
    limited = Conditions(delay_ms=0 if backend == "tc" else 5, rate_mbit=RATE_MBIT, queue_bytes=60_000)
    specs.append(LineSpec("rate", Profile(limited, Conditions(delay_ms=limited.delay_ms))))
    scenario = Scenario(tuple(specs), name="doctor", seed=20, backend=backend)
    with Lab(scenario) as lab:
        tell(f"backend {lab.backend}; measuring {len(specs)} lines")
        flows = {id: open_flow(lab, id, "down", "provider", SIZE_BYTES) for id in lines}
        measure(lab, list(flows.values()), seconds, PACKETS_PER_SECOND)
        echoes = ping(lab, "delay", "provider", 5)
        measured = tcp_mbit(lab, "rate", "provider", 3.0)
    checks: list[Check] = []
    for id, conditions in lines.items():
        probe = flows[id].probe
        link = Link(Profile(conditions, conditions), scenario.seed, id)
        checks += compare(id, conditions, probe, replay(probe.sent, link, "down", SIZE_BYTES))
    round_trip = Profile(LINES["delay"], LINES["delay"]).rtt_ms
    checks.append(Check("delay: ping", "ms", round_trip, round_trip, round(1e3 * mean(echoes.delays()), 3), 2.0))
    goodput = RATE_MBIT * _PAYLOAD_OF_PACKET
    checks.append(Check("rate: TCP goodput", "Mbit/s", RATE_MBIT, round(goodput, 3), round(measured, 3), goodput / 10))
    return [replace(check, tolerance=check.tolerance * TC_SLACK) for check in checks] if backend == "tc" else checks
