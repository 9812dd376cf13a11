"""How long uploads take, over two lines of 150 ms that lose 1 % in each direction."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from netem.bench.aio.processes import StageError
from netem.bench.plan import Load
from netem.bench.systems import adapter
from netem.profiles import line
from tests.bench.sessions.stand import Stand, stand

LOST = 0.01
LINES = {name: line(150, 1, LOST, LOST) for name in ("one", "two")}
SYSTEMS = ("direct-bbr", "farline-relay-1", "farline-relay-standby")
PLAN = ((1 << 20, 8), (10 << 20, 2))
PATIENCE = 90.0
HEADS = ("system", "size, MiB", "uploads", "failed", "altered", "s, first/median/max", "MB/s, median")
_LOAD = Load(streams=4, requests=4, tokens=8)


@dataclass(frozen=True, slots=True)
class Figures:
    """One system and size. `seconds` in the order of the uploads."""

    system: str
    size: int
    seconds: tuple[float, ...]
    failed: int
    altered: int

    @property
    def is_right(self) -> bool:
        return bool(self.seconds) and not self.failed and not self.altered


def measured(system: str, seed: int) -> list[Figures]:
    """Raises LabError, StageError."""
    chosen = adapter(system)
    lines = dict(list(LINES.items())[: chosen.lines])
    with stand(chosen, lines, _LOAD, seed) as made:
        made.start()
        said = _upload(made)
        hashes = {each.get("body_sha256") for each in made.ledger(0.0)}
    found = []
    for size, _ in PLAN:
        these = [each for each in said if each["bytes"] == size]
        good = [each for each in these if not each["fault"]]
        altered = sum(each["sha256"] not in hashes for each in good)
        seconds = tuple(round(each["seconds"], 3) for each in good)
        found.append(Figures(system, size, seconds, len(these) - len(good), altered))
    return found


def _upload(made: Stand) -> list[dict[str, Any]]:
    base = made.setup.base
    url = f"http{'s' if base.ca_file else ''}://{base.host}:{base.port}{base.prefix}"
    result = made.processes.folder / "uploads.json"
    argv = [sys.executable, "-m", "tests.bench.sessions.uploading", url, base.ca_file, json.dumps(PLAN), str(result)]
    process = made.processes.start("uploads", "client", argv)
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        code = -1
    if code:
        raise StageError(f"uploads failed: {made.processes.said('uploads')}")
    found: list[dict[str, Any]] = json.loads(result.read_text())
    return found


def row(each: Figures) -> list[str]:
    times = each.seconds or (0.0,)
    middle = median(times)
    rate = each.size / middle / 1e6 if middle else 0.0
    spread = f"{times[0]:.2f} / {middle:.2f} / {max(times):.2f}"
    return [
        each.system, f"{each.size >> 20}", str(len(each.seconds)), str(each.failed), str(each.altered), spread,
        f"{rate:.1f}",
    ]  # fmt: skip


def plain(each: Figures) -> dict[str, Any]:
    return {**asdict(each), "is_right": each.is_right}
