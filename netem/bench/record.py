"""What happened: one request as the client saw it, and one turn of a system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal

Outcome = Literal["complete", "failed", "truncated"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One request. Times are seconds from the beginning of the window; `numbers`, `arrivals`, `stamps` go together.

    `stamps` are the provider's times of sending, 0 where the traffic carries none. `is_clean`: the body ended as its
    framing says it must, so an SDK would believe it was whole. `fault` is what the client saw go wrong.
    """

    index: int
    planned: float
    started: float
    ended: float
    status: int = 0
    numbers: tuple[int, ...] = ()
    arrivals: tuple[float, ...] = ()
    stamps: tuple[float, ...] = ()
    is_clean: bool = False
    is_done: bool = False
    is_error: bool = False
    fault: str = ""
    body_bytes: int = 0
    body_crc: int = 0  # CRC-32

    def outcome(self, tokens: int) -> Outcome:
        """ "truncated": it looks complete (a clean end, no error) and isn't. The worst of the three."""
        if self.status not in (101, 200) or self.is_error or self.fault or not self.is_clean:
            return "failed"
        is_whole = self.is_done and set(self.numbers) == set(range(1, tokens + 1))
        return "complete" if is_whole else "truncated"

    def repeated(self) -> int:
        """Tokens that came more than once."""
        return len(self.numbers) - len(set(self.numbers))

    def lost(self) -> int:
        """Tokens missing although a later one came: holes, not the missing end of a reply that was cut."""
        return max(self.numbers, default=0) - len(set(self.numbers))

    def ttft(self) -> float:
        """From the planned start to the first token; to the end, a lower bound, if none came."""
        return (self.arrivals[0] if self.arrivals else self.ended) - self.planned

    def gaps(self) -> list[float]:
        """Between tokens; the silence before a stream broke is one too."""
        moments = [*self.arrivals] if self.is_clean else [*self.arrivals, self.ended]
        return [after - before for before, after in pairwise(moments)] if self.arrivals else []

    def delays(self) -> list[float]:
        """How long each token was on its way."""
        return [at - stamp for at, stamp in zip(self.arrivals, self.stamps, strict=True) if stamp]


@dataclass(frozen=True, slots=True)
class Turn:
    """One system, one condition, one round. `fault`: why there is nothing, if so.

    `wire_up_bytes`, `wire_down_bytes`: IP packets offered to all lines while requests ran, the lost ones included.
    `system_cpu_seconds`: of all its processes in that time; None where the client talks to the provider itself.
    `executions`: how often the provider executed a request, what it would have billed.
    """

    system: str
    profile: str
    event: str
    traffic: str
    round: int
    seed: int
    replies: tuple[Reply, ...] = ()
    wire_up_bytes: int = 0
    wire_down_bytes: int = 0
    system_cpu_seconds: float | None = None
    client_cpu_seconds: float = 0.0
    executions: int = 0
    packets_lost: int = 0
    troubles: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""


def plain_turn(turn: Turn) -> dict[str, Any]:
    """As JSON; `read_turn` is the inverse."""
    return asdict(turn)


def read_turn(plain: Mapping[str, Any]) -> Turn:
    """Raises TypeError on unknown or missing members."""
    replies = tuple(read_reply(each) for each in plain["replies"])
    return Turn(**{**plain, "replies": replies})


def read_reply(plain: Mapping[str, Any]) -> Reply:
    """From JSON. Raises TypeError on unknown or missing members."""
    lists = {name: tuple(plain[name]) for name in ("numbers", "arrivals", "stamps") if name in plain}
    return Reply(**{**plain, **lists})
