"""Cost of the data plane beside other proxies: python -m tests.bench.proxies [--quick] [--json FILE] [--markdown FILE].

The proxies run at once on core 0 and are measured in turns, round by round, while the load generator and the upstreams
have core 1; so a disturbance of the machine hits all of them alike and the ratios hold where absolute figures waver.
CPU is what the kernel accounts to the proxy's own threads (its share of the loopback's work included).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tests.bench import contestants
from tests.bench.contestants import PLAIN, TLS, Contestant, Starter, Upstreams, pin_to_load_core, running, upstreams
from tests.bench.load import HEADERS, body, connect, receive, request, run_streams
from tests.support.certificates import certificates

CONNECTIONS = 32
MEMORY_SECONDS = 20.0
REQUESTS = "/requests/v1/chat/completions"
STREAMS = "/streams/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; seconds."""

    rounds: int = 5
    request_seconds: float = 2.0
    levels: tuple[int, ...] = (200, 1000, 3000)
    stream_rounds: int = 3
    window: float = 2.0
    idle_connections: int = 10_000
    idle_streams: int = 2_000
    tls_level: int = 500


QUICK = Plan(3, 1.0, (200, 1000), 1, 1.5, 2_000, 500, 200)


@dataclass
class Figure:
    """One measured quantity of one proxy, a value per round."""

    proxy: str
    metric: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.values)


