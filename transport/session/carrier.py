"""One carrier of a session: its acknowledgements, the belief in it, and what it may send beyond first copies.

Belief is graded. A carrier is *suspected* when it has been silent for 60 ms plus four variations of its round trip
though it was beating, or when something has been under way for longer than its timeout with nothing acknowledged for
80 ms. That costs little and is taken back as soon as the carrier is heard and acknowledged again. Only after 200 ms
does another carrier become the better one, and for ten seconds after its return a carrier has to be clearly better to
be preferred again. Whether it is dead is not decided here.
"""

from __future__ import annotations

from math import inf

from transport.session.acks import Incoming, Outgoing
from transport.session.traffic import UNDERNEATH, Traffic
from transport.session.values import CarrierKind, SessionConfig

SILENCE = 0.06
BEAT = 0.035
"""A heartbeat and a little more."""
UNACKED = 0.08
AVOIDED_AFTER = 0.2
REMEMBERED = 10.0
STANDING_QUEUE = 0.12
LOSS_COST = 0.5
"""Seconds that a certain loss would cost: what makes a line with less loss better than a quicker one."""
BURST = 0.1
"""Seconds of its rate that a carrier may send at once."""


class Carrier:
    """Times are monotonic seconds; `suspected_at` is None while the carrier is believed in.

    `greeting` is the HELLO or WELCOME that goes into every packet until the peer is known to have it (`is_confirmed`);
    `beat_at` is when something was last sent that the peer acknowledges. `traffic` is its line's, in which others may
    have counted before; `underneath`: bytes that each packet takes beside its own.
    """

    __slots__ = (
        "_allowance", "_allowance_at", "_is_beating", "_rate", "beat_at", "greeting", "heard_at", "incoming",
        "is_confirmed", "is_met", "kind", "line", "max_packet", "number", "outgoing", "relieved_at", "suspected_at",
        "traffic", "underneath",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        kind: CarrierKind,
        line: str,
        max_packet: int,
        config: SessionConfig,
        now: float,
        traffic: Traffic | None = None,
    ) -> None:
        self.number = number
        self.kind = kind
        self.line = line
        self.max_packet = max_packet
        self.traffic = Traffic() if traffic is None else traffic
        self.underneath = UNDERNEATH[kind]
        self.incoming = Incoming(config.ack_delay)
        self.outgoing = Outgoing(max_packet, now)
        self.heard_at = now
        self.beat_at = -inf
        self.suspected_at: float | None = None
        self.relieved_at = -inf
        self.is_confirmed = False
        self.is_met = False
        self.greeting = b""
        self._is_beating = False
        self._rate = 0.0
        self._allowance = 0.0
        self._allowance_at = now
        self.set_rate(config.rates.get(line, 0.0))

    def set_rate(self, rate: float) -> None:
        """Bytes/s that this side may send over it; 0: no budget."""
        self._rate = rate
        self._allowance = rate * BURST

    def confirm(self) -> None:
        """The peer has the greeting."""
        self.is_confirmed = True
        self.greeting = b""

    @property
    def rate(self) -> float:
        return self._rate

    # ------------------------------------------------------------------------------------------------------ belief

    def hear(self, now: float, *, is_busy: bool) -> None:
        """A packet came. Only a busy session beats, so only then does silence mean anything."""
        self._is_beating = is_busy and now - self.heard_at < SILENCE
        self.heard_at = now

    def rest(self) -> None:
        """The session isn't busy: silence is to be expected."""
        self._is_beating = False

    def patience(self) -> float:
        """Seconds of silence that say nothing."""
        return SILENCE + 4 * min(self.outgoing.trip.variation, 0.05)

    def doubted_at(self) -> float:
        """When the carrier will be suspect if nothing is heard or acknowledged until then."""
        silent = self.heard_at + self.patience() if self._is_beating else inf
        outgoing = self.outgoing
        oldest = outgoing.oldest_sent()
        if oldest == inf:
            return silent
        return min(silent, max(oldest + outgoing.trip.timeout, outgoing.acked_at + UNACKED))

    def is_heard(self, now: float) -> bool:
        """True if something came lately."""
        return now - self.heard_at < self.patience()

    def has_fallen_silent(self, now: float) -> bool:
        """True if it was beating and hasn't been heard for too long."""
        return self._is_beating and now - self.heard_at >= SILENCE and not self.is_heard(now)

    def is_beating(self, now: float) -> bool:
        """True if it was heard just now: had it fallen silent with another one, that would show already."""
        return now - self.heard_at < BEAT + 2 * min(self.outgoing.trip.variation, 0.05)

    def forgive(self, seconds: float, now: float) -> None:
        """We ourselves were away for so long: silence meanwhile doesn't count."""
        self.heard_at = min(self.heard_at + seconds, now)
        self.outgoing.acked_at = min(self.outgoing.acked_at + seconds, now)

    def suspect(self, now: float) -> None:
        self.suspected_at = now

    def relieve(self, now: float) -> float:
        """Returns for how long it was suspected."""
        seconds = now - (self.suspected_at or now)
        self.suspected_at = None
        self.relieved_at = now
        return seconds

    def cost(self, now: float) -> float:
        """Smaller is better: seconds that a byte is expected to take, there and back."""
        trip = self.outgoing.trip
        cost = trip.smoothed + 2 * trip.variation + LOSS_COST * self.outgoing.loss_ratio
        if self.suspected_at is not None:
            return cost + (10.0 if now - self.suspected_at >= AVOIDED_AFTER else 0.0)
        return cost + (trip.smoothed / 2 if now - self.relieved_at < REMEMBERED else 0.0)

    # ------------------------------------------------------------------------------------------------------ budget

    def spend(self, size: int, now: float) -> None:
        """`size` bytes go out. First copies may overdraw; redundancy then waits."""
        if self._rate:
            earned = self._allowance + (now - self._allowance_at) * self._rate
            self._allowance = max(min(earned, self._rate * BURST) - size, -self._rate)
            self._allowance_at = now

    def may_repeat(self, now: float) -> bool:
        """Redundant bytes are welcome: the budget isn't used up, and no queue stands in the line."""
        if self._rate and self._allowance + (now - self._allowance_at) * self._rate < 0:
            return False
        return not self.is_congested

    @property
    def is_congested(self) -> bool:
        """Even the quickest packets of the last two seconds waited, and long: jitter alone doesn't do that. Redundancy
        is shed then, first copies never."""
        trip = self.outgoing.trip
        return trip.standing > max(STANDING_QUEUE, trip.shortest)

    def window(self) -> int:
        """Bytes that may be under way while bulk is added; a known rate counts before anything is measured."""
        known = 0
        if self._rate:
            known = int(self._rate * self.outgoing.trip.shortest * 1.25)
            return min(max(self.outgoing.rate.congestion_window, known), 2 * known)
        return self.outgoing.rate.congestion_window

    def has_room(self) -> bool:
        """Bulk may be sent now."""
        return self.outgoing.rate.bytes_in_flight + self.max_packet <= self.window()
