"""What an edge may use: requests at once, bytes a day."""

from __future__ import annotations

import pytest

from edge.config.model import EdgePeer
from edge.relay.quotas import Quotas


def quotas(**fields: float) -> Quotas:
    made = Quotas()
    made.configure([EdgePeer("bj", "", **fields), EdgePeer("sh", "")], 3)  # type: ignore[arg-type]  # a number each
    return made


def test_requests_at_once_per_edge_and_in_all() -> None:
    made = quotas(max_streams=2)
    assert [made.take("bj", 0.0) for _ in range(2)] == [None, None]
    assert made.take("bj", 0.0) == "more than 2 requests of this edge at once"
    assert made.take("sh", 0.0) is None
    assert made.take("sh", 0.0) == "more than 3 requests at once"
    made.give_back("bj", 10, 0.0)
    assert made.take("sh", 0.0) is None


def test_an_edge_that_is_gone_from_the_configuration() -> None:
    made = quotas()
    assert made.take("gz", 0.0) == "this edge is no longer configured here"
    made.take("bj", 0.0)
    made.configure([], 3)
    made.give_back("bj", 5, 1.0)
    assert made.spent("bj", 100.0) == 5


def test_bytes_flow_back_evenly_over_a_day() -> None:
    made = quotas(max_gb_per_day=1.0)
    assert made.take("bj", 0.0) is None
    made.give_back("bj", 1_500_000_000, 0.0)
    assert made.take("bj", 0.0) == "more than 1 GB in a day"
    assert made.take("bj", 43_000.0) is not None
    assert made.take("bj", 43_300.0) is None
    assert made.spent("bj", 86_400.0) == pytest.approx(0.5e9)
    assert made.spent("bj", 200_000.0) == 0
