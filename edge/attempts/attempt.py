"""One attempt of a request: what is known of it, its limits, and what its failure means for the next one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf

from msgspec import Struct

from edge.dialects.facts import Repeat
from transport.failure import Code, Failure, Verdict
from transport.path import Path

REFUSALS = frozenset((429, 503, 529))
ERRORS = frozenset((500, 502, 504))


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """Limits of one request; times in seconds."""

    repeat: Repeat
    max_attempts: int
    max_billed_replays: int
    race_after: float
    dial_deadline: float  # for all dials of one attempt together
    first_byte: float  # from the request's last byte to the reply's first body byte
    commit_hold: float  # longest wait between a reply's head and its first body byte
    total: float
    rescue_early: bool = True  # does a billed request leave a line that is suspected, or only one that is down?
    upload_stall: float = 60.0  # longest time in which the far end takes nothing of the request body


class Outcome(Enum):
    """How an attempt ended, for metrics and the log."""

    LIVE = "live"
    COMMITTED = "committed"
    REFUSED = "refused"  # 429, 503, 529: penalty on the endpoint
    ERROR = "error"  # 500, 502, 504
    FAILED = "failed"  # connection or stream failure
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class Attempt(Struct, gc=False):
    """One try of the request on one path."""

    number: int
    path: Path
    warm: bool
    outcome: Outcome = Outcome.LIVE
    status: int | None = None
    failure: Failure | None = None
    sent_at: float | None = None  # when the request's last byte was handed over
    first_byte_at: float | None = None  # when patience with the first byte ends
    hold_until: float | None = None  # when a head without a body is committed anyway
    flow_by: float | None = None  # when patience with a stalled upload ends
    execution: str = ""  # what the relay it went through calls it

    def due_at(self) -> float:
        """When something must have happened."""
        if self.hold_until is not None:
            return self.hold_until
        return self.first_byte_at or self.flow_by or inf


def may_have_run(attempt: Attempt) -> bool:
    """Can the provider have executed it, and billed it?"""
    is_safe = attempt.failure is not None and attempt.failure.verdict is Verdict.SAFE
    return not is_safe and attempt.status not in REFUSALS


def may_be_its_connection(attempt: Attempt) -> bool:
    """Did the attempt fail in a way that leaves hope for a fresh connection on the same path?"""
    if attempt.outcome is not Outcome.FAILED or attempt.failure is None:
        return False
    return attempt.warm or attempt.failure.verdict is Verdict.SAFE


def is_collateral(failure: Failure, attempt: Attempt) -> bool:
    """Did the request only share the end of its connection: of a dead line's, or a pooled one that had gone stale?"""
    if attempt.status is not None:
        return False
    if failure.code in (Code.CONNECTION_TIMEOUT, Code.LINE_DOWN):
        return True
    return failure.code == Code.CONNECTION_TERMINATED and attempt.warm
