from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.flight_wire import Data, End, Failed, Head, Message, Wire, WireError
from transport.failure import Code, Origin, Verdict

SECRET = bytes(16)
MESSAGES: list[Message] = [
    Head(200, ((b"content-type", b"text/event-stream"),)),
    Data(b"\0\xff"),
    End(),
    Failed(Origin.LINE, Verdict.UNKNOWN, Code.IDLE_TIMEOUT),
]


@pytest.mark.parametrize("wire", [Wire(), Wire(SECRET, os.urandom)])
def test_there_and_back(wire: Wire) -> None:
    assert wire.unpack(wire.pack(MESSAGES, b"about"), b"about") == MESSAGES


def test_encrypted_messages_belong_to_their_place() -> None:
    wire = Wire(SECRET, os.urandom)
    blob = wire.pack([Data(b"secret")], b"flight/0")
    assert b"secret" not in blob
    for other, about in ((wire, b"flight/1"), (Wire(), b"flight/0"), (Wire(b"x" * 16, os.urandom), b"flight/0")):
        with pytest.raises(WireError):
            other.unpack(blob, about)
    with pytest.raises(ValueError, match="nonces"):
        Wire(SECRET)


def test_a_failure_keeps_its_meaning() -> None:
    failure = Failed(Origin.LINE, Verdict.UNKNOWN, Code.IDLE_TIMEOUT).failure()
    assert (failure.origin, failure.verdict, failure.code) == (Origin.LINE, Verdict.UNKNOWN, Code.IDLE_TIMEOUT)


@given(st.binary(max_size=100), st.sampled_from([Wire(), Wire(SECRET, os.urandom)]))
def test_any_bytes_are_messages_or_refused(blob: bytes, wire: Wire) -> None:
    try:
        found = wire.unpack(blob, b"")
    except WireError:
        return
    assert all(isinstance(message, Head | Data | End | Failed) for message in found)
