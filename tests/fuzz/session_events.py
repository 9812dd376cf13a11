"""Bytes from a peer into the decoders: `python -m tests.fuzz.session_events [--seconds N] [--seed N]`.

Accepted, or refused with CorruptEvents; never anything else, and never more memory than is documented. Inputs are real
streams with a few bytes changed, cut, repeated or exchanged, in pieces. Every function below takes any bytes at all, so
a coverage-guided fuzzer can call them as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from random import Random

from tests.support.event_streams import all_streams
from tests.support.requests import BODIES, Writer, request_head, response_head
from transport.session.events import heads
from transport.session.events.bodies import BodyDecoder, BodyEncoder
from transport.session.events.decoder import EventDecoder
from transport.session.events.dictionaries import Dictionary
from transport.session.events.encoder import EventEncoder
from transport.session.events.records import CorruptEvents

LIMIT = 1 << 20


def events(data: bytes) -> bool:
    """Was it accepted? In pieces whose size the first byte tells."""
    decoder = EventDecoder(LIMIT)
    size = (data[0] if data else 0) % 61 * 7 + 1
    try:
        for at in range(0, len(data), size):
            assert len(decoder.decode(data[at : at + size])) <= LIMIT
        decoder.finish()
    except CorruptEvents:
        return False
    return True


def bodies(data: bytes) -> bool:
    decoder = BodyDecoder(LIMIT)
    try:
        assert len(decoder.decode(data)) <= LIMIT
        decoder.finish()
    except CorruptEvents:
        return False
    return True


def head(data: bytes) -> bool:
    accepted = False
    for decode in (heads.decode_request, heads.decode_response, heads.decode_trailers):
        try:
            decode(data)
            accepted = True
        except CorruptEvents:
            pass
    return accepted


def there_and_back(data: bytes) -> bool:
    """Any bytes in any pieces come back; the sizes of the pieces are the data's own bytes."""
    encoder, decoder = EventEncoder(), EventDecoder()
    at = 0
    while at < len(data):
        chunk = data[at : at + data[at] + 1]
        at += len(chunk)
        assert decoder.decode(encoder.encode(chunk)) == chunk
    decoder.decode(encoder.finish())
    decoder.finish()
    return True


def seeds() -> dict[Callable[[bytes], bool], list[bytes]]:
    """Valid inputs of each function."""
    found: dict[Callable[[bytes], bool], list[bytes]] = {each: [] for each in (events, bodies, head, there_and_back)}
    for _, _, stream in all_streams(1, 20):
        encoder = EventEncoder()
        found[events].append(b"".join(map(encoder.encode, stream)) + encoder.finish())
        found[there_and_back].append(b"".join(stream))
    for kind, make in BODIES.items():
        writer = Writer(f"fuzz {kind}")
        found[bodies].append(BodyEncoder(Dictionary[kind.upper()]).finish(make(writer)))
        found[head].append(heads.encode_request(request_head(writer, kind)))
        found[head].append(heads.encode_response(response_head(writer, kind)))
    return found


def mutated(random: Random, data: bytes, other: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        at = random.randrange(len(made) + 1)
        length = random.choice((1, 1, 2, 3, random.randrange(1, 40)))
        match random.randrange(5):
            case 0:
                made[at : at + length] = random.randbytes(length)
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = made[at : at + length] * random.randrange(1, 20)
            case 3:
                start = random.randrange(len(other) + 1)
                made[at:at] = other[start : start + length]
            case _:
                made[at:at] = bytes((random.randrange(0x80, 0xB5),))
    return bytes(made)


def run(seed: int, rounds: int) -> dict[str, tuple[int, int]]:
    """For each function: how many inputs, how many of them were accepted."""
    random = Random(seed)
    tally = {}
    for one_input, inputs in seeds().items():
        assert all(map(one_input, inputs)), one_input.__name__
        made = [mutated(random, random.choice(inputs), random.choice(inputs)) for _ in range(rounds)]
        tally[one_input.__name__] = (rounds, sum(map(one_input, made)))
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    ends = time.monotonic() + asked.seconds
    seed, inputs, accepted = asked.seed, 0, 0
    while time.monotonic() < ends:
        for count, good in run(seed, 200).values():
            inputs += count
            accepted += good
        seed += 1
    print(f"{inputs} inputs, {accepted} accepted, none raised anything but CorruptEvents; next seed {seed}")


if __name__ == "__main__":
    main()
