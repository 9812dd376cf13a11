"""transport.http3: the GOAWAY tap."""

from __future__ import annotations

import itertools

import pytest
from aioquic._buffer import BufferReadError
from aioquic.h3.connection import FrameType, encode_frame
from hypothesis import given
from hypothesis import strategies as st

from transport.http3 import GoawayTap

CONTROL = b"\x00"
STREAM = (
    CONTROL
    + encode_frame(FrameType.SETTINGS, b"\x01\x00")
    + encode_frame(0x21, bytes(300))
    + encode_frame(FrameType.GOAWAY, b"\x48\x00")
    + encode_frame(0x21, b"")
    + encode_frame(FrameType.GOAWAY, b"\x40\x80")
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_finds_goaway_however_the_stream_is_cut(cuts: list[int]) -> None:
    tap = GoawayTap()
    places = [0, *sorted(cuts), len(STREAM)]
    found = [tap.feed(STREAM[start:end]) for start, end in itertools.pairwise(places)]
    ids = [one for one in found if one is not None]
    assert ids[-1] == 0x80
    assert set(ids) <= {0x800, 0x80}


def test_other_streams_are_ignored() -> None:
    tap = GoawayTap()
    assert tap.feed(b"\x02" + STREAM) is None
    assert tap.feed(STREAM) is None


@pytest.mark.parametrize("payload", [b"", b"\xc0"])
def test_a_goaway_without_an_integer(payload: bytes) -> None:
    tap = GoawayTap()
    with pytest.raises(BufferReadError):
        tap.feed(CONTROL + encode_frame(FrameType.GOAWAY, payload))
