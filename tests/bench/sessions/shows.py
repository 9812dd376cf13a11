"""The shows: each plays its turns and gives tables. All run unattended; docs/sessions-lab.md says how long."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any

from netem.bench.aio.processes import Processes, StageError
from netem.bench.aio.run import run
from netem.bench.figures import Cell, cells
from netem.bench.plan import SETTLE, Condition, Load, Plan
from netem.bench.report import COLUMNS, rows
from netem.bench.systems import adapter
from tests.bench.failover.place import lab_troubles
from tests.bench.sessions import plan, report, uploads
from tests.bench.sessions.judging import Mixed, Outcome, Pooled, Premium, mixed, outcome, pooled, success
from tests.bench.sessions.play import begin, perform, play, replies
from tests.bench.sessions.stand import Stand, stand

SEGMENT = 120.0
"""Seconds of a chaos run that one set of clients works; the provider remembers so many requests."""
MET, MAX_TURNS = 300, 12
BASELINES = ("direct-bbr", "farline-2")
RELAYED = ("farline-relay-1", "farline-relay-2", "farline-relay-standby")
_ALL_PROFILES = (
    "premium", "cn2", "cmi-evening", "internet-evening", "internet-bad", "grid-1", "grid-5", "grid-10", "grid-15",
    "udp-policed", "udp-blocked", "shared-fate", "ref-cmi", "ref-day", "ref-bad",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line says. Zeroes: the show's own."""

    minutes: float = 0.0
    streams: int = 0
    rounds: int = 1
    seed: int = 1
    only: str = ""
    systems: tuple[str, ...] = ()


