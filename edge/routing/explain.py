"""Why: a choice, told in full. Pure and deterministic: nothing is worked out anew, the choice kept it all."""

from __future__ import annotations

from edge.routing.chooser import Choice
from edge.routing.lane import PINNED, Lane
from edge.routing.ranking import Ranked, Ranking, Term
from edge.routing.scene import Mark, usable

_HOW = {
    "turn": "its turn by weight",
    "sticky": "sticky: the endpoint where this conversation lives",
    "trial": "trial: one request a second tries what is on probation",
    "exploring": "exploring: nothing has been measured there yet",
}


def explain(choice: Choice) -> Ranking:
    """Every path with its terms, in the order in which it was to be tried, and those that might not be."""
    lane = choice.lane
    indices = {each.path: index for index, each in enumerate(lane.found)}
    return Ranking(
        policy=lane.policy,
        paths=tuple(_ranked(lane, indices[path]) for path in choice.paths),
        excluded=tuple(Ranked(path, None, note=reason) for path, reason in lane.excluded),
        decided_at=choice.at,
        note="; ".join(_notes(choice)),
    )


def _ranked(lane: Lane, index: int) -> Ranked:
    cost = None if lane.policy == "weighted" else round(lane.costs[index], 3)
    terms = tuple(Term(name, round(value, 6), unit, round(part, 3)) for name, value, unit, part in lane.rows[index])
    if cost is None:
        terms = tuple(Term(term.name, term.value, term.unit, 0.0) for term in terms)
    return Ranked(lane.found[index].path, cost, terms, "; ".join(_path_notes(lane, index)))


def _path_notes(lane: Lane, index: int) -> list[str]:
    each, rank = lane.found[index], lane.ranks[index]
    notes = ["pinned by operators"] if rank == PINNED else _mark_notes(lane, index)
    if each.path.relay is not None:
        notes.append("over " + " and ".join(usable(each.path.line.split("+"), lane.scene.lines, lane.scene.view)))
    if each.state.line.tier > 1:
        notes.append(f"tier {each.state.line.tier}")
    if not each.figures.is_known and lane.policy != "weighted":
        notes.append("not measured yet: figures are the others' median")
    if index in lane.members and len(lane.members) > 1:
        notes.append("takes turns" if lane.shares else "in use, among equals")
    return notes


def _mark_notes(lane: Lane, index: int) -> list[str]:
    each, marks = lane.found[index], lane.ranks[index]
    line, far_end = each.state.health, each.far_end
    reason = line.reason or each.health.reason or far_end.reason
    why = f": {reason}" if reason else ""
    notes = {
        Mark.EJECTED: f"ejected{why}",
        Mark.SUSPECTED: f"suspected{': ' + line.reason if line.reason else ''}",
        Mark.PENALISED: "its endpoint asked for less traffic",
        Mark.SPARE: "weight 0",
        Mark.PROBATION: f"on probation{why}",
        Mark.AVOIDED: "avoided at this hour",
        Mark.SPILL: f"at {100 * (each.state.use or 0.0):.0f} % of its capacity",
    }
    return [text for mark, text in notes.items() if mark & marks]


def _notes(choice: Choice) -> list[str]:
    lane = choice.lane
    notes = [_HOW[choice.how]] if choice.how else []
    if lane.scene.view.is_panic:
        notes.append("panic: too much is ejected to believe it, the least bad is used")
    if lane.refusal is not None:
        notes.append(lane.refusal.text)
    return notes


def as_document(ranking: Ranking) -> dict[str, object]:
    """JSON-ready."""
    return {
        "policy": ranking.policy,
        "note": ranking.note,
        "decided_at": ranking.decided_at,
        "paths": [_document(ranked) for ranked in ranking.paths],
        "excluded": [_document(ranked) for ranked in ranking.excluded],
    }


def _document(ranked: Ranked) -> dict[str, object]:
    return {
        "path": str(ranked.path),
        "line": ranked.path.line,
        "relay": ranked.path.relay,
        "endpoint": ranked.path.endpoint,
        "cost": ranked.cost,
        "terms": [
            {"name": term.name, "value": term.value, "unit": term.unit, "cost": term.cost} for term in ranked.terms
        ],
        "note": ranked.note,
    }
