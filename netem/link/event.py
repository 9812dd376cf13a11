"""What happens to a line at a moment of lab time, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal, get_args

from netem.link.conditions import Conditions

Direction = Literal["up", "down"]
Scope = Literal["both", "up", "down"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` from `at` on for `seconds`, in the directions of `scope`.

    kind           effect                                                                      uses
    blackhole      nothing passes
    flap           nothing passes in the first half of every period                            period
    brown-out      more loss on top                                                            loss
    rtt-step       the round trip takes `rtt_ms` more (all of it in the one direction, if one) rtt_ms
    rate           another bottleneck                                                          rate_mbit
    udp-blocked    no UDP passes
    mtu            larger packets vanish without an ICMP message                               mtu
    tcp-reset      every TCP segment is answered with RST to both ends
    nat-rebind     from now on UDP flows have other source ports, the old ones are dead        (an instant)
    """

    kind: str
    at: float = 0.0
    seconds: float = inf
    scope: Scope = "both"
    loss: float = 0.2
    rtt_ms: float = 80.0
    rate_mbit: float = 1.0
    period: float = 2.0
    mtu: int = 1400

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of event {self.kind!r}; one of {', '.join(sorted(KINDS))}")
        if self.scope not in get_args(Scope):
            raise ValueError(f"scope must be both, up or down, not {self.scope!r}")
        if self.at < 0.0 or self.seconds <= 0.0 or self.period <= 0.0:
            raise ValueError(f"{self.kind}: at must not be negative, seconds and period must be positive")

    def is_active(self, direction: Direction, now: float) -> bool:
        """True while the event bends the conditions of that direction."""
        if self.scope not in ("both", direction) or not self.at <= now < self.at + self.seconds:
            return False
        return self.kind != "flap" or (now - self.at) % self.period < self.period / 2

    def next_change(self, now: float) -> float:
        """The first moment after `now` at which `is_active` may answer otherwise; inf if there is none."""
        end = self.at + self.seconds
        if now < self.at:
            return self.at
        if now >= end:
            return inf
        if self.kind != "flap":
            return end
        half = self.period / 2
        return min(end, self.at + (int((now - self.at) / half) + 1) * half)

    def bend(self, conditions: Conditions) -> Conditions:
        """The conditions of one direction while the event is active."""
        return KINDS[self.kind](conditions, self)


def _blackhole(conditions: Conditions, event: Event) -> Conditions:
    return replace(conditions, loss=1.0)


def _brown_out(conditions: Conditions, event: Event) -> Conditions:
    return replace(conditions, loss=1.0 - (1.0 - conditions.loss) * (1.0 - event.loss))


def _rtt_step(conditions: Conditions, event: Event) -> Conditions:
    here = event.rtt_ms / 2 if event.scope == "both" else event.rtt_ms
    return replace(conditions, delay_ms=conditions.delay_ms + here)


def _rate(conditions: Conditions, event: Event) -> Conditions:
    return replace(conditions, rate_mbit=event.rate_mbit)


def _udp_blocked(conditions: Conditions, event: Event) -> Conditions:
    return replace(conditions, udp_blocked=True)


def _mtu(conditions: Conditions, event: Event) -> Conditions:
    return replace(conditions, mtu=event.mtu, mtu_icmp=False)


def _tcp_reset(conditions: Conditions, event: Event) -> Conditions:
    return replace(conditions, tcp_reset=True)


def _nat_rebind(conditions: Conditions, event: Event) -> Conditions:
    return conditions


KINDS: dict[str, Callable[[Conditions, Event], Conditions]] = {
    "blackhole": _blackhole,
    "flap": _blackhole,
    "brown-out": _brown_out,
    "rtt-step": _rtt_step,
    "rate": _rate,
    "udp-blocked": _udp_blocked,
    "mtu": _mtu,
    "tcp-reset": _tcp_reset,
    "nat-rebind": _nat_rebind,
}
