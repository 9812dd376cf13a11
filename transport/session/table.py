"""A relay's sessions: which one a carrier joins, and whether it may."""

from __future__ import annotations

from dataclasses import replace
from hmac import compare_digest

from transport.session.core import SessionCore
from transport.session.frames import Hello
from transport.session.values import Code, Limits, Role, SessionConfig


class Refused(Exception):
    """The carrier joins nothing; answer it with CLOSE(`code`) and end it. Existing sessions aren't touched."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class SessionTable:
    """Sessions by id. `settings` are the relay's own; id and token of each session come from its edge."""

    def __init__(self, settings: SessionConfig, *, max_sessions_per_peer: int = 64) -> None:
        self._settings = settings
        self._limit = max_sessions_per_peer
        self._sessions: dict[bytes, tuple[str, SessionCore]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def join(self, hello: Hello, peer: str, now: float, limits: Limits | None = None) -> tuple[SessionCore, bool]:
        """(the session, whether it is new) for a carrier whose first packet has `hello`.

        `peer` is the fingerprint that the carrier's handshake proved, `limits` what a new session of it may do. Next
        you must call `carrier_up(hello.carrier, …)` and hand the session that packet. Raises Refused.
        """
        found = self._sessions.get(hello.session)
        if found is None:
            if hello.resumes:
                raise Refused(Code.EXPIRED, "the relay doesn't know the session (any more)")
            return self._make(hello, peer, now, limits or self._settings.limits), True
        owner, core = found
        if owner != peer or not compare_digest(core.config.token, hello.token):
            raise Refused(Code.REFUSED, "the session belongs to somebody else")
        if core.is_closed:
            raise Refused(Code.EXPIRED, "the session is over")
        if hello.carrier in core.carriers:
            raise Refused(Code.REFUSED, f"carrier {hello.carrier} is in use")
        return core, False

    def knows(self, session: bytes) -> bool:
        """There is a session with this id."""
        return session in self._sessions

    def sweep(self) -> list[SessionCore]:
        """Forgets sessions that are over and have told so; returns them. Their core's timer is None."""
        over = [key for key, (_, core) in self._sessions.items() if core.timer() is None]
        return [self._sessions.pop(key)[1] for key in over]

    def _make(self, hello: Hello, peer: str, now: float, limits: Limits) -> SessionCore:
        if hello.role is not Role.EDGE:
            raise Refused(Code.REFUSED, "only edges make sessions")
        if sum(owner == peer for owner, _ in self._sessions.values()) >= self._limit:
            raise Refused(Code.STREAM_LIMIT, f"{self._limit} sessions of this edge")
        config = replace(self._settings, session=hello.session, token=hello.token, limits=limits)
        core = SessionCore(Role.RELAY, config, now)
        self._sessions[hello.session] = (peer, core)
        return core
