"""Silence of a relay over all lines at once. No clock.

A session leaves single lines by itself; when all are silent it can't tell whether the relay has gone, or we, and waits.
Requests that aren't answered yet need not: while some are under way the relay sends something every 25 ms, so when
nothing has come for a second and two round trips they may be sent elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from transport.session.carrier import Carrier

LISTEN_EVERY = 0.1  # seconds
PATIENCE = 1.0  # seconds, and two round trips
STOOD_STILL = 0.3  # seconds between two judgements, from which on silence is our own fault


class Silence:
    """Of one relay."""

    __slots__ = ("_asked_at", "_heard_at", "_judged_at", "_silent_since")

    def __init__(self) -> None:
        self._asked_at: float | None = None  # since when something is expected
        self._heard_at = float("-inf")
        self._judged_at = float("-inf")
        self._silent_since: float | None = None

    def judge(self, carriers: Mapping[int, Carrier], is_busy: bool, now: float) -> float | None:
        """For how long it has been silent though it should speak, in seconds; None: it isn't. Who has been found
        silent remains so until something is heard."""
        was_still = now - self._judged_at > STOOD_STILL
        self._judged_at = now
        trip = 0.0
        for carrier in carriers.values():
            if carrier.is_confirmed:
                self._heard_at = max(self._heard_at, carrier.heard_at)
                trip = max(trip, carrier.outgoing.trip.smoothed)
        if self._silent_since is not None and self._heard_at <= self._silent_since:
            return now - self._silent_since
        self._silent_since = None
        if not is_busy:
            self._asked_at = None
            return None
        if self._asked_at is None or was_still:
            self._asked_at = now
        since = max(self._heard_at, self._asked_at)
        if now - since <= PATIENCE + 2.0 * trip:
            return None
        self._silent_since = since
        return now - since
