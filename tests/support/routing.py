"""Lines, endpoints and health figures in a few words, for tests of choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from edge.config.model import ClassRouting, Endpoint, Provider, Routing, Snapshot
from edge.routing.ask import Ask, Moment
from edge.routing.chooser import Choice, Chooser
from edge.routing.controls import Controls
from edge.routing.explain import explain
from edge.routing.ranking import Ranked, Ranking
from health.view import EndpointHealth, HealthView, LineHealth, LossFigures, PathHealth, RttFigures
from transport.path import Line, Path


def endpoint(name: str, region: str = "", weight: float = 100.0) -> Endpoint:
    return Endpoint(
        id=name, provider="p", url=f"https://{name}", host=name, port=443, tls=True, region=region, weight=weight
    )


def rtt(ms: float, jitter_ms: float = 0.0) -> RttFigures:
    seconds = ms / 1000
    return RttFigures(seconds, seconds, seconds, seconds, jitter_ms / 1000, samples=10, at=0.0)


def loss(ratio: float, burst: float | None = None) -> LossFigures:
    return LossFigures(ratio, ratio, ratio, burst)


def rtts(**milliseconds: float) -> HealthView:
    """A view of lines with these round trips, and nothing else."""
    return HealthView({line: LineHealth(rtt=rtt(ms)) for line, ms in milliseconds.items()})


@dataclass
class Desk:
    """A chooser with everything it is given; change what you like between requests."""

    lines: tuple[Line, ...]
    endpoints: tuple[Endpoint, ...] = (endpoint("us"),)
    view: HealthView = field(default_factory=HealthView)
    controls: Controls = field(default_factory=Controls)
    moment: Moment = field(default_factory=lambda: Moment(1000.0, 2, 12 * 60))
    policy: str = "best"
    classes: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.provider = Provider("p", "openai", self.endpoints)
        classes = tuple(ClassRouting(name, policy) for name, policy in self.classes.items())
        routing = replace(Routing(policy=self.policy, classes=classes), **self.settings)
        self.snapshot = Snapshot(lines=self.lines, providers=(self.provider,), routing=routing)
        self.chooser = Chooser()
        self.random = Random(7)

    def ask(self, chance: float | None = None, **needs: Any) -> Choice:
        drawn = self.random.random() if chance is None else chance
        ask = Ask(self.provider, **needs)
        return self.chooser.choose(ask, self.snapshot, self.view, self.controls, self.moment, self.now, drawn)

    def lines_of(self, **needs: Any) -> list[str]:
        return [path.line for path in self.ask(**needs).paths]

    def firsts(self, requests: int = 100, **needs: Any) -> Counter[str]:
        """How many of `requests` requests would go over which line first."""
        return Counter(self.ask(**needs).paths[0].line for _ in range(requests))

    def endpoints_of(self, requests: int = 100, **needs: Any) -> Counter[str]:
        return Counter(self.ask(**needs).paths[0].endpoint for _ in range(requests))

    def why(self, **needs: Any) -> Ranking:
        return explain(self.ask(**needs))


def ranked(ranking: Ranking, line: str, at: str = "us") -> Ranked:
    """What the ranking says of one path."""
    return next(each for each in (*ranking.paths, *ranking.excluded) if each.path == Path(line, at))


def costs(ranked: Ranked) -> dict[str, float]:
    return {term.name: term.cost for term in ranked.terms}


def line_view(**healths: LineHealth) -> HealthView:
    return HealthView(healths)


def path_view(healths: Mapping[tuple[str, str], PathHealth], **endpoints: EndpointHealth) -> HealthView:
    return HealthView({}, {Path(*pair): health for pair, health in healths.items()}, endpoints)


def named(lines: Iterable[str]) -> tuple[Line, ...]:
    return tuple(Line(line) for line in lines)
