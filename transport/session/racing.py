"""Which of a line's two ways its packets take: datagrams, or TLS over TCP. Both are tried from the first packet on.

    joining    both; whichever joins first is used at once
    datagrams  once they have joined, TLS rests: connected, without packets
    both       while datagrams are silent or lose much: the session then uses what it measures to be better. At once,
               and for some seconds, when the session finds all its carriers silent: it may be UDP that is blocked
    TLS        when datagrams never joined, or stayed silent while TLS was heard; they are tried again after 10 s, 20 s…

How much is much: policed UDP loses a third and more as soon as traffic exceeds the policer, and a line that is simply
so bad serves TCP no better. So TLS joins datagrams then, and doesn't replace them. It stays for longer each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

TRIAL = 1.5
"""Seconds for datagrams to join, and four round trips more."""
SILENT_LIVELY = 0.6
SILENT_IDLE = 3.5
"""Seconds without a datagram though there is a heartbeat every 25 ms, or every second."""
HOPELESS = 2.0
"""Seconds of silence of datagrams while TLS was heard, after which they are given up."""
MUCH_LOSS, LITTLE_LOSS = 0.3, 0.1
ALARM = 3.0
"""Seconds for which TLS stays when it was called for at once."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
GOOD_FOR = 60.0
"""Seconds of good datagrams after which what was before is forgotten."""


@dataclass(frozen=True, slots=True)
class Way:
    """What is known of one of the ways. Times are monotonic seconds; at `heard_at` the peer was heard, and heard
    us, for the last time. `loss` is of the worse direction, 0 to 1."""

    since: float
    is_joined: bool
    heard_at: float
    round_trip: float = 0.25
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ways should carry packets now."""

    datagrams: bool
    tls: bool


class Race:
    """One line's decision. `kinds` that are allowed: both, or one of "datagram" and "tls"."""

    def __init__(self, *, may_datagram: bool = True, may_tls: bool = True) -> None:
        if not (may_datagram or may_tls):
            raise ValueError("a line needs one of them")
        self.may_datagram = may_datagram
        self.may_tls = may_tls
        self._pause = FIRST_PAUSE
        self._again_at = -inf
        self._both_until = -inf
        self._alarmed_until = -inf
        self._good_since = inf
        self._mistrusted_from = -inf

    def alarm(self, now: float) -> None:
        """The session hears and reaches nobody over any carrier: what TLS can do is wanted now, and reasons later."""
        self._alarmed_until = now + ALARM

    def decide(self, datagrams: Way | None, tls: Way | None, *, is_lively: bool, now: float) -> Wanted:
        """To be asked every 100 ms and after every change. A way that is None doesn't stand."""
        if not (self.may_datagram and self.may_tls):
            return Wanted(self.may_datagram, self.may_tls)
        if datagrams is None:
            return Wanted(now >= self._again_at, True)
        if not datagrams.is_joined:
            return self._await(datagrams, tls, now)
        silence = now - datagrams.heard_at
        limit = (SILENT_LIVELY if is_lively else SILENT_IDLE) + 2 * datagrams.round_trip
        if silence > limit or datagrams.heard_at <= self._mistrusted_from:
            return self._mistrust(datagrams, tls, now)
        if datagrams.loss >= MUCH_LOSS and now >= self._both_until:
            self._both_until = now + self._pause
            self._lengthen()
            self._good_since = inf
        is_lossy = datagrams.loss > LITTLE_LOSS and self._both_until > -inf and tls is not None
        if is_lossy or now < max(self._both_until, self._alarmed_until):
            return Wanted(True, True)
        self._praise(now)
        return Wanted(True, False)

    def _await(self, datagrams: Way, tls: Way | None, now: float) -> Wanted:
        """They don't answer: blocked, unless TLS doesn't get through either."""
        patience = TRIAL + 4 * (tls.round_trip if tls is not None else 0.25)
        is_blocked = tls is not None and tls.is_joined and now - datagrams.since > patience
        return self._give_up(now) if is_blocked else Wanted(True, True)

    def _mistrust(self, datagrams: Way, tls: Way | None, now: float) -> Wanted:
        """Silence: of the line, or of UDP alone? TLS tells."""
        self._good_since = inf
        self._mistrusted_from = datagrams.heard_at
        is_told = tls is not None and tls.is_joined and tls.heard_at - datagrams.heard_at > HOPELESS
        return self._give_up(now) if is_told else Wanted(True, True)

    def _give_up(self, now: float) -> Wanted:
        self._again_at = now + self._pause
        self._lengthen()
        self._good_since = inf
        return Wanted(False, True)

    def _lengthen(self) -> None:
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _praise(self, now: float) -> None:
        self._good_since = min(self._good_since, now)
        if now - self._good_since >= GOOD_FOR:
            self._pause = FIRST_PAUSE
            self._both_until = -inf


class Backoff:
    """Seconds until the next dial: 0.1, doubling to 1, with a share of chance so that edges don't come in step. One
    dial a second costs a packet; a relay that was restarted is found that much sooner.

    It starts over only after a connection has stood for a while: one that is accepted and cut at once must not be
    dialed in a loop.
    """

    FIRST, LONGEST, STEADY = 0.1, 1.0, 10.0

    def __init__(self) -> None:
        self._next = self.FIRST

    def failed(self, chance: float, *, stood: float = 0.0) -> float:
        """`chance` is drawn from [0, 1); `stood`: for how many seconds the connection had been up."""
        if stood >= self.STEADY:
            self._next = self.FIRST
        wait = self._next * (0.75 + chance / 2)
        self._next = min(self._next * 2, self.LONGEST)
        return wait