class Results:
    """Figures in the order of their first measurement, and everything that went wrong."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, str], Figure] = {}
        self.faults: list[str] = []
        self.beaten: set[str] = set()  # by so many streams that they get no more
        self.requests = self.streams = self.chunks = 0  # delivered

    def add(self, proxy: str, metric: str, unit: str, value: float) -> None:
        self.figures.setdefault((proxy, metric), Figure(proxy, metric, unit)).values.append(value)

    def fault(self, proxy: str, text: str) -> None:
        self.faults.append(f"{proxy}: {text}")
        print(f"  ! {proxy}: {text}", file=sys.stderr)


# --- requests ---


def measure_requests(contestant: Contestant, plan: Plan, folder: Path, results: Results, prefix: str = "") -> None:
    script = folder / "post.lua"
    headers = "".join(
        f'wrk.headers["{name}"] = "{value}"\n'
        for name, value in re.findall(r"(\S+): (.*?)\r\n", HEADERS)
        if name != "host"
    )
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{body('gpt-4.1', 64, stream=False)}'\n{headers}")
    url = f"{'https' if contestant.is_tls else 'http'}://127.0.0.1:{contestant.port}{REQUESTS}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{plan.request_seconds:g}s", "-s", str(script), url]
    cpu = contestant.cpu_seconds()
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu = contestant.cpu_seconds() - cpu
    found = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec: +([\d.]+)", text)
    if found is None or rate is None or int(found[1]) == 0 or "Non-2xx" in text or "Socket errors" in text:
        results.fault(contestant.name, f"requests failed: {' '.join(text.split())}")
        return
    results.requests += int(found[1])
    results.add(contestant.name, f"{prefix}requests/s, {CONNECTIONS} connections", "1/s", float(rate[1]))
    results.add(contestant.name, f"{prefix}CPU per request", "µs", cpu / int(found[1]) * 1e6)


# --- streams ---


def measure_streams(
    name: str,
    port: int,
    level: int,
    plan: Plan,
    results: Results,
    *,
    cpu_seconds: Callable[[], float],
    prefix: str = "",
    context: ssl.SSLContext | None = None,
) -> None:
    rate = 250.0 if context is not None else 1500.0
    delivery = run_streams(
        port, STREAMS, level, cpu_seconds=cpu_seconds, window=plan.window, context=context, per_second=rate
    )
    label = f"{prefix}{level} streams"
    expected = level * plan.window * 20
    if name == "aiohttp" and delivery.chunks < expected * 0.95:
        results.beaten.add(name)  # no fault of the run: a table without this figure says it
        return
    if delivery.complete != level:
        results.fault(name, f"{label}: {level - delivery.complete} did not end in order")
    if not delivery.chunks:
        return
    results.streams += delivery.complete
    results.chunks += delivery.chunks
    if name != "no proxy":
        results.add(name, f"{label}: CPU per chunk", "µs", delivery.cpu_us / delivery.chunks)
    results.add(name, f"{label}: delay p50", "ms", delivery.quantile(0.5))
    results.add(name, f"{label}: delay p99", "ms", delivery.quantile(0.99))


# --- memory ---


def measure_memory(
    contestant: Contestant, metric: str, number: int, content: bytes, until: bytes, results: Results
) -> None:
    """Connections that have carried one request and idle; or streams that have begun and are silent."""
    before = contestant.resident_kib()
    sockets: list[socket.socket] = []
    give_up_at = time.monotonic() + MEMORY_SECONDS  # on a busy machine; a thousand tell nearly as much as ten thousand
    try:
        while len(sockets) < number and (len(sockets) < 1000 or time.monotonic() < give_up_at):
            opened = [connect(contestant.port) for _ in range(50)]
            sockets += opened
            for sock in opened:
                sock.sendall(content)
            for sock in opened:
                receive(sock, until)
        time.sleep(0.5)
        results.add(contestant.name, metric, "KiB", (contestant.resident_kib() - before) / len(sockets))
    except OSError as error:
        results.fault(contestant.name, f"{metric}: {error} after {len(sockets)}")
    finally:
        for sock in sockets:
            sock.close()


# --- the run ---


def run_plain(ups: Upstreams, chosen: dict[str, Starter], plan: Plan, results: Results) -> None:
    with running(ups, chosen) as proxies:
        for number in range(plan.rounds):
            say(f"requests, round {number + 1} of {plan.rounds}")
            for proxy in proxies:
                measure_requests(proxy, plan, ups.folder, results)
        for level in plan.levels:
            for number in range(plan.stream_rounds):
                say(f"{level} streams, round {number + 1} of {plan.stream_rounds}")
                measure_streams("no proxy", ups.streams, level, plan, results, cpu_seconds=lambda: 0.0)
                for proxy in [proxy for proxy in proxies if proxy.name not in results.beaten]:
                    measure_streams(proxy.name, proxy.port, level, plan, results, cpu_seconds=proxy.cpu_seconds)
                    wait_until_quiet(proxy)
    once = request(REQUESTS, body("gpt-4.1", 64, stream=False))
    silent = request(STREAMS, body("idle", 1_000_000, stream=True))
    for metric, number, content, until in (
        ("memory per idle connection", plan.idle_connections, once, b"}"),
        ("memory per idle stream", plan.idle_streams, silent, b"t@"),
    ):
        with running(ups, chosen) as proxies:  # fresh ones: memory that was freed would be used again
            for proxy in proxies:
                say(f"{metric} of {proxy.name}")
                measure_memory(proxy, metric, number, content, until, results)


def run_tls(ups: Upstreams, chosen: dict[str, Starter], plan: Plan, results: Results) -> None:
    context = ssl.create_default_context(cafile=ups.certificates.authority)
    with running(ups, chosen, is_tls=True) as proxies:
        for number in range(plan.rounds):
            say(f"TLS requests, round {number + 1} of {plan.rounds}")
            for proxy in proxies:
                measure_requests(proxy, plan, ups.folder, results, "TLS: ")
        for number in range(plan.stream_rounds):
            say(f"TLS streams, round {number + 1} of {plan.stream_rounds}")
            for proxy in proxies:
                measure_streams(
                    proxy.name,
                    proxy.port,
                    plan.tls_level,
                    plan,
                    results,
                    cpu_seconds=proxy.cpu_seconds,
                    prefix="TLS: ",
                    context=context,
                )


def wait_until_quiet(proxy: Contestant) -> None:
    """What a proxy still does about streams that are gone must not be the next one's burden."""
    for _ in range(40):
        before = proxy.cpu_seconds()
        time.sleep(0.25)
        if proxy.cpu_seconds() - before < 0.02:
            return


def _chosen(starters: dict[str, Starter], names: str | None) -> dict[str, Starter]:
    prefixes = tuple((names or "").split(","))
    return {name: starter for name, starter in starters.items() if name.startswith(prefixes)}


