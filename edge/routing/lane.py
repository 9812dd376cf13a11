"""The paths of one kind of request, ranked: made once per scene and kind, read by every request of that kind.

Order: rank (marks), then relays before direct paths or the other way round, then the line's tier, then cost. Those
that share the first rank, kind and tier are the *front*: from it the first path is taken; all the others follow as
fallbacks.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from edge.config.model import Endpoint
from edge.routing.ask import Ask
from edge.routing.classic import classic_terms
from edge.routing.cost import Candidate, TermRow, best_terms, candidates
from edge.routing.hold import Hold
from edge.routing.scene import LineState, Mark, Scene
from edge.routing.sticky import home
from health.standing import Standing
from transport.path import Path

PINNED = -1  # the rank of a pinned line's paths
NOT_PINNED = Mark.EJECTED | Mark.SUSPECTED | Mark.PROBATION  # a pin holds while its line can be used
_BEARABLE = Mark.SPILL | Mark.AVOIDED

Kind = tuple[str, str, int, frozenset[str] | None, str | None, str | None]


class Refusal(Struct, frozen=True):
    """No path may be taken. `is_forbidden`: by a rule, and waiting doesn't help."""

    is_forbidden: bool
    text: str


class Lane(Struct):
    """Indices are into `found`, costs and rows beside it; `order` holds them best first."""

    scene: Scene
    policy: str
    found: list[Candidate]
    rows: list[tuple[TermRow, ...]]
    costs: list[float]
    ranks: list[int]
    order: list[int]
    front: list[int]  # of those known, if any is
    unknown: list[int]  # of the same rank and tier: explored by a few requests
    trials: list[tuple[str, int]]  # who is on probation, and his best path
    excluded: list[tuple[Path, str]]
    is_hopeless: bool  # no line is known to work
    refusal: Refusal | None
    members: list[int] = field(default_factory=list)  # best, classic: those in use, cheapest first
    shares: list[tuple[str, float]] = field(default_factory=list)  # weighted: who takes turns, beside `members`
    loads: list[int] = field(default_factory=list)  # requests in flight when the view was made, and begun since
    _paths: dict[int, tuple[Path, ...]] = field(default_factory=dict)
    _homes: dict[str, list[int]] = field(default_factory=dict)  # endpoint → its members
    _shares: list[tuple[str, float]] = field(default_factory=list)  # endpoint, weight

    def paths(self, first: int) -> tuple[Path, ...]:
        """All paths, with `first` in front."""
        made = self._paths.get(first)
        if made is None:
            rest = (index for index in self.order if index != first)
            made = self._paths[first] = tuple(self.found[index].path for index in (first, *rest))
        return made

    def at_home(self, conversation: bytes) -> list[int]:
        """The members at the endpoint where the conversation lives."""
        homes = self._homes
        if not homes:
            for index in self.members:
                homes.setdefault(self.found[index].endpoint.id, []).append(index)
            self._shares = [(name, self.found[members[0]].endpoint.weight) for name, members in homes.items()]
        if len(homes) == 1:
            return self.members
        return homes[home(conversation, self._shares)]


def policy_of(scene: Scene, priority: str) -> str:
    """The policy of a priority class: its own, or the node's."""
    routing = scene.snapshot.routing
    return next((each.policy for each in routing.classes if each.priority == priority and each.policy), routing.policy)


def lane_of(scene: Scene, ask: Ask, pinned: str | None, hold: Hold, now: float) -> Lane:
    """The lane of requests like `ask`; `hold` remembers what was in use before."""
    mode = relay_mode(scene, ask.priority)
    pairs, excluded = _pairs(scene, ask, mode)
    policy = policy_of(scene, ask.priority)
    found = candidates(scene, pairs)
    rows = _rows(policy, ask, found)
    costs = [sum([row[3] for row in terms]) for terms in rows]
    ranks = [_rank(scene, each, pinned) for each in found]
    places = _places(mode, found)
    tiers = [
        (0, 0) if rank == PINNED else (place, each.state.line.tier)
        for rank, place, each in zip(ranks, places, found, strict=True)
    ]
    order = sorted(range(len(found)), key=lambda index: (ranks[index], tiers[index], costs[index]))
    first = [index for index in order if (ranks[index], tiers[index]) == (ranks[order[0]], tiers[order[0]])]
    known = [index for index in first if found[index].figures.is_known or policy == "weighted"]
    lane = Lane(
        scene,
        policy,
        found,
        rows,
        costs,
        ranks,
        order,
        front=known or first,
        unknown=[index for index in first if index not in known] if known else [],
        trials=_trials(found, ranks, tiers, order),
        excluded=excluded,
        is_hopeless=all(each.state.health.standing is not Standing.ADMITTED for each in found),
        refusal=None if found else _refusal(scene, ask, excluded),
        loads=[each.health.in_flight for each in found],
    )
    if found:
        _decide(lane, hold, now)
    return lane


