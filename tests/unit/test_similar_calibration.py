"""Precision with its bounds, and no recommendation without support."""

from __future__ import annotations

import pytest

from cache.similar.calibration import Row, Trial, recommended, row, rows, wilson
from cache.similar.logs import (
    Asked,
    BadLine,
    Known,
    Pair,
    known,
    normalised_trials,
    parse,
    texts_of,
    trials,
)
from cache.similar.vectors import cosines, lexical

RIGHT = Trial(0.9, True, True)
WRONG = Trial(0.8, False, True)
MISS = Trial(None, False, True)


def test_wilson() -> None:
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_a_row() -> None:
    found = row([RIGHT, RIGHT, WRONG, MISS], 0.7)
    assert (found.asked, found.answered, found.wrong) == (4, 3, 1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(0.5)
    assert row([RIGHT, WRONG], 0.85).precision == 1.0
    assert row([], 0.5) == Row(0.5, 0, 0, 0, None, None, None, None)


def test_few_right_answers_support_nothing() -> None:
    assert recommended(rows([RIGHT] * 764)) is None
    found = recommended(rows([RIGHT] * 765))
    assert found is not None
    assert found.threshold == 0.2


def test_the_lowest_threshold_that_is_good() -> None:
    found = recommended(rows([RIGHT] * 1000 + [WRONG] * 20))
    assert found is not None
    assert found.threshold == 0.81
    assert recommended(rows([Trial(0.95, False, True)] * 20 + [RIGHT] * 1000)) is None
    assert recommended([Row(0.5, 0, 0, 0, None, None, None, None)]) is None


def test_lines() -> None:
    assert parse(['{"a": "x", "b": "y", "same": true}', ""]) == [Pair("x", "y", True)]
    log = parse(['{"question": "x", "answer": "y"}', '{"question": "x", "label": "l", "scope": "s"}'])
    assert log == [Asked("x", "y"), Asked("x", None, "l", "s")]
    assert texts_of(log) == ["x"]
    assert texts_of([Pair("x", "y", True)]) == ["x", "y"]
    assert parse([]) == []


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["{"], "line 1: "),
        (['{"question": "x"}'], "line 1: neither an answer nor a label"),
        (["", '{"question": 1, "answer": ""}'], "line 2: "),
        (['{"a": "x", "b": "y", "same": 3}'], "line 1: "),
        (['{"a": "x", "b": "y", "same": true}', '{"question": "x", "label": "y"}'], "judged pairs and questions"),
    ],
)
def test_bad_lines(lines: list[str], why: str) -> None:
    with pytest.raises(BadLine) as error:
        parse(lines)
    assert error.value.args[0].startswith(why)


def of(*texts: str) -> dict[str, Known]:
    return {text: known(text, lexical(text)) for text in texts}


def test_pairs_as_trials() -> None:
    pairs = [
        Pair("怎么退款?", "怎么退款", True),
        Pair("怎么退款", "如何退款", True),
        Pair("怎么退款", "怎么退货", False),
    ]
    by_text = of(*texts_of(pairs), "say x")
    assert normalised_trials(pairs, by_text) == [
        Trial(1.0, True, True),
        Trial(None, True, True),
        Trial(None, False, False),
    ]
    found = trials(pairs, by_text, cosines)
    assert [trial.similarity is None for trial in found] == [False, False, True]
    quoting = Pair("say x", "怎么退款", False)
    assert trials([quoting], by_text, cosines) == [Trial(None, False, False)]
    assert normalised_trials([quoting], by_text) == [Trial(None, False, False)]


def test_a_log_as_trials() -> None:
    log = [
        Asked("怎么退款", "A"),
        Asked("如何退款", "A"),
        Asked("怎么退款?", "A"),
        Asked("怎么退款!", "B"),
        Asked("怎么退款", "A", scope="other"),
        Asked("怎么退货", "C"),
    ]
    by_text = of(*texts_of(log))
    found = trials(log, by_text, cosines)
    assert [(trial.similarity is not None, trial.is_right, trial.could) for trial in found] == [
        (False, False, False),
        (True, True, True),
        (True, True, True),
        (True, False, False),
        (False, False, False),
        (False, False, False),
    ]
    plain = normalised_trials(log, by_text)
    assert [(trial.similarity, trial.is_right) for trial in plain] == [
        (None, False),
        (None, False),
        (1.0, True),
        (1.0, False),
        (None, False),
        (None, False),
    ]
