"""What the event encoding saves and costs: `python -m tests.bench.events [--rounds N] [--streams N]`.

Every stream is encoded and decoded event by event, and compared. Times are CPU of the best of several rounds; memory is
what a thousand (or N) live encoders and decoders add to a process, begun and in the middle of their streams. Beside it,
the general ways, each with a flush per event: deflate with a window of 2^14, gzip as for clients, zstd with small
tables and the stream's first event as its dictionary, and zstd's defaults. Then requests, of texts that the
dictionaries were not trained on.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import statistics
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import zstandard

from tests.support.event_streams import KINDS, Events, all_streams
from tests.support.requests import BODIES, Writer, request_head, response_head
from transport.message import Headers
from transport.session.events import heads
from transport.session.events.bodies import BodyDecoder, BodyEncoder
from transport.session.events.decoder import EventDecoder
from transport.session.events.dictionaries import Dictionary
from transport.session.events.encoder import EventEncoder


class Encoder(Protocol):
    def encode(self, chunk: bytes) -> bytes: ...


class Decoder(Protocol):
    def decode(self, data: bytes) -> bytes: ...


class Deflate:
    def __init__(self, bits: int, memory: int) -> None:
        self._context = zlib.compressobj(6, zlib.DEFLATED, bits, memory)

    def encode(self, chunk: bytes) -> bytes:
        return self._context.compress(chunk) + self._context.flush(zlib.Z_SYNC_FLUSH)


class Inflate:
    def __init__(self, bits: int) -> None:
        self._context = zlib.decompressobj(bits)

    def decode(self, data: bytes) -> bytes:
        return self._context.decompress(data)


class Zstd:
    """One compressor a stream: the streaming objects of one share a context."""

    def __init__(self, small: bool, first: bytes) -> None:
        if small:
            parameters = zstandard.ZstdCompressionParameters.from_level(
                1, window_log=14, hash_log=12, chain_log=12, write_content_size=False
            )
            words = zstandard.ZstdCompressionDict(first, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
            self._owner = zstandard.ZstdCompressor(compression_params=parameters, dict_data=words)
        else:
            self._owner = zstandard.ZstdCompressor()
        self._context = self._owner.compressobj()

    def encode(self, chunk: bytes) -> bytes:
        return self._context.compress(chunk) + self._context.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


class Unzstd:
    def __init__(self, small: bool, first: bytes) -> None:
        words = zstandard.ZstdCompressionDict(first, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if small else None
        self._owner = zstandard.ZstdDecompressor(dict_data=words)
        self._context = self._owner.decompressobj()

    def decode(self, data: bytes) -> bytes:
        return self._context.decompress(data)


Pair = tuple[Callable[[bytes], Encoder], Callable[[bytes], Decoder]]
WAYS: dict[str, Pair] = {
    "events": (lambda _: EventEncoder(), lambda _: EventDecoder()),
    "deflate 2^14": (lambda _: Deflate(-14, 8), lambda _: Inflate(-14)),
    "gzip 2^12": (lambda _: Deflate(28, 4), lambda _: Inflate(28)),
    "zstd small": (lambda first: Zstd(True, first), lambda first: Unzstd(True, first)),
    "zstd default": (lambda _: Zstd(False, b""), lambda _: Unzstd(False, b"")),
}


def sizes(events: Events, way: Pair) -> list[int]:
    """Bytes per event; compares what comes back."""
    encoder, decoder = way[0](events[0]), way[1](events[0])
    records = [encoder.encode(event) for event in events]
    assert [decoder.decode(record) for record in records] == events
    return [len(record) for record in records]


def micros(events: Events, way: Pair, rounds: int) -> tuple[float, float]:
    """CPU µs per event: encoding, decoding."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        encode, decode = way[0](events[0]).encode, way[1](events[0]).decode
        began = time.process_time()
        records = [encode(event) for event in events]
        between = time.process_time()
        for record in records:
            decode(record)
        ended = time.process_time()
        best = [min(best[0], between - began), min(best[1], ended - between)]
    return best[0] / len(events) * 1e6, best[1] / len(events) * 1e6


def resident() -> int:
    """This process's private memory, bytes."""
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) * 1024 for row in rows if row.startswith("Private_"))


