"""The probes that are under way, and those of late: what an answer, or its absence, means. Pure.

Each check numbers its probes. One that isn't answered within its limit is lost; should the answer come after all, it is
*late*: the loss is taken back. A second answer is a *duplicate*, one that comes after a later probe's answer is
*reordered*. Which way a packet was lost can't be told from an echo: the far end says nothing about what it received.
(The kernel's figures can tell: `transport.sample`.)

Silence of a far end that has never answered such a packet proves nothing: many drop ICMP echoes, or UDP. Such a check
is tried seldom, and its losses are kept to ourselves until it has been answered once.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from health.probe import ProbeKind, ProbeResult
from health.probing import PULSES, Check
from transport.failure import Failure

ONE_ROUND_TRIP = frozenset((*PULSES, ProbeKind.TCP))
SHORTEST_LIMIT = 1.0  # seconds to wait for one packet's answer (RFC 6298 §2.1's first timeout)…
ROUND_TRIPS = 4.0  # …or so many round trips, if that is longer
FAST_SLACK = 0.1  # on a suspected line: two round trips, or what the jitter asks for, and these seconds

MUTE_AFTER = 5  # unanswered in a row, and none before: nobody listens there
MUTE_INTERVAL = 30.0  # seconds between two tries whether that has changed
FORGOTTEN = 600.0  # seconds without an answer after which a check must prove again that it is answered at all
REMEMBERED = 64  # probes of a check whose late or second answers are recognised


@dataclass(slots=True)
class _Probe:
    sent_at: float
    until: float  # then it is lost
    is_answered: bool = False
    is_lost: bool = False


@dataclass(slots=True)
class _Record:
    """What one check has seen."""

    count: int = 0
    asked_at: float = float("-inf")
    answered_at: float = float("-inf")
    unanswered: int = 0  # in a row
    newest: int = -1  # sequence of the latest probe that was answered
    srtt: float | None = None  # RFC 6298 §2
    rttvar: float = 0.0
    probes: OrderedDict[int, _Probe] = field(default_factory=OrderedDict)

    def measured(self, rtt: float) -> None:
        if self.srtt is None:
            self.srtt, self.rttvar = rtt, rtt / 2
        else:
            self.rttvar += (abs(self.srtt - rtt) - self.rttvar) / 4
            self.srtt += (rtt - self.srtt) / 8


class Ledger:
    """`timeout` seconds are the longest wait for any answer. `stall` tells the worst stall of this process since a
    moment; each result carries it."""

    def __init__(self, timeout: float, stall: Callable[[float], float] = lambda since: 0.0) -> None:
        self.timeout = timeout
        self._stall = stall
        self._records: dict[Check, _Record] = {}
        self._limits: list[tuple[float, int, Check, int]] = []
        self._begun = 0
        self._waiting = 0

    def __len__(self) -> int:
        """Probes under way."""
        return self._waiting

    def keep(self, checks: Iterable[Check]) -> None:
        """Forgets all others; answers to their probes mean nothing any more."""
        kept = set(checks)
        for check in [check for check in self._records if check not in kept]:
            record = self._records.pop(check)
            self._waiting -= sum(not (probe.is_answered or probe.is_lost) for probe in record.probes.values())

    def begin(self, check: Check, now: float, *, fast: bool = False) -> int:
        """A probe leaves now; returns its sequence number. `fast`: its line is suspected."""
        record = self._records.setdefault(check, _Record())
        sequence, record.count = record.count, record.count + 1
        record.asked_at = now
        until = now + self.limit(check, fast=fast)
        record.probes[sequence] = _Probe(now, until)
        self._begun += 1
        self._waiting += 1
        heapq.heappush(self._limits, (until, self._begun, check, sequence))
        while len(record.probes) > REMEMBERED and _is_settled(next(iter(record.probes.values()))):
            record.probes.popitem(last=False)
        return sequence

    def limit(self, check: Check, *, fast: bool = False) -> float:
        """Seconds to wait for an answer."""
        if check.kind not in ONE_ROUND_TRIP:
            return self.timeout
        record = self._records.get(check)
        if record is None or record.srtt is None:
            return min(SHORTEST_LIMIT, self.timeout)
        usual = max(SHORTEST_LIMIT, ROUND_TRIPS * record.srtt)
        if fast:
            usual = min(usual, max(2 * record.srtt, record.srtt + 4 * record.rttvar) + FAST_SLACK)
        return min(usual, self.timeout)

    def answered(
        self, check: Check, sequence: int, rtt: float, *, now: float, seconds: float | None = None
    ) -> ProbeResult | None:
        """An answer came. None: to a probe that isn't known, or not any more."""
        record, probe = self._find(check, sequence)
        if record is None or probe is None:
            return None
        lag = self._stall(probe.sent_at)
        if probe.is_answered:
            return ProbeResult(*check, sequence, probe.sent_at, rtt, is_duplicate=True, seconds=seconds, loop_lag=lag)
        self._waiting -= not probe.is_lost
        probe.is_answered = True
        record.measured(rtt)
        record.answered_at, record.unanswered = now, 0
        is_reordered, record.newest = sequence < record.newest, max(sequence, record.newest)
        return ProbeResult(
            *check,
            sequence,
            probe.sent_at,
            rtt,
            is_reordered=is_reordered,
            is_late=probe.is_lost,
            seconds=seconds,
            loop_lag=lag,
        )

    def failed(self, check: Check, sequence: int, failure: Failure | None) -> ProbeResult | None:
        """It was refused, or couldn't be sent; `failure` None: it is known to be lost before its time is up. None if
        it has been counted already."""
        record, probe = self._find(check, sequence)
        if record is None or probe is None or _is_settled(probe):
            return None
        return self._lose(check, sequence, record, probe, failure)

    def expired(self, now: float) -> list[ProbeResult]:
        """The probes whose time is up: lost."""
        results = []
        while self._limits and self._limits[0][0] <= now:
            until, _, check, sequence = heapq.heappop(self._limits)
            record, probe = self._find(check, sequence)
            if record is not None and probe is not None and probe.until == until and not _is_settled(probe):
                results.append(self._lose(check, sequence, record, probe, None))
        return results

    def is_proven(self, check: Check, now: float) -> bool:
        """Does silence on this check mean anything? For kinds that firewalls drop: only if it was answered lately."""
        if check.kind not in PULSES:
            return True
        record = self._records.get(check)
        return record is not None and now - record.answered_at < FORGOTTEN

    def is_resting(self, check: Check, now: float) -> bool:
        """Nobody answers it, and it isn't yet time to try again."""
        record = self._records.get(check)
        if record is None or record.unanswered < MUTE_AFTER or self.is_proven(check, now):
            return False
        return now - record.asked_at < MUTE_INTERVAL

    def _find(self, check: Check, sequence: int) -> tuple[_Record | None, _Probe | None]:
        record = self._records.get(check)
        return record, None if record is None else record.probes.get(sequence)

    def _lose(
        self, check: Check, sequence: int, record: _Record, probe: _Probe, failure: Failure | None
    ) -> ProbeResult:
        self._waiting -= 1
        probe.is_lost = True
        record.unanswered += 1
        return ProbeResult(*check, sequence, probe.sent_at, failure=failure, loop_lag=self._stall(probe.sent_at))


def _is_settled(probe: _Probe) -> bool:
    return probe.is_answered or probe.is_lost
