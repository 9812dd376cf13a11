"""The fuzz targets of tests.fuzz.session, for a few seeds; and plain noise."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.session import try_core, try_parser
from tests.fuzz.session_records import attempt
from transport.session.wire import ELICITING, FORMAT, WireError, decode, encode, encode_header


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 32))
def test_packets_are_accepted_or_refused(seed: int) -> None:
    try_parser(Random(seed))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_a_core_takes_anything(seed: int) -> None:
    try_core(Random(seed))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 32))
def test_records_are_read_or_refused_however_they_are_cut(seed: int) -> None:
    attempt(seed)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_noise(data: bytes) -> None:
    try:
        low, is_eliciting, frames = decode(bytes((FORMAT | ELICITING,)) + data)
    except WireError:
        return
    assert decode(encode_header(low, is_eliciting) + b"".join(map(encode, frames))) == (low, is_eliciting, frames)
