"""What every fuzzer's command does: seeds from the clock for a while, or the one that is given."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable


def run(about: str | None, attempt: Callable[[int], None]) -> None:
    """`attempt` raises for a seed that finds something, and prints it."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return attempt(arguments.seed)
    began = time.monotonic()
    seed = time.time_ns() % 10**12
    count = 0
    while time.monotonic() - began < arguments.seconds:
        attempt(seed + count)
        count += 1
    print(f"{count} seeds from {seed}: nothing found")
    return None
