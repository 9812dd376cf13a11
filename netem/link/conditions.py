"""What one direction of a line does to packets: values, checked when they are made."""

from dataclasses import dataclass, fields
from typing import Literal

Shape = Literal["normal", "pareto"]


def _require(is_good: bool, what: str) -> None:
    if not is_good:
        raise ValueError(what)


def _require_ratio(name: str, value: float) -> None:
    _require(0.0 <= value <= 1.0, f"{name} must be between 0 and 1, not {value}")


@dataclass(frozen=True, slots=True)
class Bursts:
    """Gilbert–Elliott loss in *time*: good and bad periods alternate whether or not a packet is there to see them.

    share       part of the time that is bad
    mean_ms     mean length of a bad period
    bad_loss    loss ratio inside a bad period; the mean loss is share · bad_loss
    spread      0: lengths are exponentially distributed; s > 0: evenly over mean · (1 ± s)
    group       lines whose bursts carry the same group name (and seed) go bad together: shared fate
    """

    share: float
    mean_ms: float
    bad_loss: float = 1.0
    spread: float = 0.0
    group: str = ""

    def __post_init__(self) -> None:
        _require(0.0 < self.share < 1.0, f"bursts.share must be above 0 and below 1, not {self.share}")
        _require(self.mean_ms > 0.0, f"bursts.mean_ms must be positive, not {self.mean_ms}")
        _require_ratio("bursts.bad_loss", self.bad_loss)
        _require(0.0 <= self.spread < 1.0, f"bursts.spread must be at least 0 and below 1, not {self.spread}")


@dataclass(frozen=True, slots=True)
class PacketBursts:
    """Gilbert–Elliott loss per *packet*: before each packet the state may change (the form `tc netem gemodel` has).

    enter       chance to go from good to bad        leave       chance to go from bad to good
    bad_loss    loss ratio in the bad state          good_loss   loss ratio in the good state
    """

    enter: float
    leave: float
    bad_loss: float = 1.0
    good_loss: float = 0.0

    def __post_init__(self) -> None:
        for name in ("enter", "leave", "bad_loss", "good_loss"):
            _require_ratio(f"packet_bursts.{name}", getattr(self, name))


@dataclass(frozen=True, slots=True)
class Police:
    """A token bucket for each UDP 5-tuple. A flow older than `later_after` seconds gets `later_mbit` (if not 0)."""

    rate_mbit: float
    burst_bytes: int = 30_000
    later_mbit: float = 0.0
    later_after: float = 0.0

    def __post_init__(self) -> None:
        _require(self.rate_mbit > 0.0, f"udp_police.rate_mbit must be positive, not {self.rate_mbit}")
        _require(self.burst_bytes > 0, f"udp_police.burst_bytes must be positive, not {self.burst_bytes}")
        _require(self.later_mbit >= 0.0, f"udp_police.later_mbit must not be negative, not {self.later_mbit}")
        _require(self.later_after >= 0.0, f"udp_police.later_after must not be negative, not {self.later_after}")


@dataclass(frozen=True, slots=True)
class Conditions:
    """One direction of a line. Ratios are 0…1; `_ms` milliseconds; sizes are whole IP packets in bytes.

    delay_ms          one-way delay
    jitter_ms         standard deviation of the delay (a delay never falls below 0)
    jitter_corr_ms    0: every packet has its own jitter; else the jitter is a smooth function of time that is new
                      every so many ms, as the queue of somebody else's traffic is
    ordered           no packet overtakes an earlier one (except by `reorder`); False lets jitter reorder
    loss              independent loss; `bursts` and `packet_bursts` come on top, each on its own
    reorder           this part of the packets comes `reorder_ms` late and lets later ones pass
    duplicate         this part of the packets comes twice
    corrupt           this part of the packets has one bit flipped
    rate_mbit         0: unlimited; else a bottleneck with a droptail queue of `queue_bytes`
    mtu               0: unlimited; larger packets vanish, with an ICMP "fragmentation needed" only if `mtu_icmp`
    udp_blocked       no UDP passes; `udp_police` limits each UDP 5-tuple
    tcp_reset         every TCP segment is answered with RST to both ends
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    jitter_corr_ms: float = 0.0
    jitter_shape: Shape = "normal"
    ordered: bool = True
    loss: float = 0.0
    bursts: tuple[Bursts, ...] = ()
    packet_bursts: PacketBursts | None = None
    reorder: float = 0.0
    reorder_ms: float = 20.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    rate_mbit: float = 0.0
    queue_bytes: int = 250_000
    mtu: int = 0
    mtu_icmp: bool = False
    udp_blocked: bool = False
    udp_police: Police | None = None
    tcp_reset: bool = False

    def __post_init__(self) -> None:
        for name in ("delay_ms", "jitter_ms", "jitter_corr_ms", "reorder_ms", "rate_mbit", "mtu"):
            _require(getattr(self, name) >= 0, f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("loss", "reorder", "duplicate", "corrupt"):
            _require_ratio(name, getattr(self, name))
        _require(self.queue_bytes > 0, f"queue_bytes must be positive, not {self.queue_bytes}")
        _require(
            self.jitter_shape in ("normal", "pareto"), f"jitter_shape: normal or pareto, not {self.jitter_shape!r}"
        )

    @property
    def mean_loss(self) -> float:
        """The loss ratio to expect in the long run, all causes of loss (not of policing) together."""
        survives = 1.0 - self.loss
        for burst in self.bursts:
            survives *= 1.0 - burst.share * burst.bad_loss
        if self.packet_bursts is not None:
            survives *= 1.0 - _packet_loss(self.packet_bursts)
        return 1.0 - survives


def _packet_loss(bursts: PacketBursts) -> float:
    moves = bursts.enter + bursts.leave
    bad = bursts.enter / moves if moves else 0.0
    return bad * bursts.bad_loss + (1.0 - bad) * bursts.good_loss


@dataclass(frozen=True, slots=True)
class Profile:
    """Both directions of a line: up = edge → far side, down = far side → edge."""

    up: Conditions
    down: Conditions
    note: str = ""

    @property
    def rtt_ms(self) -> float:
        """Round-trip time without jitter and queues."""
        return self.up.delay_ms + self.down.delay_ms


CONDITION_NAMES = frozenset(field.name for field in fields(Conditions))
