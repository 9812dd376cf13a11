"""What is to happen to the lines: "5:blackhole cn2,10:heal cn2,12:profile cmi grid-5,15:brown-out cn2 loss=0.3"."""

from dataclasses import dataclass

from netem.link.conditions import Conditions
from netem.link.event import KINDS, Event
from netem.profiles import profile

HEAL, PROFILE = "heal", "profile"
FAULTS = tuple(sorted(KINDS))
SETTINGS = ("loss", "rtt_ms", "rate_mbit", "period")


@dataclass(frozen=True, slots=True)
class Order:
    """`kind` is one of `FAULTS`, "heal" (ends all faults of the line) or "profile"."""

    kind: str
    line: str
    profile: str = ""
    settings: tuple[tuple[str, float], ...] = ()

    def event(self) -> Event:
        """The fault as the link model knows it. Raises ValueError for a value it refuses."""
        return Event(self.kind, **dict(self.settings))  # type: ignore[arg-type]  # all that may be set is a number


@dataclass(frozen=True, slots=True)
class Step:
    """An order and its time, in seconds from the beginning."""

    at: float
    order: Order


def parse_script(text: str, lines: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps in the order of their times. Raises ValueError that names the item and what is wrong with it."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    return tuple(sorted((_step(item, lines) for item in items), key=lambda step: step.at))


def _step(item: str, lines: tuple[str, ...]) -> Step:
    moment, colon, rest = item.partition(":")
    words = rest.split()
    try:
        at = float(moment)
    except ValueError:
        at = -1.0
    if not colon or at < 0 or len(words) < 2:
        raise ValueError(f"{item!r}: expected SECONDS:WHAT LINE, like 5:blackhole {lines[0]}")
    try:
        return Step(at, _order(words[0], words[1], words[2:], lines))
    except ValueError as wrong:
        raise ValueError(f"{item!r}: {wrong}") from None


def _order(kind: str, line: str, more: list[str], lines: tuple[str, ...]) -> Order:
    if line not in lines:
        raise ValueError(f"no line {line!r}; there are {', '.join(lines)}")
    if kind == PROFILE:
        name = " ".join(more)
        profile(name)
        return Order(kind, line, name)
    if kind == HEAL and not more:
        return Order(kind, line)
    if kind not in KINDS:
        raise ValueError(f"don't know {kind!r}; there are {', '.join((HEAL, PROFILE, *FAULTS))}")
    order = Order(kind, line, settings=tuple(_setting(word) for word in more))
    order.event().bend(Conditions())
    return order


def _setting(word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    if name not in SETTINGS:
        raise ValueError(f"no setting {name!r}; there are {', '.join(SETTINGS)}")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"{word!r} should be NAME=NUMBER") from None
