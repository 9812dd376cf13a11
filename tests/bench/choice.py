"""What choice costs: `python -m tests.bench.choice`. CPU µs per request, and per new health view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import process_time
from timeit import repeat

from health.view import HealthView, LineHealth, PathHealth
from tests.support.routing import Desk, endpoint, loss, named, rtt
from transport.path import Path

REQUESTS, VIEWS = 10_000, 60


def desk(lines: int, endpoints: int, policy: str) -> Desk:
    return Desk(
        named(f"l{n}" for n in range(lines)), tuple(endpoint(f"e{n}", f"r{n}") for n in range(endpoints)), policy=policy
    )


def view(of: Desk) -> HealthView:
    lines = {
        line.id: LineHealth(rtt=rtt(150 + 5 * n, 4), loss=loss(0.01, 1.5), in_flight=3, success_ratio=0.999)
        for n, line in enumerate(of.lines)
    }
    paths = {
        Path(line.id, end.id): PathHealth(rtt=rtt(150 + 2 * n + 8 * m, 4), loss=loss(0.01), first_byte_p50=0.5)
        for n, line in enumerate(of.lines)
        for m, end in enumerate(of.endpoints)
    }
    return HealthView(lines, paths)


def cost(what: Callable[[], object], number: int) -> float:
    return min(repeat(what, timer=process_time, number=number, repeat=3)) / number * 1e6


def row(lines: int, endpoints: int, policy: str) -> tuple[float, float, float]:
    at = desk(lines, endpoints, policy)
    at.view = view(at)
    plain = cost(lambda: at.ask(), REQUESTS)
    sticky = cost(lambda: at.ask(sticky=b"conversation 1234"), REQUESTS)
    views: Iterator[HealthView] = iter([view(at) for _ in range(3 * VIEWS)])

    def renewed() -> None:
        at.view = next(views)
        at.ask()

    return plain, sticky, cost(renewed, VIEWS)


def main() -> None:
    print("| lines × endpoints | policy | request | sticky request | new view |\n|---|---|---|---|---|")
    for lines, endpoints in ((3, 2), (12, 6)):
        for policy in ("best", "weighted", "classic"):
            plain, sticky, renewed = row(lines, endpoints, policy)
            print(f"| {lines} × {endpoints} | {policy} | {plain:.1f} µs | {sticky:.1f} µs | {renewed:.0f} µs |")


if __name__ == "__main__":
    main()
