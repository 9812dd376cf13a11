"""What the attempts and the stream know, into the request's record."""

from __future__ import annotations

from edge.attempts.machine import AttemptMachine
from edge.attempts.upload import Upload
from edge.observe.record import AttemptTrace, RequestRecord
from edge.serve.streaming import ReplyStream


def note(record: RequestRecord, machine: AttemptMachine, stream: ReplyStream, upload: Upload) -> None:
    """After the attempts are over; those of an earlier round (overseas, or the local pool) stay in the record."""
    record.attempts += [
        AttemptTrace(a.path, a.outcome.value, a.status, a.failure.code if a.failure else None, a.sent_at, a.execution)
        for a in machine.attempts
    ]
    record.failovers += machine.failovers
    record.bytes_in = max(record.bytes_in, upload.size)
    if stream.has_begun:
        record.bytes_out = stream.bytes_out
        record.failure = stream.failure
        record.usage = stream.meter.usage()
        record.client_left = stream.client_left
        if stream.client_left:
            record.undelivered_tokens = max(0, stream.meter.tokens_seen() - stream.tokens_when_left)
