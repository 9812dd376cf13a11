"""The named lines. docs/lab.md gives the source of each figure.

RTTs and jitter are those of the round trip: half of the delay and 1/√2 of the jitter's standard deviation go to each
direction. Jitter is new every 100 ms and keeps the order of packets.
"""

from dataclasses import replace
from math import sqrt

from netem.link.conditions import Bursts, Conditions, Police, Profile

JITTER_CORR_MS = 100.0


def line(
    rtt_ms: float,
    jitter_ms: float,
    loss_up: float,
    loss_down: float,
    *,
    bursts_up: tuple[Bursts, ...] = (),
    bursts_down: tuple[Bursts, ...] = (),
    note: str = "",
) -> Profile:
    """A line by its round trip: the same delay and jitter both ways, loss for each."""
    base = Conditions(delay_ms=rtt_ms / 2, jitter_ms=jitter_ms / sqrt(2), jitter_corr_ms=JITTER_CORR_MS)
    return Profile(
        up=replace(base, loss=loss_up, bursts=bursts_up),
        down=replace(base, loss=loss_down, bursts=bursts_down),
        note=note,
    )


def _both(profile: Profile, note: str, *, police: Police | None = None, is_blocked: bool = False) -> Profile:
    up, down = (replace(way, udp_police=police, udp_blocked=is_blocked) for way in (profile.up, profile.down))
    return Profile(up, down, note)


def _grid(percent: int) -> Profile:
    return line(200, 0, percent / 100, percent / 100, note=f"{percent} % independent loss, to compare with theory")


_BAD_HOURS = (Bursts(0.15, 300.0), Bursts(0.10, 35_000.0, bad_loss=0.4, spread=5 / 7))
_HALF_SHARED = (
    Bursts(0.01, 5.0, group="shared-fate/short"),
    Bursts(0.025, 300.0, group="shared-fate/long"),
    Bursts(0.025, 300.0),
)
_CMI_EVENING = line(190, 15, 0.001, 0.005, bursts_down=(Bursts(0.01, 100.0),), note="a usual evening")

PROFILES: dict[str, Profile] = {
    "perfect": Profile(Conditions(), Conditions(), "no delay, no loss: what the lab itself costs"),
    "clean": line(150, 0, 0, 0, note="distance and nothing else"),
    "premium": line(150, 1, 0.0001, 0.0005, bursts_down=(Bursts(0.0001, 30.0),), note="CN2 GIA, 9929"),
    "cn2": line(170, 4, 0.0002, 0.0035, note="CN2 GT on a good day"),
    "cmi-evening": _CMI_EVENING,
    "internet-evening": line(
        220, 25, 0.001, 0.02, bursts_down=(Bursts(0.05, 300.0),), note="plain internet (163), a usual bad evening"
    ),
    "internet-bad": line(260, 40, 0.002, 0, bursts_down=_BAD_HOURS, note="plain internet in its worst hours"),
    "udp-policed": _both(
        _CMI_EVENING,
        "cmi-evening, each UDP flow held to 3 Mbit/s and to 0.5 after 30 s",
        police=Police(3.0, later_mbit=0.5, later_after=30.0),
    ),
    "udp-blocked": _both(_CMI_EVENING, "cmi-evening, UDP dropped", is_blocked=True),
    "shared-fate": line(
        220, 25, 0.001, 0.01, bursts_down=_HALF_SHARED, note="internet-evening; half of the losses hit all such lines"
    ),
    **{f"grid-{percent}": _grid(percent) for percent in (1, 5, 10, 15)},
    "ref-cn2": line(150, 3, 0.003, 0.003, note="reference set"),
    "ref-cu2": line(170, 2, 0.01, 0.01, note="reference set"),
    "ref-cmi": line(190, 10, 0.02, 0.02, note="reference set"),
    "ref-day": line(
        220, 30, 0, 0, bursts_up=(Bursts(0.05, 100.0),), bursts_down=(Bursts(0.05, 100.0),), note="reference set"
    ),
    "ref-bad": line(
        280, 60, 0, 0, bursts_up=(Bursts(0.12, 200.0),), bursts_down=(Bursts(0.12, 200.0),), note="reference set"
    ),
}


def profile(name: str) -> Profile:
    """The profile of that name. Raises ValueError that lists the names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ValueError(f"no profile {name!r}; there are {', '.join(PROFILES)}") from None
