"""A reply and its orders become timed steps. Every fault of a reply is decided here, for all protocols alike.

A step is `(wait, act, argument)`: `wait` seconds after the step before it was due, do `act`. The generator ends when
the stream's life does; a stall is a script that ends without END. Draws come from the seed only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from enum import IntEnum
from random import Random

from netem.provider.reply import Headers, Piece, Reply, Stream
from netem.provider.sim import Sim

HEAD_PARTS = 8
_APART = 0.005  # seconds between the last byte and a reset, which would overtake it


class Act(IntEnum):
    HEAD = 0  # (status, headers, length or None)
    HEAD_PART = 1  # (status, headers, length or None, part): one of HEAD_PARTS
    DATA = 2  # bytes
    TOKEN = 3  # bytes or Piece; counted
    END = 4
    RESET = 5  # TCP reset, or the nearest the protocol has
    RST_STREAM = 6
    REFUSE = 7
    CLOSE = 8  # the connection closes, the reply isn't ended
    HALF_CLOSE = 9
    GOAWAY = 10
    GOAWAY_HARD = 11
    STALL = 12


Step = tuple[float, Act, object]
_END_ACTS = {
    "reset": Act.RESET,
    "rst_stream": Act.RST_STREAM,
    "stall": Act.STALL,
    "truncate": Act.END,
    "short_length": Act.CLOSE,
    "cut": Act.CLOSE,
    "half_close": Act.HALF_CLOSE,
    "goaway_hard": Act.GOAWAY_HARD,
}


def script(reply: Reply, sim: Sim, server_headers: Headers = ()) -> Iterator[Step]:
    """The steps of one reply, in order."""
    headers = (("content-type", reply.content_type), *reply.headers, *server_headers)
    think = sim.think_ms / 1000
    if sim.fault == "refuse":
        yield 0.0, Act.REFUSE, None
        return
    if sim.fault in ("reset_before_head", "stall_before_head"):
        yield think, (Act.RESET if sim.fault == "reset_before_head" else Act.STALL), None
        return
    if reply.stream is None:
        yield from _whole(reply, headers, sim, think + reply.worked * sim.interval_ms / 1000)
    else:
        yield from _stream(reply, reply.stream, headers, sim, think)


def _head(wait: float, status: int, headers: Headers, length: int | None, sim: Sim) -> Iterator[Step]:
    if sim.fault != "drip_head":
        yield wait, Act.HEAD, (status, headers, length)
        return
    for part in range(HEAD_PARTS):
        yield wait, Act.HEAD_PART, (status, headers, length, part)
        wait = sim.drip_ms / 1000


def _whole(reply: Reply, headers: Headers, sim: Sim, think: float) -> Iterator[Step]:
    body = reply.body
    yield from _head(think, reply.status, headers, len(body), sim)
    if sim.fault in ("reset_after_head", "stall_after_head"):
        yield _APART, (Act.RESET if sim.fault == "reset_after_head" else Act.STALL), None
        return
    size = sim.chunk_bytes or (max(1, len(body) // 2) if sim.fault else len(body)) or 1
    after = sim.after if sim.chunk_bytes else min(1, sim.after)
    wait = sim.interval_ms / 1000 if sim.chunk_bytes else 0.0
    for index, start in enumerate(range(0, len(body), size)):
        ending = index == after and _trip(sim, body[start : start + size])
        if ending:
            yield from ending
            return
        broken = index == after and sim.fault == "malformed"
        piece = b"\x00" * len(body[start : start + size]) if broken else body[start : start + size]
        yield from _data(wait if index else 0.0, Act.DATA, piece, sim)
        if index + 1 == after and sim.fault == "goaway":
            yield 0.0, Act.GOAWAY, None
    yield 0.0, (Act.STALL if sim.fault == "stall_end" else Act.END), None


def _stream(reply: Reply, stream: Stream, headers: Headers, sim: Sim, think: float) -> Iterator[Step]:
    length = 1 << 30 if sim.fault == "short_length" else None
    yield from _head(think, reply.status, headers, length, sim)
    if sim.fault in ("reset_after_head", "stall_after_head"):
        yield _APART, (Act.RESET if sim.fault == "reset_after_head" else Act.STALL), None
        return
    if stream.opening:
        yield 0.0, Act.DATA, stream.opening
    if sim.fault == "":
        for wait, piece in _paced(stream, sim):
            yield wait, Act.TOKEN, piece
    else:
        ended = yield from _faulty_tokens(stream, sim)
        if ended:
            return
    yield 0.0, Act.DATA, stream.closing
    yield 0.0, (Act.STALL if sim.fault == "stall_end" else Act.END), None


def _paced(stream: Stream, sim: Sim) -> Iterator[tuple[float, bytes | Piece]]:
    piece, draw = stream.piece, Random(sim.seed).uniform
    every = sim.interval_ms * sim.burst / 1000
    low, high = every * (1 - sim.jitter_ratio), every * (1 + sim.jitter_ratio)
    for index in range(stream.pieces):
        wait = every if low == high else draw(low, high)
        if index == 0:
            wait = sim.reasoning_ms / 1000
        elif index == sim.pause_after:
            wait += sim.pause_ms / 1000
        yield wait, piece(index)


def _faulty_tokens(stream: Stream, sim: Sim) -> Generator[Step, None, bool]:
    """Returns whether the fault ended the reply."""
    for index, (wait, piece) in enumerate(_paced(stream, sim)):
        if index == sim.after:
            if sim.fault == "error_event":
                yield wait, Act.DATA, stream.error
                yield 0.0, Act.END, None
                return True
            ending = _trip(sim, piece)
            if ending:
                yield from ending
                return True
            if sim.fault == "goaway":
                yield 0.0, Act.GOAWAY, None
            if sim.fault == "malformed":
                piece = b'data: {"choices": [{"delta": {"content": "t00\n\n'
        yield from _data(wait, Act.TOKEN, piece, sim)
    return False


def _trip(sim: Sim, piece: bytes | Piece) -> tuple[Step, ...]:
    """How the fault ends a reply at this piece; empty if it doesn't. A cut comes inside the piece, not before it."""
    act = _END_ACTS.get(sim.fault)
    if act is None:
        return ()
    if sim.fault == "cut" and isinstance(piece, bytes):
        return (0.0, Act.DATA, piece[: len(piece) // 2]), (_APART, act, None)
    return ((_APART, act, None),)


def _data(wait: float, act: Act, piece: bytes | Piece, sim: Sim) -> Iterator[Step]:
    if sim.fault != "drip_body" or isinstance(piece, Piece):
        yield wait, act, piece
        return
    for offset in range(len(piece)):
        last = offset + 1 == len(piece)
        yield wait, (act if last else Act.DATA), piece[offset : offset + 1]
        wait = sim.drip_ms / 1000
