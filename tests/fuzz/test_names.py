"""The fuzz target of tests.fuzz.names, for a few seeds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.names import attempt


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 32))
def test_queries_are_answered_or_refused(seed: int) -> None:
    attempt(seed)
