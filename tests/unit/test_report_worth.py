"""What lines are worth; and the worked example of docs/report.md, reckoned anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.cli.report_worth import (
    CREDITS,
    Credit,
    Return,
    Scored,
    Served,
    Standing,
    credit_share,
    owed,
    returned,
    scored,
    total,
    vendor,
)

MONTH = 30 * 86_400
DOC = (Path(__file__).parents[2] / "docs" / "report.md").read_text().partition("## A worked example")[2]


def rows(first: str) -> dict[str, list[float]]:
    """A table of the example, by its first column, whose heading is `first`."""
    table = DOC[DOC.index(f"| {first} |") :].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    return {each[0]: [float(cell) for cell in each[1:]] for each in cells}


def test_the_documents_example() -> None:
    lines, prices = rows("line"), {"cn2": 8000.0, "cmi": 3000.0}
    due = [
        float(text.replace(",", ""))
        for text in re.findall(r"\*\*([\d,.]+)\*\* are due|= \*\*(\d+)\*\*\.", DOC)[0]
        if text
    ]
    sums = {id: {"observed_seconds": MONTH, "out_seconds": row[0]} for id, row in lines.items()}
    debts = {id: owed(sums[id], MONTH, 1, prices[id], CREDITS) for id in lines}
    assert debts["cn2"].amount == pytest.approx(due[0])
    assert f"{debts['cn2'].availability:.3%}" == "99.800%"
    assert debts["cmi"].amount == pytest.approx(900)
    assert "= **900**" in DOC
    standings = {
        id: Standing(1 - row[0] / MONTH, row[1], row[2], row[3], prices[id] / 100) for id, row in lines.items()
    }
    for id, score in scored(standings).items():
        told = [*vendor([score]).parts.values(), vendor([score]).total]
        assert [round(value, 1) for value in told if value is not None] == rows("vendor")[id.upper()]
    cn2, cmi = (Served(row[4], row[0] / MONTH, 100.0, int(row[5])) for row in lines.values())
    back = returned(cn2, cmi, prices["cn2"], 0.02, MONTH)
    assert back.benefit == pytest.approx(14_400)
    assert back.roi == pytest.approx(0.8)
    assert back.latency_gain == pytest.approx(2 / 3)
    assert back.passes
    assert "**14,400**" in DOC
    assert "**80.0 %**" in DOC


@pytest.mark.parametrize(
    ("availability", "share"), [(1.0, 0.0), (0.999, 0.0), (0.99899, 0.1), (0.99, 0.1), (0.98999, 0.3), (0.0, 0.3)]
)
def test_the_worst_threshold_counts_not_their_sum(availability: float, share: float) -> None:
    assert credit_share(availability, CREDITS) == share


def test_a_month_that_nobody_saw_owes_nothing() -> None:
    debt = owed({"observed_seconds": 0, "out_seconds": 0}, 0.0, 1, None, CREDITS)
    assert (debt.availability, debt.observed, debt.share, debt.amount) == (None, 0.0, 0.0, None)


def test_every_worker_looks() -> None:
    debt = owed({"observed_seconds": 4000, "out_seconds": 400}, 2000.0, 4, 100.0, (Credit(0.95, 0.5),))
    assert (debt.availability, debt.out_seconds, debt.observed, debt.amount) == (0.9, 100.0, 0.5, 50.0)


def test_what_is_unknown_is_left_out_of_a_score() -> None:
    nothing = scored({"a": Standing(None, None, None, None, None)})["a"]
    assert nothing.total is None
    assert set(nothing.parts.values()) == {None}
    only_loss = scored({"a": Standing(None, None, None, 0.01, None), "b": Standing(1.0, 10.0, None, None, None)})
    assert only_loss["a"].total == pytest.approx(50)
    assert only_loss["b"].parts["steadiness"] is None
    assert total({"loss": 0.0, "latency": 100.0}) == pytest.approx(100 * 25 / 45)


def test_a_vendors_marks_are_the_means_of_its_lines() -> None:
    known = dict.fromkeys(("availability", "latency", "loss", "price", "steadiness"))
    one, other = Scored({**known, "loss": 40.0}, 40.0), Scored({**known, "loss": 60.0, "price": 80.0}, 70.0)
    both = vendor([one, other])
    assert (both.parts["loss"], both.parts["price"], both.parts["latency"]) == (50.0, 80.0, None)


def test_a_return_of_what_is_hardly_known() -> None:
    nothing = returned(Served(None, None, None, 0), Served(1.0, 0.1, 10.0, 5), 10.0, 1.0, MONTH)
    assert nothing == Return(None, None, None, None, None)
    assert not nothing.passes
    free = returned(Served(100.0, 0.0, 700.0, 5), Served(110.0, 0.01, 100.0, 5), 0.0, None, MONTH)
    assert free.benefit is None
    assert free.roi is None
    assert free.capacity_gain == pytest.approx(6)
    assert free.passes
    assert returned(Served(100.0, 0.0, None, 5), Served(100.0, 0.03, None, 5), 1.0, None, MONTH).passes