@dataclass(slots=True)
class Shown:
    """What a show came to. `parts` are Markdown, `plain` is for JSON."""

    title: str
    parts: list[str] = field(default_factory=list)
    plain: dict[str, Any] = field(default_factory=dict)
    is_right: bool = True


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _list(notes: list[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)


def _outcomes(shown: Shown, found: list[Outcome]) -> Shown:
    shown.parts += [report.table(report.HEADS, [report.row(each) for each in found]), _list(report.notes(found))]
    shown.plain["outcomes"] = [{**asdict(each), "is_right": each.is_right} for each in found]
    shown.is_right = all(each.is_right for each in found)
    return shown


# -------------------------------------------------- by `farline bench`


def profiles(order: Order) -> Shown:
    """Profiles × {one line, two hot, standby} × streams, beside baselines in the same run."""
    names = tuple(name for name in _ALL_PROFILES if not order.only or name in order.only.split(","))
    shown = Shown("Profiles")
    for streams in (order.streams,) if order.streams else (20, 200):
        load = Load(streams=streams, requests=2 * streams, tokens=96 if streams > 50 else 128)
        systems = order.systems or (*BASELINES, *RELAYED)
        chosen = Plan(systems, tuple(map(Condition, names)), load, order.rounds, order.seed)
        found = _bench(chosen)
        for name in names:
            under = [cell for cell in found if cell.condition.profile == name]
            shown.parts += [f"### {name}, {streams} streams", report.table([c[0] for c in COLUMNS], rows(under))]
        shown.plain[str(streams)] = [asdict(cell) for cell in found]
        shown.is_right &= not any(cell.lost + cell.repeated + cell.truncated for cell in found)
    return shown


def _bench(chosen: Plan) -> list[Cell]:
    _tell(f"{chosen.turns} turns, about {ceil(chosen.expected_seconds / 60)} minutes")
    turns = run(
        chosen, lambda number, turn: _tell(f"[{number}/{chosen.turns}] {turn.system} {turn.profile} {turn.fault}")
    )
    return cells(turns, chosen.load, baseline=chosen.baseline, seed=chosen.seed)


def premium(order: Order) -> Shown:
    """A premium line: through a relay nothing may be worse than direct by more than three percent."""
    systems = ("farline-1", "farline-relay-1")
    load = Load(streams=order.streams or 20, requests=3 * (order.streams or 20))
    chosen = Plan(systems, (Condition("premium"),), load, max(order.rounds, 2), order.seed, baseline="farline-1")
    found = _bench(chosen)
    shown = Shown("Premium line", [report.table([c[0] for c in COLUMNS], rows(found))])
    shown.plain["cells"] = [asdict(cell) for cell in found]
    direct, relayed = found
    if direct.requests and relayed.requests:
        verdict = Premium(premium_ratios(direct, relayed))
        told = [f"{name}: {ratio:.3f} of direct" for name, ratio in verdict.ratios.items()]
        shown.parts.append(_list(told))
        shown.plain["ratios"] = dict(verdict.ratios)
        shown.is_right = verdict.is_right
    else:
        shown.is_right = False
    return shown


def premium_ratios(direct: Cell, relayed: Cell) -> dict[str, float]:
    """TTFT, gaps and bytes of the relay as parts of those without."""
    found = {
        name: relayed.figures[name].value / direct.figures[name].value
        for name in ("ttft_p50", "ttft_p99", "gap_p99")
        if direct.figures[name].value
    }
    return {**found, "bytes": relayed.wire_kb_per_request / direct.wire_kb_per_request}


# -------------------------------------------------- turns of our own


def blackhole(order: Order) -> Shown:
    """The line in use falls silent for 3 s at a random moment, until 300 streams of each way have met that."""
    streams = order.streams or 50
    load = plan.load(streams, 0.1, 300)
    found: list[Outcome] = []
    ways: list[Pooled] = []
    for way in order.systems or tuple(plan.WAYS):
        turns: list[Outcome] = []
        while sum(turn.under_way for turn in turns) < MET and len(turns) < MAX_TURNS:
            seed = order.seed + 1000 * len(turns)
            happening = plan.hole(seed, 3.0, load)
            turns.append(play(plan.WAYS.get(way, way), happening, load, seed, f"{way} {len(turns) + 1}"))
            _tell(" ".join(report.row(turns[-1])))
        found += turns
        ways.append(pooled(way, turns))
    shown = Shown("Blackhole of the active line")
    shown.parts.append(report.table(report.POOLED_HEADS, [report.pooled_row(each) for each in ways]))
    shown.plain["ways"] = [asdict(each) for each in ways]
    _outcomes(shown, found)
    shown.parts.append(_list([f"{each.name}: {'; '.join(each.done)}" for each in found]))
    shown.is_right = all(each.is_right for each in found if not each.name.startswith("direct"))
    return shown


def restarts(order: Order) -> Shown:
    """UDP blocked or policed, processes killed, stopped, lied to; NAT rebinding."""
    streams = order.streams or 20
    found = []
    for happening in plan.find(order.only):
        load = plan.load(streams, happening.window, 90)
        system = order.systems[0] if order.systems else plan.WAYS["standby"]
        found.append(play(system, happening, load, order.seed))
        _tell(" ".join(report.row(found[-1])))
    return _outcomes(Shown("What happens to processes and networks"), found)


class _MixedClient:
    """`mixed.py` in the client's namespace."""

    def __init__(self, made: Stand, seconds: float, voices: int, size: int, name: str) -> None:
        base = made.setup.base
        processes: Processes = made.processes
        self._result = processes.folder / f"{name}.json"
        url = f"http://{base.host}:{base.port}{base.prefix}"
        argv = [sys.executable, "-m", "tests.bench.sessions.mixed", url, str(seconds), str(voices), str(size)]
        self._process = processes.start(name, "client", [*argv, str(self._result)], stdin=subprocess.PIPE)
        self._said = lambda: processes.said(name)

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def finish(self, seconds: float) -> dict[str, Any]:
        """Raises StageError."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -1
        if code:
            raise StageError(f"voices and uploads failed: {self._said()}")
        said: dict[str, Any] = json.loads(self._result.read_text())
        return said


def chaos(order: Order) -> Shown:
    """Everything at once, for minutes: streams, voice calls and uploads over three lines to which all sorts happen."""
    minutes = order.minutes or 30.0
    streams = order.streams or 10
    load = plan.load(streams, SEGMENT, 90)
    system = order.systems[0] if order.systems else plan.WAYS["standby"]
    outcomes: list[Outcome] = []
    others: list[Mixed] = []
    with stand(adapter(system), plan.CHAOS_LINES, load, order.seed) as made:
        made.start()
        for number in range(max(1, round(minutes * 60 / SEGMENT))):
            told = _segment(made, load, order.seed + number, number)
            outcomes.append(told[0])
            others.append(told[1])
            _tell(" ".join([*report.row(told[0]), *report.mixed_row(told[1])]))
    shown = _outcomes(Shown(f"Chaos, {minutes:g} minutes"), outcomes)
    ratio = success(outcomes, others)
    mixed_rows = [report.mixed_row(each) for each in others]
    shown.parts += [report.table(report.MIXED_HEADS, mixed_rows), _list([f"success {100 * ratio:.3f} %"])]
    faults = [f"{count} × {text}" for each in others for text, count in each.faults.items()]
    shown.parts.append(_list([*faults, *(f"{each.name}: {'; '.join(each.done)}" for each in outcomes)]))
    shown.plain |= {"success": ratio, "mixed": [asdict(each) for each in others]}
    wrong = sum(each.altered + each.doubled + each.fates.truncated + each.fates.lost for each in outcomes)
    shown.is_right = ratio >= 0.999 and not wrong and all(each.is_right for each in others)
    return shown


def _segment(made: Stand, load: Load, seed: int, number: int) -> tuple[Outcome, Mixed]:
    name = f"minutes {number * SEGMENT / 60:g} to {(number + 1) * SEGMENT / 60:g}"
    client = made.client(load, seed, name, name=f"client-{number}")
    voices = _MixedClient(made, SEGMENT, 3, 1 << 20, f"mixed-{number}")
    fault = client.await_warm_up()
    before = made.packets()
    zero = begin((client,))
    voices.begin()
    deeds = plan.chaos(seed, SEGMENT)
    done = perform(made, deeds, zero)
    said = client.finish(load.seconds + 120.0)
    other = voices.finish(180.0)
    records = made.ledger(zero - SETTLE)
    chats = [each for each in records if each["operation"] == "chat" and each["received_at"] >= zero]
    troubles = {**lab_troubles(before, made.packets()), **said["troubles"]}
    told = outcome(name, replies(said), chats, load.tokens, done=done, troubles=troubles, fault=fault)
    return told, mixed(other, records)


def uploading(order: Order) -> Shown:
    """1 and 10 MiB to the provider, beside a direct client with BBR, at 1 % loss."""
    found = []
    for system in order.systems or uploads.SYSTEMS:
        found += uploads.measured(system, order.seed)
        _tell(" ".join(uploads.row(found[-1])))
    shown = Shown("Uploads", [report.table(uploads.HEADS, [uploads.row(each) for each in found])])
    shown.plain["uploads"] = [uploads.plain(each) for each in found]
    shown.is_right = all(each.is_right for each in found)
    return shown


SHOWS: dict[str, Callable[[Order], Shown]] = {
    "profiles": profiles,
    "blackhole": blackhole,
    "chaos": chaos,
    "restarts": restarts,
    "premium": premium,
    "uploads": uploading,
}


def played(name: str, order: Order) -> Shown:
    """Plays a show. Raises LabError, StageError, ValueError."""
    began = time.monotonic()
    shown = SHOWS[name](order)
    shown.plain |= {"show": name, "order": asdict(order), "seconds": round(time.monotonic() - began, 1)}
    return shown
