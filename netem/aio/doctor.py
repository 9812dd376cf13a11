"""Does the lab do what it says? One lab with a line for each property, measured all at once."""

from collections.abc import Callable
from dataclasses import replace

from netem.aio.lab import Lab
from netem.aio.probe import Flow, measure, open_flow, ping, tcp_mbit
from netem.link.conditions import Bursts, Conditions, Profile
from netem.link.link import Link
from netem.scenario import Backend, LineSpec, Scenario
from netem.tc import beyond_tc
from netem.verify import Check, compare, median, replay

SIZE_BYTES = 200
PACKETS_PER_SECOND = 250.0
RATE_MBIT = 10.0
TC_SLACK = 4.0
SEED = 20
_PAYLOAD_OF_PACKET = 1448 / 1500  # what TCP with timestamps carries in a full packet
_BASE = Conditions(delay_ms=20.0)

LINES: dict[str, Conditions] = {
    "delay": replace(_BASE, delay_ms=80.0),
    "jitter": replace(_BASE, delay_ms=60.0, jitter_ms=10.0, ordered=False),
    "wave": replace(_BASE, delay_ms=60.0, jitter_ms=10.0, jitter_corr_ms=100.0),
    "loss": replace(_BASE, loss=0.05),
    "bursts": replace(_BASE, bursts=(Bursts(0.2, 20.0),)),
    "reorder": replace(_BASE, reorder=0.05),
    "duplicate": replace(_BASE, duplicate=0.05),
}


def verify(
    backend: Backend = "auto", seconds: float = 4.0, tell: Callable[[str], None] = lambda text: None
) -> list[Check]:
    """Build a lab, measure, compare. Takes about `seconds` + 5. Raises LabError, ValueError where none can be built.

    The tun backend must do to each packet what the model does. The tc backend has its own chance: there the lines it
    can do are held against a replay all the same, with `TC_SLACK` times the tolerance.
    """
    lines = {id: conditions for id, conditions in LINES.items() if backend != "tc" or not beyond_tc(conditions)}
    limited = Conditions(delay_ms=0 if backend == "tc" else 5, rate_mbit=RATE_MBIT, queue_bytes=60_000)
    specs = [LineSpec(id, Profile(conditions, conditions)) for id, conditions in lines.items()]
    specs.append(LineSpec("rate", Profile(limited, Conditions(delay_ms=limited.delay_ms))))
    with Lab(Scenario(tuple(specs), name="doctor", seed=SEED, backend=backend)) as lab:
        tell(f"backend {lab.backend}; measuring {len(specs)} lines")
        flows = {id: open_flow(lab, id, "down", "provider", SIZE_BYTES) for id in lines}
        measure(lab, list(flows.values()), seconds, PACKETS_PER_SECOND)
        timings = [*_ping(lab), *_goodput(lab)]
    checks = [check for id, flow in flows.items() for check in _against_the_model(id, lines[id], flow)] + timings
    return [replace(check, tolerance=check.tolerance * TC_SLACK) for check in checks] if backend == "tc" else checks


def _against_the_model(id: str, conditions: Conditions, flow: Flow) -> tuple[Check, ...]:
    link = Link(Profile(conditions, conditions), SEED, id)
    return compare(id, conditions, flow.probe, replay(flow.probe.sent, link, "down", SIZE_BYTES))


def _ping(lab: Lab) -> list[Check]:
    wanted = 2 * LINES["delay"].delay_ms
    measured = 1e3 * median(ping(lab, "delay", "provider", 5).delays())
    return [Check("delay: ping", "ms", wanted, wanted, round(measured, 3), 2.0)]


def _goodput(lab: Lab) -> list[Check]:
    wanted = RATE_MBIT * _PAYLOAD_OF_PACKET
    measured = tcp_mbit(lab, "rate", "provider", 3.0)
    return [
        Check("rate: TCP goodput", "Mbit/s", RATE_MBIT, round(wanted, 3), round(measured, 3), round(wanted / 10, 3))
    ]
