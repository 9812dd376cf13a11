"""What history takes: disk for a day of probes, time for the questions the console asks.

    python -m tests.bench.history                    12 lines × 6 far ends, a probe a second on each path, 24 hours
    python -m tests.bench.history --hours 1 --lines 3 --ends 2

Synthetic figures through the real recorder, rollup and file, as fast as they go. Times are of the CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from time import process_time
from typing import Any

from edge.config.model import History as Wanted
from edge.history.aio.history import History, Sources
from edge.history.spans import HOURS, MINUTES, SPANS
from tests.support.pasts import fill


async def measure(folder: Path, lines: int, ends: int, hours: float) -> None:
    history = History(Wanted(), str(folder), Sources(lambda recorder: None))
    await history.open()
    ids, far = [f"line{number}" for number in range(lines)], [f"end{number}" for number in range(ends)]
    now = int(time.time())
    began, seconds = process_time(), round(hours * 3600)
    await fill(history, ids, far, now - seconds, now)
    took = process_time() - began
    await history.close()
    size = sum(each.stat().st_size for each in folder.iterdir())
    print(f"{lines} lines × {ends} far ends, a probe a second on each path, {hours:g} h:")
    print(f"  disk {size / 1e6:.1f} MB; CPU {took / seconds * 1e3:.2f} ms per second of operation")
    again = History(Wanted(), str(folder), Sources(lambda recorder: None))
    began = process_time()
    await again.open()
    print(f"  opening {1e3 * (process_time() - began):.0f} ms")
    await charts(again, folder, now)
    for text, tier, begins in (("3 h", MINUTES, now - 10_800), ("a day", HOURS, now - 86_400)):
        began = process_time()
        sums = await again.sums("paths", tier, begins)
        print(f"  sums of {len(sums['sums'])} paths over {text}: {1e3 * (process_time() - began):.1f} ms")
    began = process_time()
    await again.series("lines", None, SPANS["10m"], now - 4, now)
    print(f"  the console's next points of all lines: {1e3 * (process_time() - began):.1f} ms")
    await again.close()


async def charts(history: History, folder: Path, now: int) -> None:
    """What the console asks for: one line's chart, and all lines' at once. Cold: the file isn't in the page cache, so
    waiting counts too; warm: CPU."""
    for subject, id in (("a line", "line0"), ("all lines", None)):
        for name in ("10m", "3h", "1d", "7d"):
            drop(folder)
            began = time.perf_counter()
            _, told = await timed(history, id, name, now)
            cold = 1e3 * (time.perf_counter() - began)
            warm, _ = await timed(history, id, name, now)
            points = sum(len(each["at"]) for each in told["series"].values())
            print(f"  {subject} over {name:>3}: {points:5} points; cold {cold:6.1f} ms, warm {warm:6.1f} ms of CPU")


async def timed(history: History, id: str | None, name: str, now: int) -> tuple[float, dict[str, Any]]:
    """Milliseconds of CPU."""
    began = process_time()
    told = await history.series("lines", id, SPANS[name], until=now)
    return 1e3 * (process_time() - began), told


def drop(folder: Path) -> None:
    """Out of the page cache (posix_fadvise(2)); SQLite's own is small (2 MB) and stays."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.history", description=__doc__)
    parser.add_argument("--lines", type=int, default=12)
    parser.add_argument("--ends", type=int, default=6)
    parser.add_argument("--hours", type=float, default=24.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), args.lines, args.ends, args.hours))


if __name__ == "__main__":
    main()
