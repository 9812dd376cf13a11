"""What requests cost by a dated table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cache.entry import Spent
from edge.config.model import Price
from edge.config.read import read
from edge.dialects.facts import Facts, Usage
from edge.history.cell import Cell
from edge.history.recorder import Recorder
from edge.history.series import summary
from edge.observe import prices as module
from edge.observe.prices import NO_COSTS, Costs, Prices, cost
from edge.observe.record import RequestRecord

SHANGHAI = ZoneInfo("Asia/Shanghai")
TABLE = (
    Price("gpt-*", 9.0, 9.0),
    Price("gpt-4.1*", 2.0, 8.0, 0.5),
    Price("gpt-4.1", 3.0, 12.0, 1.0, "2026-11-22"),
    Price("gpt-4.1", 4.0, 16.0),
)
NOW = datetime(2026, 11, 22, 12, tzinfo=SHANGHAI).timestamp()


def record(model: str | None = "gpt-4.1", **more: Any) -> RequestRecord:
    facts = Facts("chat", model=model) if model is not None else None
    return RequestRecord("r", 1.0, "p", "POST", "/", principal="app", facts=facts, status=200, ended_at=2.0, **more)


@pytest.mark.parametrize(
    ("model", "hour", "found"),
    [
        ("gpt-4.1", 0, TABLE[2]),
        ("gpt-4.1", -1, TABLE[3]),
        ("gpt-4.1-mini", 0, TABLE[1]),
        ("gpt-5", 0, TABLE[0]),
        ("o4", 0, None),
    ],
)
def test_the_name_then_the_longest_beginning_then_the_latest_day(model: str, hour: int, found: Price | None) -> None:
    midnight = datetime(2026, 11, 22, tzinfo=SHANGHAI).timestamp()
    for table in (TABLE, TABLE[::-1]):
        prices = Prices(table, SHANGHAI)
        assert prices.price(model, midnight + 3600 * hour) == found
        assert prices.price(model, midnight + 3600 * hour) == found  # remembered


def test_cached_input_is_a_part_of_the_input() -> None:
    assert cost(TABLE[1], Usage(1_000_000, 500_000, 400_000)) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.5 * 8)
    assert cost(TABLE[3], Usage(1_000_000, None, 400_000)) == pytest.approx(4)
    assert cost(TABLE[3], Usage()) == 0
    assert cost(TABLE[1], Spent(1_000_000, 1_000_000)) == pytest.approx(10)


def test_what_a_request_cost_or_saved() -> None:
    prices = Prices(TABLE, SHANGHAI)
    assert prices.of(record(usage=Usage(1000, 1000)), NOW) == Costs(pytest.approx(0.015))
    assert prices.of(record(saved=Spent(1000, 1000)), NOW) == Costs(saved=pytest.approx(0.015))
    assert prices.of(record(), NOW) is NO_COSTS
    assert prices.of(record("o4", usage=Usage(1)), NOW) == Costs(unpriced=True)
    assert prices.of(record(None, usage=Usage(1)), NOW) == Costs(unpriced=True)
    assert Prices((), UTC).of(record(usage=Usage(1)), NOW) is NO_COSTS


def test_models_without_end_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MODELS", 2)
    prices = Prices(TABLE, UTC)
    assert [prices.price(f"gpt-{number}", NOW) for number in range(5)] == [TABLE[0]] * 5


def test_costs_are_in_the_history_of_keys() -> None:
    recorder = Recorder()
    recorder.request(record(usage=Usage(1000, 1000)), Costs(0.015, 0.5))
    recorder.request(record(usage=Usage(1)), Costs(unpriced=True))
    recorder.request(record(usage=Usage(1)))
    cells = recorder.take()
    total = Cell()
    total.join(cells["keys:app"])
    told = summary([total])
    assert (told["spent"], told["saved"], told["unpriced"]) == (0.015, 0.5, 1)
    assert cells["node"].spent == 0.015


def test_the_files_table() -> None:
    row = '[[price]]\nmodel = "a*"\ninput_per_million = 1\noutput_per_million = 2\n'
    text = f'{row}since = 2026-11-22\n{row}since = "2026-12-01"\ncached_per_million = 0.1\n'
    snapshot = read(text, {}, lambda name: b"").snapshot
    assert snapshot is not None
    assert snapshot.prices == (Price("a*", 1, 2, None, "2026-11-22"), Price("a*", 1, 2, 0.1, "2026-12-01"))
    for wrong in ('since = "soon"', "since = 7", "since = 2026-11-22T00:00:00"):
        (fault,) = read(row + wrong, {}, lambda name: b"").faults
        assert "is no day; expected 2026-11-22" in str(fault)
    (one, other) = read('[[price]]\nmodel = "a"\n', {}, lambda name: b"").faults
    assert "input_per_million is missing" in str(one)
    assert "output_per_million" in str(other)
