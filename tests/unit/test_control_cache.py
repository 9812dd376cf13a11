from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from cache.aio.store import StoreStats
from cache.entry import Spent
from cache.purge import Purge
from edge.control.cache import cache_document, caches_together, purge_of
from edge.control.changes import Refused
from edge.dialects.facts import Facts
from edge.observe.metrics import Metrics
from edge.observe.record import RequestRecord
from edge.observe.stores import StoreMetrics

DIGEST = "ab" * 32
STORES = (StoreStats("memory", 3, 1000, 2000, 1), StoreStats("redis", None, 5000, None, None, 4, False))


def record(cache: str, reason: str = "", saved: Spent | None = None) -> RequestRecord:
    made = RequestRecord("r", 1.0, "p", "POST", "/x", cache=cache, cache_reason=reason, saved=saved)
    made.facts, made.status, made.ended_at = Facts("chat"), 200, 2.0
    return made


def metrics() -> Metrics:
    made = Metrics()
    for one in (
        record("hit", saved=Spent(5, 7, None, 2, 1.5)),
        record("coalesced", saved=Spent(5, 7)),
        record("miss", "stored"),
        record("miss", "truncated"),
        record("bypass", "not deterministic"),
    ):
        made.count(one)
    return made


def test_what_requests_count() -> None:
    text = generate_latest(metrics().registry).decode()
    for line in (
        'farline_cache_events_total{result="hit"} 1.0',
        'farline_cache_reasons_total{reason="stored",result="miss"} 1.0',
        'farline_cache_reasons_total{reason="not deterministic",result="bypass"} 1.0',
        'farline_cache_saved_tokens_total{kind="output"} 14.0',
        "farline_cache_saved_seconds_total 1.5",
    ):
        assert line in text
    assert "farline_tokens_total{" not in text  # nobody was asked for them


def test_stores_as_metrics() -> None:
    registry = CollectorRegistry()
    registry.register(StoreMetrics(lambda: STORES, lambda: 2))
    text = generate_latest(registry).decode()
    assert "farline_cache_flights 2.0" in text
    assert 'farline_cache_entries{store="memory"} 3.0' in text and 'entries{store="redis"}' not in text
    assert 'farline_cache_store_admitted{store="redis"} 0.0' in text
    assert 'farline_cache_store_faults_total{store="redis"} 4.0' in text


def test_workers_together() -> None:
    one = cache_document("memory", STORES, 1, metrics())
    two = cache_document("memory", STORES[:1], 2, Metrics())
    told = caches_together({1: two, 0: one})
    assert told["workers"] == [0, 1] and told["flights"] == 3
    assert [(store["name"], store["worker"]) for store in told["stores"]] == [
        ("memory", 0),
        ("redis", 0),
        ("memory", 1),
    ]
    assert told["events"] == {"hit": 1, "normalised": 0, "semantic": 0, "coalesced": 1, "miss": 2, "bypass": 1}
    assert told["reasons"] == {"miss: stored": 1, "miss: truncated": 1, "bypass: not deterministic": 1}
    assert told["saved"] == {"tokens": {"input": 10, "output": 14, "cached": 0, "reasoning": 2}, "seconds": 1.5}


@pytest.mark.parametrize(
    ("document", "purge"),
    [
        ({"all": True}, Purge()),
        ({"model": "m", "tenant": "*"}, Purge(model="m", tenant="*")),
        ({"prefix": "openai/"}, Purge(prefix="openai/")),
        ({"key": DIGEST}, Purge(digest=bytes.fromhex(DIGEST))),
        ({"key": f"openai/org/m/{DIGEST}"}, Purge(digest=bytes.fromhex(DIGEST))),
    ],
)
def test_what_is_to_go(document: dict[str, Any], purge: Purge) -> None:
    assert purge_of(document) == purge


@pytest.mark.parametrize(
    "document",
    [{}, {"all": False}, {"all": True, "model": "m"}, {"modle": "m"}, {"model": ""}, {"model": 1}, {"key": "ab"}],
)
def test_what_makes_no_sense(document: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        purge_of(document)
