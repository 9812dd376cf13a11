from __future__ import annotations

import pytest

from health.first_bytes import FirstBytes
from transport.path import Path

PATH, OTHER = Path("cn2", "openai"), Path("cu2", "openai")


def test_quantiles_per_path_and_model() -> None:
    first_bytes = FirstBytes()
    for number in range(10):
        first_bytes.add(PATH, "gpt-4.1", 0.5, float(number))
        first_bytes.add(OTHER, "gpt-4.1", 0.9, float(number))
    assert first_bytes.quantile(PATH, "gpt-4.1", 0.5, 10.0) == pytest.approx(0.5, rel=0.03)
    assert first_bytes.quantile(OTHER, "gpt-4.1", 0.95, 10.0) == pytest.approx(0.9, rel=0.03)
    assert first_bytes.quantile(PATH, "o3", 0.5, 10.0) is None
    assert first_bytes.quantile(PATH, "gpt-4.1", 0.5, 10.0, least=50) is None


def test_clients_cannot_fill_the_memory() -> None:
    first_bytes = FirstBytes(most=3)
    first_bytes.add(PATH, "used", 0.5, 0.0)
    for number in range(10):
        first_bytes.add(PATH, f"model-{number}", 0.5, 0.0)
        first_bytes.add(PATH, "used", 0.5, 0.0)
    assert len(first_bytes) == 3
    assert first_bytes.quantile(PATH, "used", 0.5, 0.0) is not None


def test_removed_lines_are_forgotten() -> None:
    first_bytes = FirstBytes()
    first_bytes.add(PATH, "a", 0.5, 0.0)
    first_bytes.add(OTHER, "a", 0.5, 0.0)
    first_bytes.forget({"cu2"})
    assert len(first_bytes) == 1
