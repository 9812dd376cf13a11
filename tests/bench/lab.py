"""What the lab costs and how exact it is: `python -m tests.bench.lab`, as root. Prints one line per measurement.

delay error    one UDP flow over a line of constant delay: how much later than ordered packets came
packet rate    200-byte datagrams offered in one direction for 2 s, what of them was carried, CPU time per packet
"""

import sys
import time
from pathlib import Path

from netem.aio.lab import Lab
from netem.aio.probe import measure, open_flow
from netem.profiles import profile
from netem.scenario import LineSpec, Scenario
from netem.verify import quantile

SECONDS = 2.0
TICKS_PER_SECOND = 100
RATES = (20_000, 50_000, 80_000, 110_000)
FLOOD = """
import socket, sys, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind((sys.argv[1], 0))
target, rate, seconds = (sys.argv[2], 7000), float(sys.argv[3]), float(sys.argv[4])
data, sent, began = bytes(172), 0, time.monotonic()
while (now := time.monotonic() - began) < seconds:
    while sent < rate * now:
        line.sendto(data, target)
        sent += 1
    time.sleep(0.0005)
print(sent)
"""


def delay_error(name: str, packets_per_second: float) -> None:
    """Quantiles in µs."""
    wanted = profile(name)
    with Lab(Scenario((LineSpec("line", wanted),))) as lab:
        flow = open_flow(lab, "line", "down", "provider", 200)
        measure(lab, [flow], 4.0, packets_per_second)
        errors = [1e6 * delay - 1e3 * wanted.down.delay_ms for delay in flow.probe.delays()]
        figures = "  ".join(f"p{100 * part:g} {quantile(errors, part):.0f}" for part in (0, 0.5, 0.9, 0.99, 0.999))
        print(f"delay error µs, {name}, {packets_per_second:g}/s: {figures}  {lab.troubles()}", flush=True)


def packet_rate(name: str, rate: int) -> None:
    """Offered and carried per second."""
    with Lab(Scenario((LineSpec("line", profile(name)),))) as lab:
        words = [lab.address("edge", "line"), lab.address("provider"), str(rate), str(SECONDS)]
        before = _cpu_seconds(lab.emulator_pid)
        done = lab.run_in("edge", [sys.executable, "-c", FLOOD, *words], capture_output=True, text=True, check=True)
        time.sleep(0.5)
        cpu = _cpu_seconds(lab.emulator_pid) - before
        carried = lab.line("line").tally()["up"]["offered"]
        sent = int(done.stdout)
        print(
            f"packet rate, {name}: offered {sent / SECONDS:.0f}/s  carried {carried / sent:.1%}"
            f"  {1e6 * cpu / carried:.1f} µs CPU per packet",
            flush=True,
        )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


if __name__ == "__main__":
    delay_error("clean", 500)
    delay_error("clean", 5000)
    for rate in RATES:
        packet_rate("perfect", rate)
    for rate in RATES:
        packet_rate("cmi-evening", rate)
