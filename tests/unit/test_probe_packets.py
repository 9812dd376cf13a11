"""Bytes of ICMP echoes and of QUIC Version Negotiation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health import echo, negotiation

SECRET = b"S" * 8
REPLY = bytes(8) + echo.payload(SECRET, 77)
IP = b"\x45" + bytes(19)


def test_an_echo_reply_names_its_request() -> None:
    assert echo.answered(REPLY, SECRET, six=False, with_ip_header=False) == 77
    assert echo.answered(IP + REPLY, SECRET, six=False, with_ip_header=True) == 77
    assert echo.answered(b"\x46" + bytes(23) + REPLY, SECRET, six=False, with_ip_header=True) == 77  # with an option
    assert echo.answered(b"\x81" + REPLY[1:], SECRET, six=True, with_ip_header=False) == 77


@pytest.mark.parametrize(
    "packet",
    [b"", REPLY[:-1], b"\x08" + REPLY[1:], bytes(8) + echo.payload(b"T" * 8, 77), IP[:5]],
    ids=["nothing", "short", "a request", "another's", "half a header"],
)
def test_other_packets_are_nobodys(packet: bytes) -> None:
    assert echo.answered(packet, SECRET, six=False, with_ip_header=False) is None
    assert echo.answered(packet, SECRET, six=False, with_ip_header=True) is None


def server_answer(question: bytes) -> bytes:
    """Version Negotiation (RFC 9000 §17.2.1): the connection ids change places."""
    destination = question[6 : 6 + question[5]]
    rest = question[6 + question[5] :]
    source = rest[1 : 1 + rest[0]]
    return b"\xca" + bytes(4) + bytes((len(source),)) + source + bytes((len(destination),)) + destination + b"\0\0\0\1"


def test_the_question_is_a_first_packet_of_a_reserved_version() -> None:
    asked = negotiation.question(SECRET, 5)
    assert len(asked) == 1200
    assert asked[0] & 0xC0 == 0xC0
    assert all(byte & 0x0F == 0x0A for byte in asked[1:5])


@given(number=st.integers(0, 2**63))
def test_the_answer_brings_the_number_back(number: int) -> None:
    assert negotiation.answered(server_answer(negotiation.question(SECRET, number)), SECRET) == number


@given(st.binary(max_size=64))
def test_other_datagrams_are_no_answer(datagram: bytes) -> None:
    assert negotiation.answered(datagram, SECRET) is None


def test_answers_to_others_are_no_answer() -> None:
    answer = server_answer(negotiation.question(SECRET, 5))
    assert negotiation.answered(answer, b"T" * 8) is None
    assert negotiation.answered(answer[:1] + b"\0\0\0\1" + answer[5:], SECRET) is None  # a packet of version 1
    assert negotiation.answered(b"\x4a" + answer[1:], SECRET) is None  # a short header
    assert negotiation.answered(answer[:5] + b"\4" + answer[6:], SECRET) is None
