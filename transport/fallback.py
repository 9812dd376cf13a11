"""Which HTTP versions to try now on one (line, endpoint): h3, else h2, else http/1.1.

A version that failed is left alone for a while, longer each time; a success forgives it. h3 is tried from the start
where the target prefers it (lists it first); listed later, only once the endpoint has advertised it (Alt-Svc,
RFC 7838). HTTP/2 and HTTP/1.1 share one TCP dial, where ALPN chooses among what is offered.
"""

from __future__ import annotations

from dataclasses import dataclass

from transport.path import Protocol

TCP_PROTOCOLS = (Protocol.H2, Protocol.H1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to dial. `quic`: begin with h3; `offer`: ALPN list for TCP, empty for none.

    With both, TCP begins when h3 has failed or `head_start` seconds have passed.
    """

    quic: bool
    offer: tuple[Protocol, ...]
    head_start: float = 0.0


@dataclass(frozen=True, slots=True)
class FallbackPolicy:
    """Seconds: h3's head start over TCP, the first pause after a failure, and the longest."""

    head_start: float = 0.15
    first_pause: float = 30.0
    longest_pause: float = 600.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """One Alt-Svc entry. `host` empty: the same host. `max_age` in seconds."""

    protocol: str
    host: str
    port: int
    max_age: float


class Fallback:
    """The memory of one (line, endpoint)."""

    def __init__(self, protocols: tuple[Protocol, ...], policy: FallbackPolicy | None = None) -> None:
        self._protocols = protocols
        self._policy = policy or FallbackPolicy()
        self._barred: dict[Protocol, tuple[float, float]] = {}  # until when, the pause that was given
        self._advertised_until = float("inf") if protocols[:1] == (Protocol.H3,) else float("-inf")

    def plan(self, now: float, only: Protocol | None = None) -> Plan:
        """What to dial now. When everything is barred, everything allowed is tried: a guess beats giving up."""
        allowed = [p for p in self._protocols if only is None or p is only]
        known = [p for p in allowed if p is not Protocol.H3 or now < self._advertised_until]
        usable = [p for p in known if now >= self._barred_until(p)] or known or allowed
        quic = Protocol.H3 in usable
        offer = tuple(p for p in usable if p in TCP_PROTOCOLS)
        return Plan(quic, offer, self._policy.head_start if quic and offer else 0.0)

    def failed(self, protocol: Protocol, now: float) -> None:
        """This version could not be brought up while the line was fine for others, or its peer broke its rules."""
        until, pause = self._barred.get(protocol, (now, 0.0))
        if now < until:
            return  # failures of dials that ran side by side count once
        pause = min(pause * 2, self._policy.longest_pause) if pause else self._policy.first_pause
        self._barred[protocol] = (now + pause, pause)

    def succeeded(self, protocol: Protocol) -> None:
        """A connection of this version came up."""
        self._barred.pop(protocol, None)

    def advertised(self, alternatives: tuple[Alternative, ...], port: int, now: float) -> None:
        """The endpoint's Alt-Svc field replaces what it said before (RFC 7838 §3); only its own host and port count."""
        if self._protocols[:1] == (Protocol.H3,):
            return
        ages = [a.max_age for a in alternatives if a.protocol == "h3" and not a.host and a.port == port]
        self._advertised_until = now + max(ages) if ages else float("-inf")

    def _barred_until(self, protocol: Protocol) -> float:
        return self._barred.get(protocol, (float("-inf"), 0.0))[0]


def parse_alt_svc(value: bytes) -> tuple[Alternative, ...]:
    """Parses an Alt-Svc field value (RFC 7838 §3). `clear` and unreadable entries give nothing."""
    found = []
    for entry in _split(value.decode("latin-1"), ","):
        alternative = _parse_entry(entry)
        if alternative is not None:
            found.append(alternative)
    return tuple(found)


def _parse_entry(entry: str) -> Alternative | None:
    service, *parameters = _split(entry, ";")
    protocol, equals, authority = service.partition("=")
    host, colon, port = authority.strip('"').rpartition(":")
    if not equals or not colon or not _is_number(port) or not 0 < int(port) < 65536:
        return None
    max_age = 86_400.0  # RFC 7838 §3.1: 24 hours if it isn't said
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip().lower() == "ma" and _is_number(text.strip('"')):
            max_age = float(text.strip('"'))
    return Alternative(protocol.strip(), host, int(port), max_age)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12


def _split(text: str, separator: str) -> list[str]:
    """Splits outside quoted strings."""
    parts, quoted, begin = [], False, 0
    for index, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            parts.append(text[begin:index].strip())
            begin = index + 1
    parts.append(text[begin:].strip())
    return parts
