"""Relays as ways out: can requests be sent there now, how far is it, and how did it go lately?

A relay has a record of its own. What goes wrong between us and a relay, or inside it, counts against the relay and
never against a line: its session goes over all lines at once and leaves a bad one by itself. What a relay tells of an
endpoint counts against that endpoint, unless it answers elsewhere; then it is the path that is avoided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from health.quantiles import Quantiles
from health.round_trips import RoundTrips
from health.standing import Record, Standing
from health.subjects import Subjects
from health.view import LineHealth, PathHealth, RelayHealth, RttFigures
from health.windows import RatioWindow
from transport.failure import Code, Failure, Origin
from transport.path import Path

JUST_NOW = 10.0  # seconds for which an endpoint's answer elsewhere says that it isn't to blame
NEVER = "no session yet"
_FIRST_BYTE_HALF_LIFE = 300.0


class RelayPath:
    """An endpoint as it is reached through one relay."""

    __slots__ = ("failing", "first_byte", "in_flight", "record", "worked_at")

    def __init__(self, now: float) -> None:
        self.record = Record(admitted_at=now)
        self.first_byte = Quantiles(_FIRST_BYTE_HALF_LIFE, now)
        self.in_flight = 0
        self.worked_at = float("-inf")
        self.failing = False

    def health(self, rtt: RttFigures | None, now: float) -> PathHealth:
        return PathHealth(
            standing=self.record.standing(now),
            reason=self.record.reason,
            since=self.record.since(now),
            rtt=rtt,
            first_byte_p50=self.first_byte.quantile(0.5, now),
            first_byte_p95=self.first_byte.quantile(0.95, now),
            in_flight=self.in_flight,
        )


class RelayState:
    """One relay. `why_not`: why it takes no new requests; empty: it does."""

    __slots__ = (
        "is_draining",
        "made_at",
        "outcomes",
        "paths",
        "record",
        "relay",
        "suspicion",
        "told",
        "told_ready",
        "trips",
        "why_not",
    )

    def __init__(self, relay: str, now: float) -> None:
        self.relay = relay
        self.made_at = now
        self.record = Record(admitted_at=now)
        self.told, self.told_ready = Standing.ADMITTED, False
        self.why_not = NEVER
        self.is_draining = False
        self.suspicion = ""  # why nothing is expected of it right now
        self.trips = RoundTrips()
        self.outcomes = RatioWindow()  # requests it was given, and failed by its own fault
        self.paths: dict[Path, RelayPath] = {}

    @property
    def in_flight(self) -> int:
        return sum([path.in_flight for path in self.paths.values()])

    def health(self, now: float, flaps: int) -> RelayHealth:
        bad = self.outcomes.ratio(300.0, now)
        way = LineHealth(
            standing=self.record.standing(now),
            is_suspected=bool(self.suspicion),
            reason=self.suspicion or self.record.reason,
            since=self.record.since(now),
            rtt=self.trips.figures(now),
            in_flight=self.in_flight,
            success_ratio=None if bad is None else 1.0 - bad,
            flaps=flaps,
        )
        return RelayHealth(way, self.why_not, self.is_draining)


class Relays:
    """All relays there are; a part of the board, which owns the endpoints and tells the listeners."""

    def __init__(self, subjects: Subjects) -> None:
        self._all = subjects
        self.relays: dict[str, RelayState] = {}

    def keep(self, relays: Iterable[str], endpoints: Iterable[str] | None, now: float) -> None:
        """These there are, and no others. `endpoints` None: keeps them all."""
        kept = list(relays)
        self.relays = {relay: self.relays.get(relay) or RelayState(relay, now) for relay in kept}
        if endpoints is not None:
            ends = set(endpoints)
            for state in self.relays.values():
                state.paths = {path: told for path, told in state.paths.items() if path.endpoint in ends}
        self._all.is_urgent = True

    # --- the session to it ---

    def ready(self, relay: str, why_not: str, is_draining: bool, now: float) -> None:
        """Whether it takes new requests: `why_not` empty."""
        state = self.relays.get(relay)
        if state is None or (state.why_not, state.is_draining) == (why_not, is_draining):
            return
        state.why_not, state.is_draining = why_not, is_draining
        self._all.is_urgent = True
        if state.told_ready is not (not why_not):
            before, after = ("ready", "not ready") if state.told_ready else ("not ready", "ready")
            state.told_ready = not why_not
            self._all.tell("relay", relay, before, after, why_not or "the session stands", now)

    def round_trip(self, relay: str, seconds: float, now: float) -> None:
        """Over the line that the session goes by now."""
        state = self.relays.get(relay)
        if state is not None:
            state.trips.add(seconds, now)
            self._all.is_dirty = True

    def suspect(self, relay: str, reason: str, now: float) -> None:
        """Nothing is heard of it over any line; "": it is heard again."""
        state = self.relays.get(relay)
        if state is None or bool(reason) is bool(state.suspicion):
            return
        state.suspicion = reason
        self._all.is_urgent = True
        before, after = ("relieved", "suspected") if reason else ("suspected", "relieved")
        self._all.tell("relay", relay, before, after, reason or "heard again", now)

    def broke(self, relay: str, reason: str, now: float) -> None:
        """The session has ended, not in order: one fault, whatever it carried."""
        state = self.relays.get(relay)
        if state is not None:
            state.record.fail(now, self._all.rules, reason)
            self._settle_relay(state, now)

    # --- what requests tell ---

    def _path(self, path: Path) -> tuple[RelayState, RelayPath] | None:
        state = self.relays.get(path.relay or "")
        if state is None:
            return None
        found = state.paths.get(path)
        if found is None:
            found = state.paths[path] = RelayPath(state.made_at)
        return state, found

    def worked(self, path: Path, now: float) -> None:
        """A reply's head came through it."""
        found = self._path(path)
        if found is None:
            return
        state, own = found
        rules, endpoint = self._all.rules, self._all.endpoint(path.endpoint, now)
        state.outcomes.add(now)
        own.worked_at, own.failing = now, False
        for record in (state.record, own.record, endpoint.reach):
            if record.has_history:
                record.succeed(now, rules)
        self._settle(state, path, now)

    def failed(self, path: Path, failure: Failure, now: float) -> None:
        """A request failed: by the relay's fault, or by that of the endpoint, as the relay tells."""
        found = self._path(path)
        if found is None:
            return
        state, own = found
        rules = self._all.rules
        if failure.code == Code.HTTP_REQUEST_DENIED:
            own.record.fail(now, replace(rules, consecutive_failures=1), failure.code)  # it isn't for this endpoint
        elif failure.origin is Origin.ENDPOINT:
            own.failing = True
            works = self._works_elsewhere(path, now)
            if not self._all.endpoint(path.endpoint, now).reach.fail(now, rules, failure.code, may_eject=not works):
                own.record.fail(now, rules, failure.code)
        else:
            state.outcomes.add(now, 1, 1)
            state.record.fail(now, rules, failure.code)
        self._settle(state, path, now)

    def _works_elsewhere(self, but: Path, now: float) -> bool:
        """Did the endpoint answer just now, directly or through another relay?"""
        direct = self._all.endpoint(but.endpoint, now).paths.values()
        if any(path.failing_since is None and path.worked_at > now - JUST_NOW for path in direct):
            return True
        others = [state for state in self.relays.values() if state.relay != but.relay]
        return any(
            path.endpoint == but.endpoint and not own.failing and own.worked_at > now - JUST_NOW
            for state in others
            for path, own in state.paths.items()
        )

    def began(self, path: Path) -> None:
        """A request was given to it: `ended` must follow."""
        found = self._path(path)
        if found is not None:
            found[1].in_flight += 1
            self._all.is_dirty = True

    def ended(self, path: Path) -> None:
        found = self._path(path)
        if found is not None:
            found[1].in_flight = max(0, found[1].in_flight - 1)
            self._all.is_dirty = True

    def first_byte(self, path: Path, seconds: float, now: float) -> None:
        """A streamed reply began `seconds` after its request had gone out."""
        found = self._path(path)
        if found is not None:
            found[1].first_byte.add(seconds, now)
            self._all.is_dirty = True

    # --- what others ask ---

    def settle(self, now: float) -> None:
        """Standings that time alone has changed."""
        for state in self.relays.values():
            self._settle_relay(state, now)

    def _settle(self, state: RelayState, path: Path, now: float) -> None:
        self._all.is_dirty = True
        self._settle_relay(state, now)
        self._all.settle_endpoint(self._all.endpoint(path.endpoint, now), now)

    def _settle_relay(self, state: RelayState, now: float) -> None:
        standing = state.record.standing(now)
        if standing is not state.told:
            before, state.told = state.told, standing
            self._all.is_urgent = True
            if standing is Standing.ADMITTED:
                state.outcomes.clear()
            reason = state.record.reason or "works again"
            self._all.tell("relay", state.relay, before.value, standing.value, reason, now)

    def records(self) -> list[Record]:
        """Of relays and of the paths through them: their ejections end by themselves."""
        found = [state.record for state in self.relays.values()]
        return found + [path.record for state in self.relays.values() for path in state.paths.values()]

    def health(self, now: float) -> dict[str, RelayHealth]:
        rules = self._all.rules
        return {each.relay: each.health(now, each.record.flaps(now, rules)) for each in self.relays.values()}

    def paths(self, now: float) -> dict[Path, PathHealth]:
        told: dict[Path, PathHealth] = {}
        for state in self.relays.values():
            rtt = state.trips.figures(now)
            told |= {path: own.health(rtt, now) for path, own in state.paths.items()}
        return told
