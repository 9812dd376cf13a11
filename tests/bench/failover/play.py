"""One turn: warm up, let the happening strike the line that carries the traffic, collect."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from netem.bench.aio.processes import LoadClient, StageError
from netem.bench.plan import SETTLE
from netem.bench.record import read_reply
from netem.profiles import profile
from netem.scenario import plain_event
from tests.bench.failover.judging import Played
from tests.bench.failover.place import Place, lab_troubles, place
from tests.bench.failover.plan import LINES, Happening, Plan
from tests.bench.failover.watching import busiest, other_changes, read_routes

LOOK = 0.4
"""How long before the event the busiest line is looked for, in seconds."""
_RECENT = 5.0
Deed = tuple[float, Callable[[], None]]
"""(second of the window, what to do then)."""


def play(happening: Happening, plan: Plan, round: int) -> Played:
    """Raises LabError; what goes wrong with the edge is the turn's `fault`."""
    with place(LINES, plan.seed_of(round), happening.setting) as made:
        try:
            return _Turn(made, happening, plan, round).play()
        except StageError as broken:
            return Played(happening, round, fault=str(broken))


class _Turn:
    def __init__(self, made: Place, happening: Happening, plan: Plan, round: int) -> None:
        self._place = made
        self._happening = happening
        self._plan = plan
        self._round = round
        self._load = plan.load(happening.window)
        self._zero = 0.0  # monotonic
        self._utc_of_zero = 0.0
        self._struck: tuple[str, ...] = ()

    def play(self) -> Played:
        plan, made, load = self._plan, self._place, self._load
        made.start_providers(load)
        made.start_edge(made.configuration(plan))
        client = made.client(load, plan.seed_of(self._round), f"round {self._round}", plan.patience)
        fault = client.await_warm_up()
        made.lab.restart()
        self._begin(client)
        before = made.packets()
        for at, deed in self._deeds():
            time.sleep(max(0.0, self._zero + at - time.monotonic()))  # the script has its times
            deed()
        said = client.finish(load.seconds + plan.patience + 60.0)
        return replace(self._collect(said, before), fault=f"warm-up: {fault}" if fault else "")

    def _begin(self, client: LoadClient) -> None:
        begin_ns = time.monotonic_ns() + int(1e9 * SETTLE)
        client.begin(begin_ns)
        self._zero = begin_ns / 1e9
        self._utc_of_zero = time.time() + self._zero - time.monotonic()

    def _deeds(self) -> Sequence[Deed]:
        happening = self._happening
        if happening.strikes == "nothing":
            return ()
        if happening.strikes == "provider":
            rules = [{"sim": happening.orders}]
            return (happening.begins, lambda: self._place.order(rules)), (happening.ends, lambda: self._place.order([]))
        deeds: list[Deed] = [(happening.begins - LOOK, self._strike)]
        if happening.profile:
            deeds += [(happening.begins, self._turn), (happening.ends, self._turn_back)]
        return deeds

    def _strike(self) -> None:
        """Which lines it will be; an event of theirs begins at its moment of lab time by itself."""
        order = busiest(self._recent(), self._place.lines)
        self._struck = tuple(order[: {"active": 1, "two": 2}.get(self._happening.strikes, len(order))])
        if (event := self._happening.event) is not None:
            begins = replace(event, at=self._happening.begins + SETTLE)
            for line in self._struck:
                self._place.lab.line(line).event(**plain_event(begins))

    def _recent(self) -> list[Any]:
        now = time.monotonic() - self._zero
        routes = read_routes(self._place.request_log(), self._utc_of_zero)
        return [route for route in routes if route.begun > now - _RECENT]

    def _turn(self) -> None:
        for line in self._struck:
            self._place.lab.line(line).profile(self._happening.profile)

    def _turn_back(self) -> None:
        for line in self._struck:
            self._place.lab.line(line).profile(profile(LINES[line]))

    def _collect(self, said: dict[str, Any], before: dict[str, float]) -> Played:
        made = self._place
        time.sleep(0.4)  # the edge writes its request log four times a second
        until = time.monotonic() - self._zero
        made.watch.end()
        return Played(
            self._happening,
            self._round,
            tuple(read_reply(each) for each in said["replies"]),
            tuple(route for route in read_routes(made.request_log(), self._utc_of_zero) if route.begun > -0.1),
            made.sightings(self._zero, self._utc_of_zero),
            self._struck,
            made.executions(self._zero),
            until,
            other_changes(made.node_log()),
            {**lab_troubles(before, made.packets()), **said["troubles"]},
        )
