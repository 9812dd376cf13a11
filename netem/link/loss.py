"""Is packet n lost at `now`? Every cause gives a probability; one draw per packet decides over all of them."""

from collections.abc import Callable
from dataclasses import dataclass

from netem.link.chance import exponential, stream_key, uniform
from netem.link.conditions import Bursts, Conditions, PacketBursts

LossRatio = Callable[[int, float], float]
"""(packet number, now) → probability that this packet is lost. `now` never goes back."""


class BurstClock:
    """The good and bad periods of one `Bursts`, as a function of lab time alone.

    Period k begins where k - 1 ended; odd or even k is bad, by the stationary chance at time 0.
    """

    __slots__ = ("_bad_at_zero", "_bursts", "_ends", "_key", "_period")

    def __init__(self, bursts: Bursts, key: int) -> None:
        self._bursts = bursts
        self._key = key
        self._bad_at_zero = uniform(key, 0) < bursts.share
        self._period = -1
        self._ends = 0.0

    def is_bad(self, now: float) -> bool:
        """True in a bad period. `now` ≥ that of the call before."""
        while now >= self._ends:
            self._period += 1
            self._ends += self._length(self._period)
        return self._is_bad_period(self._period)

    def _is_bad_period(self, period: int) -> bool:
        return (period % 2 == 0) == self._bad_at_zero

    def _length(self, period: int) -> float:
        bursts = self._bursts
        mean = bursts.mean_ms / 1000.0
        if not self._is_bad_period(period):
            return exponential(self._key, period + 1, mean * (1.0 - bursts.share) / bursts.share)
        if bursts.spread:
            return mean * (1.0 + bursts.spread * (2.0 * uniform(self._key, period + 1) - 1.0))
        return exponential(self._key, period + 1, mean)


class PacketChain:
    """The state of a `PacketBursts`: changes once per packet, before the packet."""

    __slots__ = ("_bursts", "_is_bad", "_key")

    def __init__(self, bursts: PacketBursts, key: int) -> None:
        self._bursts = bursts
        self._key = key
        self._is_bad = False

    def ratio(self, n: int) -> float:
        """The loss ratio of packet n; call once per packet."""
        bursts = self._bursts
        if uniform(self._key, n) < (bursts.leave if self._is_bad else bursts.enter):
            self._is_bad = not self._is_bad
        return bursts.bad_loss if self._is_bad else bursts.good_loss


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts of a lane's loss that have a memory. They outlive changes of everything else."""

    clocks: tuple[tuple[float, BurstClock], ...] = ()
    chain: PacketChain | None = None


def sources(conditions: Conditions, seed: int, name: str) -> Sources:
    """The clocks and the chain of the lane `name`."""
    clocks = tuple(
        (burst.bad_loss, BurstClock(burst, _burst_key(burst, index, seed, name)))
        for index, burst in enumerate(conditions.bursts)
    )
    per_packet = conditions.packet_bursts
    return Sources(clocks, PacketChain(per_packet, stream_key(seed, name, "chain")) if per_packet else None)


def loss_ratio(constant: float, remembering: Sources) -> LossRatio | None:
    """Independent loss and that of the sources together, or None where nothing is ever lost."""
    clocks, chain = remembering.clocks, remembering.chain

    def constantly(n: int, now: float) -> float:
        return constant

    def with_bursts(n: int, now: float) -> float:
        survives = 1.0 - constant
        for bad_loss, clock in clocks:
            if clock.is_bad(now):
                survives *= 1.0 - bad_loss
        if chain is not None:
            survives *= 1.0 - chain.ratio(n)
        return 1.0 - survives

    if constant < 1.0 and (clocks or chain is not None):
        return with_bursts
    return constantly if constant else None


def _burst_key(burst: Bursts, index: int, seed: int, name: str) -> int:
    # A grouped burst leaves the lane's name out of its key: that is all that shared fate takes.
    return stream_key(seed, "shared", burst.group) if burst.group else stream_key(seed, name, "burst", index)
