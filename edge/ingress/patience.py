"""How long a client may take for each step. One sweep asks all connections; nothing is timed on the hot path."""

from __future__ import annotations

from enum import Enum

from edge.config.model import Limits

LINGER_SECONDS = 5.0
"""After a reply that closes the connection: how long the client may take to read it (RFC 9112 §9.6)."""


class Phase(Enum):
    """What a connection waits for."""

    IDLE = "idle"  # a request's first byte
    HEAD = "head"  # the rest of its head
    BODY = "body"  # the next bytes of its body
    WRITE = "write"  # the client to read what was written
    LINGER = "linger"  # the client to close
    WORK = "work"  # nothing of the client's: the reply is being made


def patience(phase: Phase, limits: Limits) -> float | None:
    """Seconds without progress after which the connection is given up; None: it may last."""
    match phase:
        case Phase.IDLE:
            return limits.client_idle_seconds
        case Phase.HEAD:
            return limits.client_header_seconds
        case Phase.BODY:
            return limits.client_body_seconds
        case Phase.WRITE:
            return limits.client_write_seconds
        case Phase.LINGER:
            return LINGER_SECONDS
    return None


class Progress:
    """When a connection was last seen to advance. It advances when its phase or its mark changes."""

    __slots__ = ("_mark", "_phase", "_since")

    def __init__(self, phase: Phase, mark: int, now: float) -> None:
        self._phase = phase
        self._mark = mark
        self._since = now

    def observe(self, phase: Phase, mark: int, now: float) -> float:
        """Seconds without progress, as of `now`."""
        if phase is not self._phase or mark != self._mark:
            self._phase = phase
            self._mark = mark
            self._since = now
        return now - self._since
