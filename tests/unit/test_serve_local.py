"""What the local stage and the overseas one share: notes into the record, the client that leaves, replies in another
dialect."""

from __future__ import annotations

from typing import Any

import pytest

from edge.attempts.budget import RetryBudget
from edge.attempts.machine import Attempt, AttemptMachine, AttemptPolicy, Outcome
from edge.attempts.upload import Upload
from edge.dialects.facts import NO_USAGE, Repeat, Usage
from edge.observe.record import AttemptTrace, RequestRecord
from edge.serve.client import Leaver
from edge.serve.notes import note
from edge.serve.translated import TranslatedReply
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import ResponseHead
from transport.path import LOCAL, Path

POLICY = AttemptPolicy(Repeat.FREE, 4, 0, 0.3, 2.0, 60.0, 30.0, 600.0)
LOST = Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED)


class Meter:
    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def usage(self) -> Usage:
        return Usage(3, self.tokens)

    def tokens_seen(self) -> int:
        return self.tokens


class Stream:
    """What a ReplyStream knows in the end; what it was given."""

    def __init__(self, has_begun: bool = True, client_left: bool = False, is_cut: bool = False) -> None:
        self.has_begun = has_begun
        self.client_left = client_left
        self.bytes_out = 7
        self.failure = LOST if is_cut else None
        self.meter = Meter(10)
        self.tokens_when_left = 4
        self.log: list[Any] = []

    def on_data(self, data: bytes) -> None:
        self.log.append(data)

    def on_end(self, trailers: object) -> None:
        self.log.append("end")

    def on_failure(self, failure: Failure) -> None:
        self.log.append(failure.code)


def machine(*attempts: Attempt) -> AttemptMachine:
    made = AttemptMachine((), POLICY, RetryBudget(1.0, 10.0, 0.0))
    made.attempts += attempts
    made.failovers.append("connection_terminated")
    return made


def noted(stream: Stream, *attempts: Attempt) -> RequestRecord:
    record = RequestRecord("r", 0.0, "127.0.0.1", "POST", "/v1/chat/completions")
    record.attempts.append(AttemptTrace(Path("cn2", "openai"), "failed", None, "connection_refused"))
    record.failovers.append("connection_refused")
    note(record, machine(*attempts), stream, Upload(None, b"12345", True))  # type: ignore[arg-type]  # doubles
    return record


def test_a_second_round_is_added_to_the_first() -> None:
    path = Path(LOCAL, "gpu")
    record = noted(Stream(), Attempt(1, path, False, Outcome.FAILED, None, LOST), Attempt(2, path, False))
    assert [(trace.path.line, trace.code) for trace in record.attempts] == [
        ("cn2", "connection_refused"),
        (LOCAL, "connection_terminated"),
        (LOCAL, None),
    ]
    assert record.failovers == ["connection_refused", "connection_terminated"]
    assert (record.bytes_in, record.bytes_out, record.usage) == (5, 7, Usage(3, 10))


def test_nothing_was_begun() -> None:
    record = noted(Stream(has_begun=False))
    assert (record.bytes_out, record.usage) == (0, NO_USAGE)


def test_tokens_that_nobody_waited_for() -> None:
    record = noted(Stream(client_left=True, is_cut=True))
    assert (record.undelivered_tokens, record.client_left, record.failure) == (6, True, LOST)


def test_a_client_that_leaves() -> None:
    told: list[str] = []
    watcher = Leaver(lambda: told.append("left"))
    watcher.on_client_slow()
    watcher.on_client_ready()
    assert told == []
    watcher.on_client_gone()
    assert told == ["left"]


class Translator:
    """Says everything twice as loud."""

    def __init__(self, is_complete: bool) -> None:
        self._is_complete = is_complete

    def feed(self, data: bytes) -> bytes:
        return data.upper()

    def end(self) -> bytes:
        return b"." if self._is_complete else b""

    def is_complete(self) -> bool:
        return self._is_complete


@pytest.mark.parametrize(
    ("is_complete", "expected"),
    [(True, [b"HI", b".", "end"]), (False, [b"HI", Code.HTTP_RESPONSE_INCOMPLETE])],
)
def test_a_reply_in_another_dialect(is_complete: bool, expected: list[Any]) -> None:
    stream = Stream()
    reply = TranslatedReply(stream, Translator(is_complete))  # type: ignore[arg-type]  # doubles
    reply.on_head(ResponseHead(200, []))
    reply.on_writable()
    reply.on_data(b"hi")
    reply.on_data(b"")
    reply.on_end([])
    assert stream.log == expected


def test_a_reply_that_fails() -> None:
    stream = Stream()
    TranslatedReply(stream, Translator(True)).on_failure(LOST)  # type: ignore[arg-type]  # doubles
    assert stream.log == [Code.CONNECTION_TERMINATED]
