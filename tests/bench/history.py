"""What history takes: disk for a day of probes, time for the questions the console asks.

    python -m tests.bench.history                    12 lines × 6 far ends, a probe a second on each path, 24 hours
    python -m tests.bench.history --hours 1 --lines 3 --ends 2

Synthetic figures through the real recorder, rollup and file, as fast as they go. Times are of the CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from time import process_time

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
    for name, span in SPANS.items():
        began = process_time()
        told = await again.series("lines", "line0", span, until=now)
        points = sum(len(each["at"]) for each in told["series"].values())
        print(f"  a line over {name:>3}: {points:5} points, {1e3 * (process_time() - began):6.1f} ms")
    for text, tier, begins in (("3 h", MINUTES, now - 10_800), ("a day", HOURS, now - 86_400)):
        began = process_time()
        sums = await again.sums("paths", tier, begins)
        print(f"  sums of {len(sums['sums'])} paths over {text}: {1e3 * (process_time() - began):.1f} ms")
    began = process_time()
    await again.series("lines", None, SPANS["10m"], now - 4, now)
    print(f"  the console's next points of all lines: {1e3 * (process_time() - began):.1f} ms")
    await again.close()


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