def _decide(lane: Lane, hold: Hold, now: float) -> None:
    """Which of the front are in use: one path per line in turns, or those held."""
    found = lane.found
    if lane.policy == "weighted":
        firsts: dict[str, int] = {}
        for index in lane.front:
            firsts.setdefault(found[index].path.way, index)
        lane.members = list(firsts.values())
        shares = [(line, found[index].state.weight) for line, index in firsts.items()]
        are_relays = all(found[index].path.relay is not None for index in lane.front)  # then the nearest, not turns
        if len(shares) > 1 and all(weight > 0 for _, weight in shares) and not are_relays:
            lane.shares = shares
        else:
            del lane.members[1:]
        return
    routing = lane.scene.snapshot.routing
    costs = {found[index].path: lane.costs[index] for index in lane.front}
    held = hold.update(costs, routing.switch_ratio, routing.switch_seconds, now)
    lane.members = [index for index in lane.front if found[index].path in held]


def _pairs(scene: Scene, ask: Ask, mode: str) -> tuple[list[tuple[LineState, Endpoint]], list[tuple[Path, str]]]:
    """What may be used, the chain's first endpoint first, and what may not with the reason. `mode`: of relays."""
    pairs, excluded = [], []
    ways = [*scene.lines.values(), *scene.relays.values()]
    for endpoint in ask.provider.endpoints:
        misplaced = ask.regions is not None and endpoint.region not in ask.regions
        for state in ways:
            reason = state.excluded or _relay_excluded(state, ask, mode)
            if misplaced:
                reason = f"region {endpoint.region or 'unknown'}: only {' '.join(sorted(ask.regions or ()))} allowed"
            elif ask.wanted is not None and state.line.id != ask.wanted:
                reason = f"the request names {ask.wanted}"
            if reason:
                excluded.append((state.path(endpoint.id), reason))
            else:
                pairs.append((state, endpoint))
    return pairs, excluded


def _relay_excluded(state: LineState, ask: Ask, mode: str) -> str:
    """Why a relay isn't for this request; empty: it is, or it is a line."""
    if state.relay is None:
        return ""
    if mode == "off":
        return f"relays are off for {ask.priority} requests"
    allowed = state.providers
    return f"the relay is not for {ask.provider.id}" if allowed and ask.provider.id not in allowed else ""


def relay_mode(scene: Scene, priority: str) -> str:
    """Whether a priority class goes through relays: prefer, equal, fallback or off."""
    routing = scene.snapshot.routing
    return next((each.relay for each in routing.classes if each.priority == priority and each.relay), routing.relay)


_PLACES = {"prefer": (0, 1), "fallback": (1, 0)}


def _places(mode: str, found: Sequence[Candidate]) -> list[int]:
    """Which of the two kinds of ways comes first, among paths of the same rank."""
    through, direct = _PLACES.get(mode, (0, 0))
    return [direct if each.path.relay is None else through for each in found]


def _rows(policy: str, ask: Ask, found: Sequence[Candidate]) -> list[tuple[TermRow, ...]]:
    if policy == "weighted":
        return _chain_terms(ask, found)
    return classic_terms(found) if policy == "classic" else best_terms(ask.priority, ask.size, found)


def _chain_terms(ask: Ask, found: Sequence[Candidate]) -> list[tuple[TermRow, ...]]:
    """Not a cost, an order: the chain's place, then the line's weight, of a relay its distance."""
    places = {endpoint.id: place for place, endpoint in enumerate(ask.provider.endpoints)}
    heaviest = max((each.state.weight for each in found), default=0.0) or 1.0
    return [
        (
            ("place", places[each.endpoint.id], "", float(places[each.endpoint.id])),
            ("line_weight", each.state.weight, "", 0.5 - 0.5 * each.state.weight / heaviest)
            if each.path.relay is None
            else ("rtt", each.figures.rtt or 0.0, "ms", min((each.figures.rtt or 0.0) / 2000.0, 0.5)),
        )
        for each in found
    ]


def _rank(scene: Scene, each: Candidate, pinned: str | None) -> int:
    marks = scene.path_marks(each.path, each.endpoint)
    return PINNED if each.path.way == pinned and not marks & NOT_PINNED else marks


def _trials(
    found: Sequence[Candidate], ranks: Sequence[int], tiers: Sequence[tuple[int, int]], order: Sequence[int]
) -> list[tuple[str, int]]:
    """Whoever is on probation, and nothing worse, behind others that aren't."""
    trials: dict[str, int] = {}
    for index in order:
        better = ranks[order[0]] < Mark.PROBATION
        if better and ranks[index] & ~_BEARABLE == Mark.PROBATION and tiers[index] <= tiers[order[0]]:
            trials.setdefault(_on_probation(found[index]), index)
    return list(trials.items())


def _on_probation(each: Candidate) -> str:
    if each.state.health.standing is Standing.PROBATION:
        return each.path.way
    return each.endpoint.id if each.far_end.standing is Standing.PROBATION else str(each.path)


def _refusal(scene: Scene, ask: Ask, excluded: Sequence[tuple[Path, str]]) -> Refusal:
    if ask.regions is not None and all(endpoint.region not in ask.regions for endpoint in ask.provider.endpoints):
        allowed = " ".join(sorted(ask.regions)) or "none"
        return Refusal(True, f"no endpoint of {ask.provider.id} is in a region allowed here ({allowed})")
    lines = [ask.wanted] if ask.wanted is not None else list(scene.lines)
    told = ", ".join(f"{line} is {scene.lines[line].excluded}" for line in lines)
    return Refusal(False, f"no line takes new requests: {told}")