def memory(name: str, side: int, kind: str, seed: int, streams: int) -> list[float]:
    """KiB per live encoder (side 0) or decoder (1): when all have begun, and when all are midway."""
    events = next(events for found, _, events in all_streams(seed) if found == kind)
    inputs = events[: max(6, len(events) // 2)]
    make = WAYS[name]
    if side:
        encode = make[0](events[0]).encode
        inputs = [encode(event) for event in inputs]
    gc.collect()
    before = resident()
    codecs: list[Any] = [make[side](events[0]) for _ in range(streams)]
    feeds = [codec.decode if side else codec.encode for codec in codecs]
    for feed in feeds:
        feed(inputs[0])
    began = resident()
    for each in inputs[1:]:
        for feed in feeds:
            feed(each)
    gc.collect()
    return [(seen - before) / 1024 / streams for seen in (began, resident())]


def show_sizes(streams: list[tuple[str, str, Events]]) -> None:
    print("\n| stream | text | raw B | events median | mean | ratio | " + " | ".join(list(WAYS)[1:]) + " |")
    print("|---" * (6 + len(WAYS) - 1) + "|")
    for kind, language, events in streams:
        raw = statistics.mean(map(len, events))
        ours = sizes(events, WAYS["events"])
        others = [statistics.mean(sizes(events, way)) for name, way in WAYS.items() if name != "events"]
        mean = statistics.mean(ours)
        print(
            f"| {kind} | {language} | {raw:.0f} | {statistics.median(ours):.0f} | {mean:.1f} | {raw / mean:.1f} | "
            + " | ".join(f"{other:.1f}" for other in others)
            + " |"
        )


def show_times(streams: list[tuple[str, str, Events]], rounds: int) -> None:
    print("\n| stream | text | " + " | ".join(f"{name} enc + dec µs" for name in WAYS) + " |")
    print("|---" * (2 + len(WAYS)) + "|")
    for kind, language, events in streams:
        cells = ["%.2f + %.2f" % micros(events, way, rounds) for way in WAYS.values()]
        print(f"| {kind} | {language} | " + " | ".join(cells) + " |")


def show_memory(kinds: list[str], seed: int, count: int) -> None:
    """Each figure from a process of its own: what one freed would hide what the next one takes."""
    print("\n| stream | " + " | ".join(f"{name} KiB enc + dec, begun → midway" for name in WAYS) + " |")
    print("|---" * (1 + len(WAYS)) + "|")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for kind in kinds:
            cells = []
            for name in WAYS:
                streams = count if name == "events" else count // 5
                both = pool.starmap(memory, [(name, side, kind, seed, streams) for side in (0, 1)], chunksize=1)
                cells.append(
                    " → ".join(f"{encoder:.1f} + {decoder:.1f}" for encoder, decoder in zip(*both, strict=True))
                )
            print(f"| {kind} | " + " | ".join(cells) + " |")


def show_requests(count: int = 200) -> None:
    print(
        "\n| request | body B | events | zstd alone | deflate | enc + dec µs "
        "| head B | frame | secrets | reply head B | events |"
    )
    print("|---" * 11 + "|")
    for kind, make in BODIES.items():
        writer = Writer("bench", unseen=True)
        bodies = [make(writer) for _ in range(count)]
        asked = [heads.encode_request(request_head(writer, kind)) for _ in range(count)]
        told = [heads.encode_response(response_head(writer, kind)) for _ in range(count)]
        known, alone = Dictionary[kind.upper()], Dictionary.NONE
        began = time.process_time()
        small = [BodyEncoder(known).finish(body) for body in bodies]
        between = time.process_time()
        assert [BodyDecoder().decode(body) for body in small] == bodies
        ended = time.process_time()
        secrets = [sum(map(len, heads.split_request(heads.decode_request(head))[1])) for head in asked]
        cells = [
            total(bodies) / count,
            total(small) / count,
            total([BodyEncoder(alone).finish(body) for body in bodies]) / count,
            total([zlib.compress(body) for body in bodies]) / count,
            "%.0f + %.0f" % ((between - began) / count * 1e6, (ended - between) / count * 1e6),
            statistics.mean(plain_bytes(heads.decode_request(head).headers) for head in asked),
            total(asked) / count - statistics.mean(secrets),
            statistics.mean(secrets),
            statistics.mean(plain_bytes(heads.decode_response(head).headers) for head in told),
            total(told) / count,
        ]
        print(f"| {kind} | " + " | ".join(cell if isinstance(cell, str) else f"{cell:.0f}" for cell in cells) + " |")


def total(parts: list[bytes]) -> int:
    return sum(map(len, parts))


def plain_bytes(headers: Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    streams = list(all_streams(asked.seed))
    show_sizes(streams)
    show_requests()
    show_times(streams, asked.rounds)
    if asked.streams:
        show_memory(list(KINDS), asked.seed, asked.streams)


if __name__ == "__main__":
    main()
