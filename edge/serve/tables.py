"""A Snapshot indexed for the pipeline: made once per reload, read by every request, never changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from edge.attempts.attempt import AttemptPolicy
from edge.config.model import Endpoint, Model, Provider, Snapshot, TimeoutClass, Timeouts
from edge.dialects import by_name
from edge.dialects.facts import Dialect, Facts
from edge.policy.access import KeyRing
from edge.policy.residency import Residency
from edge.routing.redundancy import carriage
from health.probing import FarEnd
from transport.message import Headers
from transport.path import Line, Target
from transport.session.values import Priority, Redundancy


@dataclass(frozen=True, slots=True)
class Upstream:
    """An endpoint, ready for use: what of each request's head is the same every time."""

    endpoint: Endpoint
    target: Target
    authority: bytes
    scheme: bytes
    base_path: bytes
    credential: str | None = field(repr=False)
    headers: Headers

    @classmethod
    def of(cls, provider: Provider, endpoint: Endpoint) -> Upstream:
        target = Target(
            id=endpoint.id,
            host=endpoint.host,
            port=endpoint.port,
            tls=endpoint.tls,
            protocols=endpoint.protocols,
            ca_file=endpoint.ca_file,
            keep_warm=endpoint.keep_warm,
            max_connections=endpoint.max_connections,
        )
        secret = endpoint.credential or provider.credential
        return cls(
            endpoint,
            target,
            target.authority.encode(),
            b"https" if endpoint.tls else b"http",
            endpoint.base_path.encode(),
            secret.value if secret is not None else None,
            [(name.lower().encode(), value.encode()) for name, value in provider.headers],
        )


HOPELESS_DIAL_SECONDS = 0.8  # with no line admitted: time to find out whether one has come back…
HOPELESS_RACE_SECONDS = 0.05  # …so all of them are tried nearly at once
_MOST_POLICIES = 256  # kept; clients choose their patience, so there is no end to them


@dataclass(frozen=True, slots=True)
class Tables:
    """Lookups by id, and what can be derived once."""

    snapshot: Snapshot
    keys: KeyRing
    residency: Residency
    providers: dict[str, Provider]
    dialects: dict[str, Dialect]  # by provider id
    upstreams: dict[str, Upstream]  # by endpoint id
    models: dict[str, Model]
    lines: dict[str, Line]
    by_dialect: dict[str, Provider]  # the first provider of each dialect
    timeouts: dict[str, Timeouts]  # by class of request, see `timeout_class`
    carriage: dict[str, tuple[Priority, Redundancy | None]]  # by priority class; empty: there are no relays
    _policies: dict[tuple[str, bool, float | None, bool, str], AttemptPolicy] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> Tables:
        by_dialect: dict[str, Provider] = {}
        for provider in snapshot.providers:
            by_dialect.setdefault(provider.dialect, provider)
        return cls(
            snapshot,
            KeyRing(snapshot.keys),
            Residency(snapshot.models),
            {provider.id: provider for provider in snapshot.providers},
            {provider.id: by_name(provider.dialect) for provider in snapshot.providers},
            {e.id: Upstream.of(provider, e) for provider in snapshot.providers for e in provider.endpoints},
            {model.name: model for model in snapshot.models},
            {line.id: line for line in snapshot.lines},
            by_dialect,
            _timeouts_by_class(snapshot.timeouts),
            carriage(snapshot.routing) if snapshot.relays else {},
        )

    def provider_for(self, dialect: str, model: str | None) -> Provider | None:
        """Who serves `model` on the unified routes: its [[model]] entry, else the dialect's first provider."""
        entry = self.models.get(model) if model is not None else None
        if entry is not None:
            return self.providers[entry.provider]
        return self.by_dialect.get(dialect)

    def timeout_class(self, facts: Facts, priority: str, body_bytes: int) -> str:
        """Which timeouts hold for the request: "batch", "reasoning", "long_context", or "" for those of all others."""
        if priority == "batch":
            return "batch"
        if facts.reasons or (facts.model is not None and _always_reasons(facts.model)):
            return "reasoning"
        return "long_context" if body_bytes >= self.snapshot.timeouts.long_context_bytes else ""

    def attempt_policy(self, facts: Facts, *, hopeless: bool, timeouts: str = "") -> AttemptPolicy:
        """The limits of such a request's attempts. `hopeless`: no line is left that isn't ejected; `timeouts`: the
        class that `timeout_class` named."""
        key = (facts.repeat.value, facts.streaming, facts.patience, hopeless, timeouts)
        policy = self._policies.get(key)
        if policy is None:
            policy = _attempt_policy(self.snapshot, facts, hopeless, self.timeouts[timeouts])
            if len(self._policies) < _MOST_POLICIES:
                self._policies[key] = policy
        return policy

    @property
    def targets(self) -> list[Target]:
        """The endpoints as the transport sees them."""
        return [upstream.target for upstream in self.upstreams.values()]

    @property
    def far_ends(self) -> list[FarEnd]:
        """The endpoints as the probes see them."""
        return [FarEnd(upstream.target, upstream.endpoint.base_path) for upstream in self.upstreams.values()]


def _timeouts_by_class(base: Timeouts) -> dict[str, Timeouts]:
    """A class lengthens what [timeouts] says, it never shortens it."""

    def longer(own: TimeoutClass) -> Timeouts:
        return replace(
            base,
            first_byte_stream=max(base.first_byte_stream, own.first_byte_stream),
            first_byte=max(base.first_byte, own.first_byte),
            idle=max(base.idle, own.idle),
            total=max(base.total, own.total),
        )

    return {
        "": base,
        "reasoning": longer(base.reasoning),
        "long_context": longer(base.long_context),
        "batch": longer(base.batch),
    }


_REASONING = re.compile(r"(?:^|/)(?:o[1-9]\b|gpt-5)|reasoner|thinking|-r1\b|deep-research", re.IGNORECASE)


@lru_cache(maxsize=1024)
def _always_reasons(model: str) -> bool:
    """Is it, by its name, a model that thinks before it answers without being asked to?"""
    return _REASONING.search(model) is not None


def _attempt_policy(snapshot: Snapshot, facts: Facts, hopeless: bool, timeouts: Timeouts) -> AttemptPolicy:
    """From the configuration, and from what the client said of its patience."""
    routing = snapshot.routing
    first_byte = timeouts.first_byte_stream if facts.streaming else timeouts.first_byte
    if facts.patience is not None:
        first_byte = min(first_byte, facts.patience * 0.9)  # time for another attempt or an honest error
    return AttemptPolicy(
        repeat=facts.repeat,
        max_attempts=routing.max_attempts,
        max_billed_replays=routing.max_billed_replays,
        rescue_early=routing.rescue_on == "suspected",
        race_after=HOPELESS_RACE_SECONDS if hopeless else routing.race_after_ms / 1000,
        dial_deadline=HOPELESS_DIAL_SECONDS if hopeless else timeouts.connect,
        first_byte=first_byte,
        commit_hold=timeouts.commit_hold,
        total=timeouts.total,
        upload_stall=timeouts.upload_stall,
    )
