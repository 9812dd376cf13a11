"""Conditions as toxics of Toxiproxy (its README, "Toxics"): faults of TCP streams, not of packets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from netem.link.conditions import Conditions, Profile

Stream = Literal["upstream", "downstream"]


@dataclass(frozen=True, slots=True)
class ToxicSpec:
    """One toxic: its type, the stream it sits on, and its attributes in Toxiproxy's units (ms, kB/s, bytes)."""

    type: str
    stream: Stream
    attributes: Mapping[str, int]

    @property
    def name(self) -> str:
        """Unique in its proxy."""
        return f"{self.type}_{self.stream}"


def toxics_of(profile: Profile) -> tuple[ToxicSpec, ...]:
    """The toxics that come nearest to the profile. Loss, reordering, MTU and UDP don't exist at this level.

    Toxiproxy's jitter is uniform over ± its figure: a standard deviation of σ becomes ± √3·σ ≈ 1.73 σ.
    """
    return (*_of_stream(profile.up, "upstream"), *_of_stream(profile.down, "downstream"))


def _of_stream(c: Conditions, stream: Stream) -> tuple[ToxicSpec, ...]:
    toxics: list[ToxicSpec] = []
    if c.loss >= 1.0:
        # timeout 0: hold all data and never close. Toxiproxy's picture of a blackhole.
        toxics.append(ToxicSpec("timeout", stream, {"timeout": 0}))
    if c.tcp_reset:
        # Only a connection made while the toxic is on is reset; one that lives already is closed in the ordinary way.
        toxics.append(ToxicSpec("reset_peer", stream, {"timeout": 0}))
    if c.delay_ms or c.jitter_ms:
        jitter = round(c.jitter_ms * 3**0.5)
        toxics.append(ToxicSpec("latency", stream, {"latency": round(c.delay_ms), "jitter": jitter}))
    if c.rate_mbit:
        toxics.append(ToxicSpec("bandwidth", stream, {"rate": max(1, round(c.rate_mbit * 125))}))
    return tuple(toxics)
