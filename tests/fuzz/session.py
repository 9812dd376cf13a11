"""Fuzzing the session's parser and core: `python -m tests.fuzz.session --seconds 30 [--seed N]`.

A packet is accepted, or refused with `WireError`; what is accepted survives being encoded and decoded again. A core
takes any packets at any times: it never raises, and what it keeps is bounded. Prints the seed of what failed.
"""

from __future__ import annotations

from random import Random

from tests.fuzz.seeds import run
from tests.support.session_pair import config
from transport.session.core import SessionCore
from transport.session.frames import (
    Ack,
    Close,
    CreditFrame,
    Frame,
    GoAway,
    Hello,
    MessageFrame,
    Offsets,
    Opening,
    ResetFrame,
    StreamFrame,
    Welcome,
)
from transport.session.values import CarrierKind, Code, Limits, Priority, Redundancy, Role
from transport.session.wire import WireError, decode, encode, encode_header, find_hello


def number(random: Random) -> int:
    return random.choice((0, 1, 2, 3, 63, 64, 1000, 70_000, 1 << 30, (1 << 62) - 1, random.getrandbits(16)))


def any_frame(random: Random) -> Frame:
    """A frame that is well formed, with fields that make sense or don't."""
    limits = Limits(number(random), number(random), number(random))
    small = random.randrange(4)
    opening = Opening(random.choice(list(Priority)), random.choice(list(Redundancy)), random.randbytes(16))
    data = random.randbytes(random.randrange(60))
    match random.randrange(11):
        case 0:
            return Ack(small, random.choice((0, 1, 2**32 - 1)), 0.001, random.randrange(129), random.getrandbits(128))
        case 1:
            return CreditFrame(small, number(random))
        case 2:
            return ResetFrame(small, number(random), number(random), "why")
        case 3:
            return MessageFrame(small, number(random), small, random.randrange(70), number(random) & 0xFFFF, 100, data)
        case 4:
            return GoAway(number(random), number(random), "")
        case 5:
            return Close(number(random), "") if random.random() < 0.05 else CreditFrame(0, 1)
        case 6:
            return Offsets(tuple((random.randrange(4), number(random)) for _ in range(random.randrange(4))))
        case 7:
            return Welcome(1, "peer", limits)
        case 8:
            config_ = config()
            return Hello(
                (1, 1),
                config_.session,
                config_.token,
                Role.EDGE,
                1,
                "peer",
                limits,
                number(random),
                random.random() < 0.5,
                "l",
            )
        case _:
            offset = random.choice((0, 1, 30, number(random)))
            return StreamFrame(small, offset, data, random.random() < 0.1, random.choice((None, opening)))


def any_packet(random: Random) -> bytes:
    """Well formed, damaged, or noise."""
    kind = random.random()
    if kind < 0.05:
        return random.randbytes(random.randrange(40))
    body = b"".join(encode(any_frame(random)) for _ in range(random.randrange(4)))
    packet = bytearray(
        encode_header(random.choice((number(random), random.randrange(50))), random.random() < 0.7) + body
    )
    if kind < 0.3:
        for _ in range(random.randrange(1, 4)):
            packet[random.randrange(len(packet))] = random.randrange(256)
        del packet[random.randrange(5, len(packet) + 1) :]
    return bytes(packet)


def try_parser(random: Random) -> None:
    """Accepted and stable, or refused with a documented error."""
    packet = any_packet(random)
    try:
        low, is_eliciting, frames = decode(packet)
        find_hello(packet)
    except WireError as error:
        if error.code in (Code.MALFORMED, Code.UNKNOWN_FRAME, Code.VERSION):
            return
        raise
    again = encode_header(low, is_eliciting) + b"".join(encode(frame) for frame in frames)
    assert decode(again) == (low, is_eliciting, frames)


def try_core(random: Random) -> None:
    """Forty packets into a core that has streams of its own."""
    role = random.choice(list(Role))
    core = SessionCore(role, config(limits=Limits(100, 65_536, 1 << 20)), 0.0)
    now = 0.0
    for carrier in (1, 2):
        core.carrier_up(carrier, CarrierKind.QUIC, "line", 1200, now)
    if role is Role.EDGE:
        for _ in range(3):
            core.write(core.open(Priority.INTERACTIVE, now), random.randbytes(100), now)
    for _ in range(40):
        now += random.choice((0.0, 0.001, 0.03, 0.5))
        core.receive(random.choice((1, 2, 3)), any_packet(random), now)
        if (due := core.timer()) is not None and due <= now:
            core.handle_timer(now)
        assert all(len(packet) <= 1200 for _, packet in core.packets(now))
        core.events()
    kept = sum(len(data) for stream in core._streams.live.values() for _, data in stream.into._ahead)
    assert kept <= 40 * 200 and core.live_streams <= 100


def attempt(seed: int) -> None:
    try:
        for _ in range(20):
            try_parser(Random(f"{seed} {_}"))
        try_core(Random(seed))
    except BaseException:
        print(f"seed {seed}")
        raise


if __name__ == "__main__":
    run(__doc__, attempt)
