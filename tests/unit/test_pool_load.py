"""What the engines tell, in their own words, and in broken ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pool.load import UNKNOWN, Load, Served, context_from_props, from_metrics, from_models, from_slots
from tests.support.engine import METRICS


@pytest.mark.parametrize("kind", METRICS)
def test_each_engines_metrics(kind: str) -> None:
    text = METRICS[kind].format(model='a {"b"} c', running=3, waiting=2, cache=0.5)
    assert from_metrics(text) == Load(3, 2, None if kind == "llama.cpp" else 0.5)


def test_older_names_and_several_engines() -> None:
    text = (
        'vllm:num_requests_running{engine="0"} 3.0\nvllm:num_requests_running{engine="1"} 4.0 1700000000000\n'
        'vllm:gpu_cache_usage_perc{engine="0"} 0.2\nvllm:gpu_cache_usage_perc{engine="1"} 1.7\n'
    )
    assert from_metrics(text) == Load(7, None, 1.0)


@pytest.mark.parametrize(
    "text", ["", "nothing\n", "vllm:num_requests_running\n", "vllm:num_requests_running x\n",
             "vllm:num_requests_running NaN\n", "vllm:num_requests_running{a} -1\n", "vllm:num_requests_running{"],
)  # fmt: skip
def test_what_says_nothing_is_unknown(text: str) -> None:
    assert from_metrics(text) == UNKNOWN


def test_slots() -> None:
    assert from_slots(b'[{"is_processing": true}, {"is_processing": false}, 3]') == Load(running=1)
    assert from_slots(b'{"error": 1}') == UNKNOWN


def test_models() -> None:
    listed = {"data": [{"id": "a", "max_model_len": 8192}, {"id": "b", "max_model_len": 4096}, {"id": 3}, 4]}
    assert from_models(json.dumps(listed).encode()) == Served(("a", "b"), 4096)
    assert from_models(b'{"data": [{"id": "a", "max_model_len": true}]}') == Served(("a",), None)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": 3}', b"{" * 100_000])
def test_models_in_no_known_shape(body: bytes) -> None:
    assert from_models(body) == Served()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"default_generation_settings": {"n_ctx": 2048}}', 2048),
        (b'{"default_generation_settings": {"n_ctx": 0}}', None),
        (b'{"default_generation_settings": 1}', None),
        (b"[]", None),
    ],
)
def test_props(body: bytes, expected: int | None) -> None:
    assert context_from_props(body) == expected


@given(st.text(), st.binary())
def test_nothing_raises(text: str, body: bytes) -> None:
    from_metrics("vllm:num_requests_running" + text)
    from_models(body)
    from_slots(body)
    context_from_props(body)
