"""Why a request went where it went: as codes with arguments, and from them in an English sentence or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.control.reasons import Part, parts

SENTENCES = {
    "unchosen": "No path was chosen.",
    "chosen": "{path} was chosen by policy {policy}",
    "noted": " ({note})",
    "cost": " at a cost of {ms} ms",
    "next": "; next was {path} at {ms} ms",
    "cheaper": "; {path} costs less now, {ms} ms, and takes over if that lasts",
    "mostly": ", mostly for its {term} (+{ms} ms)",
    "unusable": "; {n} could not be used",
    "end": ".",
    "unsent": " Nothing was sent: {why}.",
    "failed": " It failed: {why}.",
    "elsewhere": " It was answered over {path}.",
    "elsewhere_after": " It was answered over {path} after {failed} failed ({why}).",
    "cut": " The reply was cut: {why}.",
}
"""Each begins with what joins it to those before it."""
_REASONS = ("why", "note")  # arguments that are reasons themselves


def why_parts(request: Mapping[str, Any], ranking: Mapping[str, Any] | None) -> list[Part]:
    """`request`: its document. Reasons among the arguments come as parts, too: `why_parts` beside `why`."""
    return [_part(*each) for each in _told(request, ranking)]


def sentence(request: Mapping[str, Any], ranking: Mapping[str, Any] | None) -> str:
    """The same in English."""
    return "".join(SENTENCES[code].format(**args) for code, args in _told(request, ranking))


def _part(code: str, args: dict[str, Any]) -> Part:
    return {"code": code, "args": {**args, **{f"{name}_parts": parts(args[name]) for name in _REASONS if name in args}}}


def _told(request: Mapping[str, Any], ranking: Mapping[str, Any] | None) -> list[tuple[str, dict[str, Any]]]:
    if ranking is None or not ranking.get("paths"):
        return [("unchosen", {}), *_outcome(request)]
    best, others = ranking["paths"][0], ranking["paths"][1:]
    told: list[tuple[str, dict[str, Any]]] = [("chosen", {"path": best["path"], "policy": ranking["policy"]})]
    if ranking.get("note"):
        told.append(("noted", {"note": ranking["note"]}))
    if best.get("cost") is not None:
        told.append(("cost", {"ms": f"{best['cost']:.1f}"}))
        priced = next((other for other in others if other.get("cost") is not None), None)
        if priced is not None:
            told += _next(best, priced)
    if ranking.get("excluded"):
        told.append(("unusable", {"n": len(ranking["excluded"])}))
    return [*told, ("end", {}), *_outcome(request, best["path"])]


def _next(best: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Traffic stays where it is until another path has been cheaper for a while (`edge.routing.hold`)."""
    args = {"path": other["path"], "ms": f"{other['cost']:.1f}"}
    if other["cost"] >= best["cost"]:
        return [("next", args), *_difference(best, other)]
    return [("next", args), ("noted", {"note": other["note"]})] if other["note"] else [("cheaper", args)]


def _difference(best: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The term that most of the difference is owed to."""
    costs = {term["name"]: term["cost"] for term in best["terms"]}
    more = {term["name"]: term["cost"] - costs.get(term["name"], 0.0) for term in other["terms"]}
    name = max(more, key=lambda each: more[each], default=None)
    return [("mostly", {"term": name, "ms": f"{more[name]:.1f}"})] if name is not None and more[name] > 0 else []


def _outcome(request: Mapping[str, Any], chosen: str = "") -> list[tuple[str, dict[str, Any]]]:
    """What came of it, if that isn't what was chosen."""
    failure = request["failure"]
    if request["path"] is None:
        why = request["detail"] or failure
        return [("failed" if request["attempts"] else "unsent", {"why": why})] if why else []
    if chosen and request["path"] != chosen:
        failed = [each for each in request["attempts"] if each["code"]]
        if not failed:
            return [("elsewhere", {"path": request["path"]})]
        last = failed[-1]
        return [("elsewhere_after", {"path": request["path"], "failed": last["path"], "why": last["code"]})]
    return [("cut", {"why": failure})] if failure else []
