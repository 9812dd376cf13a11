"""How one request is to be answered: pace, size and fault, as the caller (or the server's default) asks.

The `x-sim` header is a comma-separated list, `think_ms=200,tokens=128,fault=reset,after=3`; a JSON body may carry the
same as a string or an object in `x_sim` or `metadata.x_sim`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

FAULTS = frozenset(
    {
        "reset_before_head",  # TCP reset (or the protocol's stream and connection abort) instead of a reply
        "reset_after_head",
        "reset",  # after `after` pieces
        "stall_before_head",  # silence for ever, connection open
        "stall_after_head",
        "stall",  # after `after` pieces
        "stall_end",  # everything is sent, the end isn't
        "stall_upload",  # stops reading the request's body
        "reset_upload",  # resets as soon as the request's head is in
        "truncate",  # ends cleanly after `after` pieces: no [DONE], no usage
        "short_length",  # promises a content-length, ends early
        "cut",  # the connection is closed (FIN) inside the body
        "half_close",  # FIN in our direction, and goes on reading
        "drip_head",  # the head in 8 parts, `drip_ms` apart (HTTP/1.1; elsewhere the head is late by as much)
        "drip_body",  # every piece byte by byte, `drip_ms` apart
        "goaway",  # GOAWAY that lets this stream end, after `after` pieces (HTTP/1.1: `connection: close`)
        "goaway_hard",  # GOAWAY that disowns this stream, and the connection closes
        "refuse",  # REFUSED_STREAM, H3_REQUEST_REJECTED; HTTP/1.1: closed without a reply
        "rst_stream",  # the stream alone is reset after `after` pieces (HTTP/1.1: the connection)
        "malformed",  # the piece `after` is broken (half a JSON document), then the reply goes on
        "error_event",  # the API's own error event after `after` pieces, then a clean end
    }
)


class SimError(ValueError):
    """An `x-sim` that can't be obeyed. The provider answers 400 and says why."""


@dataclass(frozen=True, slots=True)
class Sim:
    """One request's orders. Times in milliseconds, as on the wire; `bytes` are octets of text."""

    think_ms: float = 50.0  # from the request's end to the head of a stream
    tokens: int = 32
    interval_ms: float = 33.0  # between two tokens; a reply that isn't streamed takes tokens × interval
    jitter_ratio: float = 0.0  # every interval is drawn from interval × (1 ± this)
    token_bytes: int = 0  # pad each token to so many bytes; 0: as short as it is
    burst: int = 1  # tokens per piece
    reasoning_ms: float = 0.0  # silence between the stream's opening and its first token
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    pause_after: int = 0  # pieces after which the stream pauses once…
    pause_ms: float = 0.0  # …for so long
    answer: str = "numbered"  # numbered | echo | stamped | text (numbered, and never a tool call)
    size: int = 48 * 1024  # bytes of a binary reply (speech, file content, image)
    chunk_bytes: int = 0  # pieces of a reply that isn't streamed; 0: in one
    fault: str = ""
    after: int = 3
    times: int = 0  # the fault hits only so many first executions of a request id; 0: all
    drip_ms: float = 20.0
    status: int = 200
    retry_after: float = -1.0  # seconds, sent with an error status; negative: not sent
    seed: int = 0

    def without_fault(self) -> Sim:
        return replace(self, fault="", status=200)


DEFAULT = Sim()
_KINDS: dict[str, type] = {f.name: type(getattr(DEFAULT, f.name)) for f in fields(Sim)}
_ANSWERS = frozenset({"numbered", "echo", "stamped", "text"})


def from_mapping(given: Mapping[str, Any], base: Sim = DEFAULT) -> Sim:
    """`base` with what `given` says.

    Raises:
        SimError: an unknown key, fault or answer, or a value of the wrong kind.
    """
    changes: dict[str, Any] = {}
    for key, value in given.items():
        kind = _KINDS.get(key)
        if kind is None:
            raise SimError(f"unknown x-sim key {key!r}; known: {', '.join(_KINDS)}")
        try:
            changes[key] = kind(value)
        except (TypeError, ValueError) as error:
            raise SimError(f"x-sim {key}={value!r} is not a {kind.__name__}") from error
    sim = replace(base, **changes)
    _check(sim)
    return sim


@lru_cache(maxsize=4096)
def from_header(text: str, base: Sim = DEFAULT) -> Sim:
    """`base` with what an `x-sim` header says.

    Raises:
        SimError: as `from_mapping`, or a part without "=".
    """
    given: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise SimError(f"x-sim part {part!r} has no value")
        given[key.strip()] = value.strip()
    return from_mapping(given, base)


def from_body(document: Any, base: Sim) -> Sim:
    """`base` with what a decoded JSON body says in `x_sim` or `metadata.x_sim`, if it does."""
    if not isinstance(document, dict):
        return base
    given = document.get("x_sim")
    if given is None:
        metadata = document.get("metadata")
        given = metadata.get("x_sim") if isinstance(metadata, dict) else None
    if isinstance(given, str):
        return from_header(given, base)
    return from_mapping(given, base) if isinstance(given, dict) else base


def _check(sim: Sim) -> None:
    if sim.fault and sim.fault not in FAULTS:
        raise SimError(f"unknown fault {sim.fault!r}; known: {', '.join(sorted(FAULTS))}")
    if sim.answer not in _ANSWERS:
        raise SimError(f"unknown answer {sim.answer!r}; known: {', '.join(sorted(_ANSWERS))}")
    if not 200 <= sim.status <= 599:
        raise SimError(f"status {sim.status} is not a final HTTP status")
    if min(sim.tokens, sim.size, sim.after, sim.chunk_bytes, sim.token_bytes, sim.burst - 1) < 0:
        raise SimError("counts and sizes can't be negative, burst is at least 1")
