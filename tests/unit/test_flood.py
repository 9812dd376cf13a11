"""transport.flood: how many frames of no use are too many."""

from __future__ import annotations

from transport.flood import FloodGate


def test_counts_within_a_window_and_forgets() -> None:
    gate = FloodGate(limit=3, window=10.0)
    assert [gate.admit(100.0 + second) for second in range(5)] == [True, True, True, False, False]
    assert gate.admit(110.0)
