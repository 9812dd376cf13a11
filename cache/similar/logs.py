"""An operator's own questions, one JSON object a line, as trials for `calibration`.

Two kinds of lines, not mixed:

    {"a": "…", "b": "…", "same": true}            a pair, judged by somebody
    {"question": "…", "answer": "…"}              in the order in which they were asked

In the second kind, `label` instead of `answer` says which questions have the same answer, and `scope` (the name
of a system prompt, say) parts those that never answer each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from cache.similar.calibration import Trial
from cache.similar.guards import Features, disagreement, features
from cache.similar.normal import NotPlain, spaced, trimmed
from cache.similar.vectors import Score


class BadLine(ValueError):
    """`args[0]` says which line is wrong, and why."""


class Pair(Struct, frozen=True, forbid_unknown_fields=False):
    a: str
    b: str
    same: bool


class Asked(Struct, frozen=True):
    question: str
    answer: str | None = None
    label: str | None = None
    scope: str = ""

    @property
    def meaning(self) -> str:
        """What its right answers have in common."""
        return f"label {self.label}" if self.label is not None else "answer " + " ".join((self.answer or "").split())


class Known(Struct, frozen=True):
    """A question as far as it can be compared; `text` and `features` are None for one without a normal form."""

    text: str | None
    features: Features | None
    vector: bytes


def parse(lines: Iterable[str]) -> list[Pair] | list[Asked]:
    """Raises BadLine."""
    pairs: list[Pair] = []
    asked: list[Asked] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            if '"same"' in line:
                pairs.append(msgspec.json.decode(line, type=Pair))
            else:
                asked.append(_asked(line))
        except (msgspec.MsgspecError, ValueError) as why:
            raise BadLine(f"line {number}: {why}") from None
    if pairs and asked:
        raise BadLine("judged pairs and questions in one file")
    return pairs or asked


def _asked(line: str) -> Asked:
    asked = msgspec.json.decode(line, type=Asked)
    if asked.answer is None and asked.label is None:
        raise ValueError("neither an answer nor a label")
    return asked


def texts_of(lines: Sequence[Pair] | Sequence[Asked]) -> list[str]:
    """All texts that need a vector, each once."""
    every = [text for line in lines for text in ((line.a, line.b) if isinstance(line, Pair) else (line.question,))]
    return list(dict.fromkeys(every))


def known(text: str, vector: bytes) -> Known:
    try:
        usual = trimmed(text)
        return Known(spaced(usual), features(usual), vector)
    except NotPlain:
        return Known(None, None, vector)


def is_normalised(one: Known, other: Known) -> bool:
    """Would normalised matching take one for the other?"""
    return one.text is not None and one.text == other.text and one.features == other.features


def agrees(one: Known, other: Known) -> bool:
    """Do the guards let one answer the other?"""
    if one.features is None or other.features is None:
        return False
    return disagreement(one.features, other.features) is None


def trials(lines: Sequence[Pair] | Sequence[Asked], by_text: dict[str, Known], score: Score) -> list[Trial]:
    """What semantic matching would have done; `by_text` has all of `texts_of`."""
    pairs = [line for line in lines if isinstance(line, Pair)]
    if pairs:
        return [_of_pair(by_text[pair.a], by_text[pair.b], pair.same, score) for pair in pairs]
    return list(_of_log([line for line in lines if isinstance(line, Asked)], by_text, score))


def normalised_trials(lines: Sequence[Pair] | Sequence[Asked], by_text: dict[str, Known]) -> list[Trial]:
    """The same for normalised matching, where similarity is 1 or nothing."""

    def of(one: Known, others: Sequence[Known]) -> list[float]:
        return [float(is_normalised(one, other)) for other in others]

    found = []
    earlier: dict[str, list[Asked]] = {}
    for line in lines:
        if isinstance(line, Pair):
            is_same = of(by_text[line.a], [by_text[line.b]]) == [1.0]
            found.append(Trial(1.0 if is_same else None, line.same, line.same))
            continue
        before = earlier.setdefault(line.scope, [])
        same = [other for other in before if is_normalised(by_text[line.question], by_text[other.question])]
        could = any(other.meaning == line.meaning for other in before)
        found.append(Trial(1.0 if same else None, bool(same) and same[-1].meaning == line.meaning, could))
        before.append(line)
    return found


def _of_pair(one: Known, other: Known, is_same: bool, score: Score) -> Trial:
    similarity = _similarities(one, [other], score)[0] if agrees(one, other) else None
    return Trial(similarity, is_same, is_same)


def _similarities(one: Known, others: Sequence[Known], score: Score) -> list[float]:
    """Questions that normalised matching finds have nothing to do with the embedder."""
    scores = score(one.vector, [other.vector for other in others])
    return [1.0 if one.text == other.text else min(1.0, each) for each, other in zip(scores, others, strict=True)]


def _of_log(asked: Sequence[Asked], by_text: dict[str, Known], score: Score) -> Iterator[Trial]:
    """Each question against those before it: the nearest that passes the guards would have answered."""
    earlier: dict[str, dict[str, str]] = {}
    for line in asked:
        before = earlier.setdefault(line.scope, {})
        mine = by_text[line.question]
        passing = [text for text in before if agrees(mine, by_text[text])]
        scores = _similarities(mine, [by_text[text] for text in passing], score)
        nearest = max(zip(scores, passing, strict=True), default=None)
        could = line.meaning in before.values()
        yield Trial(nearest[0] if nearest else None, nearest is not None and before[nearest[1]] == line.meaning, could)
        before[line.question] = line.meaning