def say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = "unknown"
    with suppress(OSError):
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        cpu = found[1] if found else cpu
    versions = {
        "nginx": subprocess.run([contestants.program("nginx"), "-v"], capture_output=True, text=True).stderr,
        "haproxy": subprocess.run([contestants.program("haproxy"), "-v"], capture_output=True, text=True).stdout,
    }
    numbers = {name: (re.search(r"\d+\.\d+\.\d+", text) or ["?"])[0] for name, text in versions.items()}
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        **numbers,
        "load average at the start": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def table(results: Results, prefix: str = "") -> list[str]:
    """One row per metric, one column per proxy, as Markdown; in brackets the ratio to HAProxy."""
    chosen = [figure for figure in results.figures.values() if figure.metric.startswith("TLS: ") == bool(prefix)]
    names = list(dict.fromkeys(figure.proxy for figure in chosen))
    rows = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for metric in dict.fromkeys(figure.metric for figure in chosen):
        cells = []
        base = results.figures.get(("HAProxy", metric))
        for name in names:
            figure = results.figures.get((name, metric))
            if figure is None:
                cells.append("–")
                continue
            ratio = f" ({figure.median / base.median:.2f}×)" if base and name not in ("HAProxy", "no proxy") else ""
            cells.append(f"{_round(figure.median)}{ratio}")
        unit = next(figure.unit for figure in chosen if figure.metric == metric)
        rows.append(f"| {metric.removeprefix(prefix)}, {unit} | " + " | ".join(cells) + " |")
    return rows


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def report(results: Results, facts: dict[str, str], command: str, plan: Plan, seconds: float) -> str:
    lines = [
        f"Command: `{command}` ({plan.rounds} rounds of requests, {plan.stream_rounds} of streams, {seconds:.0f} s)  "
    ]
    lines += [f"{name}: {value}  " for name, value in facts.items()]
    lines += [
        f"Delivered and checked: {results.requests:,} requests, {results.streams:,} streams, "
        f"{results.chunks:,} chunks; faults: {len(results.faults)}",
        "",
        "Medians over the rounds; in brackets the ratio to HAProxy in the same run.",
    ]
    if any(not metric.startswith("TLS: ") for _, metric in results.figures):
        lines += ["", *table(results)]
    if any(metric.startswith("TLS: ") for _, metric in results.figures):
        lines += ["", "TLS 1.3 on both sides:", "", *table(results, "TLS: ")]
    if results.faults:
        lines += ["", *(f"- fault: {fault}" for fault in results.faults)]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.proxies", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each, under a minute")
    parser.add_argument("--only", choices=("plain", "tls"), help="one half of the run")
    parser.add_argument("--proxies", metavar="NAME,…", help="only those whose name begins so")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--markdown", metavar="FILE", type=Path)
    args = parser.parse_args()
    plan = QUICK if args.quick else Plan()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    facts, results, began = machine(), Results(), time.monotonic()
    pin_to_load_core()
    with tempfile.TemporaryDirectory(prefix="farline-bench-") as directory:
        folder = Path(directory)
        with suppress(KeyboardInterrupt), upstreams(folder, certificates(folder)) as ups:  # reports what there is
            if args.only != "tls":
                run_plain(ups, _chosen(PLAIN, args.proxies), plan, results)
            if args.only != "plain":
                run_tls(ups, _chosen(TLS, args.proxies), plan, results)
    command = "python -m tests.bench.proxies" + (" --quick" if args.quick else "")
    text = report(results, facts, command, plan, time.monotonic() - began)
    print(text)
    if args.markdown:
        args.markdown.write_text(text)
    if args.json:
        figures = [asdict(figure) | {"median": figure.median} for figure in results.figures.values()]
        content = {
            "command": command,
            "machine": facts,
            "plan": asdict(plan),
            "figures": figures,
            "faults": results.faults,
        }
        args.json.write_text(json.dumps(content, indent=1))
    return 1 if results.faults else 0


if __name__ == "__main__":
    sys.exit(main())
