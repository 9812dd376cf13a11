"""A past for a node that has none: synthetic probes through the real recorder and history."""

from __future__ import annotations

import random
from collections.abc import Sequence

from edge.history.aio.history import History
from edge.history.recorder import Recorder
from edge.routing.controls import Switch
from health.probe import ProbeKind, ProbeResult
from health.standing import Standing
from health.view import HealthView, LineHealth, PathHealth, RttFigures
from transport.path import Path

BAD_SECONDS, OUT_SECONDS = 1500, 400  # of one hour in eight


def probes(
    recorder: Recorder, lines: Sequence[str], ends: Sequence[str], second: int, chance: random.Random, bad: str = ""
) -> None:
    """One second of every path's probes: each line has its own distance, jitter and loss. `bad` loses a third."""
    for place, line in enumerate(lines):
        for distance, end in enumerate(ends):
            lossy = 0.35 if line == bad else 0.002 * place
            rtt = None
            if chance.random() >= lossy:
                rtt = 0.070 + 0.012 * place + 0.020 * distance + chance.gammavariate(2.0, 0.0015 * (1 + place))
            recorder.probe(ProbeResult(Path(line, end), ProbeKind.TCP, second, float(second), rtt))


async def fill(
    history: History, lines: Sequence[str], ends: Sequence[str], begins: int, until: int, step: int = 1
) -> None:
    """Every `step`th second. In one hour of eight the second line is bad, and a while ejected."""
    chance = random.Random(7)
    switches = dict.fromkeys(lines, Switch.ON)
    nearest = {Path(line, ends[0]): PathHealth(rtt=RttFigures(0.1, 0.1, 0.1, 0.1, 0.0, 9, 1.0)) for line in lines}
    second_line = lines[min(1, len(lines) - 1)]
    for second in range(begins, until, step):
        is_bad = second // 3600 % 8 == 3 and second % 3600 < BAD_SECONDS
        is_out = is_bad and second % 3600 < OUT_SECONDS
        probes(history.recorder, lines, ends, second, chance, second_line if is_bad else "")
        standing = Standing.EJECTED if is_out else Standing.ADMITTED
        view = HealthView({second_line: LineHealth(standing)}, nearest)
        history.recorder.look(view, switches, None)
        await history.turn(second)
