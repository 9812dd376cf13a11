"""One turn: the system warmed up, load, deeds at their moments, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from netem.bench.aio.processes import LoadClient, StageError
from netem.bench.plan import SETTLE, Load
from netem.bench.record import Reply, read_reply
from netem.bench.systems import adapter
from tests.bench.failover.place import lab_troubles
from tests.bench.sessions.judging import Outcome, outcome
from tests.bench.sessions.plan import LINES, Deed, Happening
from tests.bench.sessions.stand import Stand, stand

PATIENCE = 30.0


def play(system: str, happening: Happening, load: Load, seed: int, name: str = "") -> Outcome:
    """Raises LabError; what goes wrong with the system is the outcome's `fault`."""
    name = name or happening.name
    with stand(adapter(system), LINES, load, seed) as made:
        try:
            return _turn(made, happening, load, seed, name)
        except StageError as broken:
            return Outcome(name, fault=str(broken), may_fail=happening.may_fail)


def _turn(made: Stand, happening: Happening, load: Load, seed: int, name: str) -> Outcome:
    made.start(clock=any(deed.act == "clock" for deed in happening.deeds))
    client = made.client(load, seed, name, patience=PATIENCE)
    if fault := client.await_warm_up():
        raise StageError(f"warm-up: {fault}")
    made.lab.restart()
    before = made.packets()
    zero = begin((client,))
    done = perform(made, happening.deeds, zero)
    said = client.finish(load.seconds + PATIENCE + 60.0)
    span = None
    if happening.deeds:
        begins = happening.deeds[0].at
        span = (begins, begins + max(happening.seconds, 0.5) + 1.0)
    return outcome(
        name,
        replies(said),
        made.ledger(zero),
        load.tokens,
        span,
        done=done,
        troubles={**lab_troubles(before, made.packets()), **said["troubles"]},
        may_fail=happening.may_fail,
    )


def begin(clients: Sequence[LoadClient]) -> float:
    """The window begins for all of them; when that is, in seconds of the monotonic clock."""
    begin_ns = time.monotonic_ns() + int(1e9 * SETTLE)
    for client in clients:
        client.begin(begin_ns)
    return begin_ns / 1e9


def perform(made: Stand, deeds: Sequence[Deed], zero: float) -> list[str]:
    """Each deed at its moment; what was done, in words."""
    done = []
    for deed in deeds:
        time.sleep(max(0.0, zero + deed.at - time.monotonic()))
        done.append(made.do(deed))
    return done


def replies(said: dict[str, Any]) -> list[Reply]:
    """What a load client found."""
    return [read_reply(each) for each in said["replies"]]
