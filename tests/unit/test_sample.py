"""What TCP_INFO means, and what is remembered between two looks at a connection."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from transport.sample import STALE, TCP_INFO_BYTES, Reading, Tally, tcp_reading


def info(**fields: int) -> bytes:
    """A `struct tcp_info` (linux/tcp.h) with these fields."""
    data = bytearray(232)
    for name, value in fields.items():
        offset, layout = {
            "backoff": (4, "B"), "flags": (7, "B"), "unacked": (24, "I"), "last_data_sent": (44, "I"),
            "last_ack_recv": (56, "I"), "rtt": (68, "I"), "rttvar": (72, "I"), "total_retrans": (100, "I"),
            "data_segs_in": (152, "I"), "data_segs_out": (156, "I"), "delivery_rate": (160, "Q"),
            "rcv_ooopack": (224, "I"),
        }[name]  # fmt: skip
        struct.pack_into("=" + layout, data, offset, value)
    return bytes(data)


def reading(**changes: Any) -> Reading:
    made = Reading(0.1, 0.01, 0, 0, 0.0, 0, 0, 0.0, 0.0)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_tcp_info_is_read_field_by_field() -> None:
    read = tcp_reading(
        info(backoff=2, flags=1, unacked=3, last_data_sent=400, last_ack_recv=900, rtt=170_000, rttvar=8_000,
             total_retrans=5, data_segs_in=70, data_segs_out=60, delivery_rate=125_000, rcv_ooopack=4)
    )  # fmt: skip
    assert read == Reading(0.17, 0.008, 5, 60, 1e6, 3, 2, 0.9, 0.4, 70, 4, True)
    assert tcp_reading(info(flags=6)).is_app_limited is False


def test_an_older_kernels_shorter_answer_is_enough() -> None:
    assert tcp_reading(info(rtt=50_000, total_retrans=1)[:104]).retransmits == 1
    assert TCP_INFO_BYTES <= 232


def test_counts_are_differences() -> None:
    tally = Tally(10.0)
    first = tally.take(reading(retransmits=1, segments=5, segments_received=2, out_of_order=1), 10.1)
    assert (first.retransmits, first.segments, first.segments_received, first.out_of_order) == (1, 5, 2, 1)
    second = tally.take(reading(retransmits=3, segments=9, segments_received=2, out_of_order=1), 10.2)
    assert (second.retransmits, second.segments, second.segments_received, second.out_of_order) == (2, 4, 0, 0)


def test_what_happened_long_ago_isnt_told_as_news() -> None:
    tally = Tally(10.0)
    assert tally.take(reading(retransmits=9, segments=90), 10.1 + STALE).retransmits == 0
    assert tally.take(reading(retransmits=10, segments=92), 10.2 + STALE).segments == 2


def test_silence_is_counted_from_the_first_sending_although_the_kernel_sends_again() -> None:
    tally = Tally(0.0)
    assert tally.take(reading(), 0.5).silent_for == 0.0
    waiting = reading(unacked=1, waiting_for=0.05, heard_ago=3.0)
    assert tally.take(waiting, 1.0).silent_for == pytest.approx(0.05)
    again = reading(unacked=1, waiting_for=0.0, heard_ago=3.3, backoffs=1)
    assert tally.take(again, 1.3).silent_for == pytest.approx(0.35)
    assert tally.take(reading(heard_ago=0.0), 1.4).silent_for == 0.0


def test_an_acknowledgement_ends_a_silence_even_if_more_waits() -> None:
    tally = Tally(0.0)
    tally.take(reading(unacked=2, waiting_for=0.2, heard_ago=0.2), 1.0)
    assert tally.take(reading(unacked=1, waiting_for=0.01, heard_ago=0.05), 1.1).silent_for == pytest.approx(0.01)


def test_a_wait_of_long_ago_isnt_this_one() -> None:
    tally = Tally(0.0)
    tally.take(reading(unacked=1, waiting_for=0.0, heard_ago=1.0), 1.0)
    later = tally.take(reading(unacked=1, waiting_for=0.02, heard_ago=60.0), 1.1 + STALE)
    assert later.silent_for == pytest.approx(0.02)
