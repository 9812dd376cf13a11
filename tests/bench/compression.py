"""What compression saves and costs: `python -m tests.bench.compression [--json]`; docs/compression.md has the tables.

Streams are made of the texts in tests/data/corpus, a few characters per event as providers send them. Memory is what a
process grows by for each of 200 streams that are under way.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import thread_time
from typing import Any

import brotli
import zstandard

from edge.codings.encoders import encoder
from edge.dialects.inflate import inflater

CORPUS = Path(__file__).resolve().parents[1] / "data" / "corpus"
ROOT = CORPUS.parents[2]
CODINGS = (b"gzip", b"zstd", b"br")
ROUNDS = 9
STREAMS = 200

Json = dict[str, Any]


def text(name: str) -> str:
    return (CORPUS / f"{name}.txt").read_text()


def tokens(words: str) -> list[str]:
    """About what a tokenizer makes of it: up to six letters, or two Chinese characters."""
    return re.findall(r"\s?[A-Za-z0-9]{1,6}|[\u4e00-\u9fff]{1,2}|\s+|.", words)


def line(body: Json) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def chat(token: str, chance: random.Random) -> bytes:
    head = {"id": "chatcmpl-CQ3b8aF1kd83jfhKq0sLZb2", "object": "chat.completion.chunk", "created": 1763800000}
    said = {"index": 0, "delta": {"content": token}, "logprobs": None, "finish_reason": None}
    padding = "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=8))
    rest = {"model": "gpt-4.1-2025-04-14", "service_tier": "default", "system_fingerprint": "fp_e24a1fec47"}
    return line({**head, **rest, "choices": [said], "usage": None, "obfuscation": padding})


def message(token: str, chance: random.Random) -> bytes:
    told = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": token}}
    return b"event: content_block_delta\n" + line(told)


def generate(token: str, chance: random.Random) -> bytes:
    counts = {"promptTokenCount": 811, "candidatesTokenCount": chance.randrange(1000), "totalTokenCount": 1500}
    candidate = {"content": {"parts": [{"text": token}], "role": "model"}, "index": 0}
    more = {"usageMetadata": counts, "modelVersion": "gemini-2.5-flash", "responseId": "pR0iafn3KbjVz7IP"}
    return line({"candidates": [candidate], **more})


def streams() -> Iterator[tuple[str, list[bytes]]]:
    """(name, events)"""
    for name, make in (("OpenAI", chat), ("Anthropic", message), ("Gemini", generate)):
        for language in ("english", "chinese"):
            chance = random.Random(7)
            yield f"{name}, {language}", [make(token, chance) for token in tokens(text(language))]


def reply(words: str) -> bytes:
    said = {"index": 0, "message": {"role": "assistant", "content": words}, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 300, "completion_tokens": 700, "total_tokens": 1000}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1763800000, "choices": [said], "usage": usage}
    return json.dumps(whole, ensure_ascii=False).encode()


def documents() -> Iterator[tuple[str, bytes]]:
    chance = random.Random(7)
    yield "reply, English", reply(text("english"))
    yield "reply, Chinese", reply(text("chinese"))
    models = [{"id": f"gpt-{n}", "object": "model", "created": 1700000000 + n, "owned_by": "system"} for n in range(80)]
    yield "list of models", json.dumps({"object": "list", "data": models}).encode()
    vectors = [[chance.uniform(-0.1, 0.1) for _ in range(1536)] for _ in range(4)]
    yield "embeddings", json.dumps({"data": [{"embedding": vector} for vector in vectors]}).encode()


def timed(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Microseconds of CPU of the fastest round."""
    best = float("inf")
    for _ in range(rounds):
        began = thread_time()
        run()
        best = min(best, thread_time() - began)
    return best * 1e6


def encoded(coding: bytes, pieces: list[bytes], length: int | None) -> bytes:
    made = encoder(coding, length)
    return b"".join([made.feed(piece) for piece in pieces]) + made.finish()


def check(coding: bytes, packed: bytes, plain: bytes) -> None:
    found = inflater(coding)
    assert found is not None and b"".join(found.inflate(packed)) == plain


def of_streams() -> list[Json]:
    rows = []
    for name, events in streams():
        plain = b"".join(events)
        row: Json = {"stream": name, "events": len(events), "bytes_per_event": len(plain) / len(events)}
        for coding in CODINGS:
            packed = encoded(coding, events, None)
            check(coding, packed, plain)
            cost = timed(lambda coding=coding, events=events: encoded(coding, events, None)) / len(events)
            row[coding.decode()] = {"ratio": len(plain) / len(packed), "us_per_event": cost}
        rows.append(row)
    return rows


def of_documents() -> list[Json]:
    rows = []
    for name, body in documents():
        row: Json = {"document": name, "bytes": len(body)}
        for coding in CODINGS:
            packed = encoded(coding, [body], len(body))
            check(coding, packed, body)
            cost = timed(lambda coding=coding, body=body: encoded(coding, [body], len(body)), 20)
            row[coding.decode()] = {"ratio": len(body) / len(packed), "us": cost}
        rows.append(row)
    return rows


def memory_kib(coding: bytes) -> float:
    """What one stream that is under way holds, measured in a process of its own."""
    events = next(events for _, events in streams())[:100]
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        encoder(coding, None).feed(events[0])
        gc.collect()
        before, kept = resident_bytes(), []
        for _ in range(STREAMS):
            kept.append(encoder(coding, None))
            for event in events:
                kept[-1].feed(event)
        os.write(sending, str((resident_bytes() - before) / STREAMS / 1024).encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(receiving, 100)
    os.close(receiving)
    os.close(sending)
    return float(told)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def of_claims() -> list[Json]:
    """Percent saved on real text, as a node compresses documents and as well as the codings can at any cost."""
    code = b"".join(path.read_bytes() for path in sorted((ROOT / "edge" / "serve").glob("*.py")))
    english = next(events for _, events in streams())
    samples = {
        "code, one file": (ROOT / "edge" / "serve" / "pipeline.py").read_bytes(),
        "code, a package": code,
        "Chinese": text("chinese").encode(),
        "English": text("english").encode(),
        "JSON, tools of a request": (CORPUS / "tools.json").read_bytes(),
        "JSON, a streamed reply": b"".join(english),
        "JSON, a whole reply": reply(text("english")),
    }
    best: dict[str, Callable[[bytes], bytes]] = {
        "gzip 9": lambda body: zlib.compress(body, 9, 31),
        "br 11": lambda body: brotli.compress(body, quality=11),
        "zstd 19": zstandard.ZstdCompressor(level=19).compress,
    }
    rows = []
    for name, body in samples.items():
        row: Json = {"text": name, "bytes": len(body)}
        for coding in CODINGS:
            row[coding.decode()] = saved(body, encoded(coding, [body], len(body)))
        row |= {how: saved(body, pack(body)) for how, pack in best.items()}
        rows.append(row)
    return rows


def saved(plain: bytes, packed: bytes) -> float:
    return 100.0 * (1.0 - len(packed) / len(plain))


def shown(found: Json) -> None:
    names = [coding.decode() for coding in CODINGS]
    print("| stream | bytes per event | " + " | ".join(f"{name}: ratio, µs per event" for name in names) + " |")
    for row in found["streams"]:
        cells = [f"{row[name]['ratio']:.1f}, {row[name]['us_per_event']:.1f}" for name in names]
        print(f"| {row['stream']} | {row['bytes_per_event']:.0f} | " + " | ".join(cells) + " |")
    print("| KiB per stream | | " + " | ".join(f"{found['memory_kib'][name]:.0f}" for name in names) + " |\n")
    print("| document | bytes | " + " | ".join(f"{name}: ratio, µs" for name in names) + " |")
    for row in found["documents"]:
        cells = [f"{row[name]['ratio']:.1f}, {row[name]['us']:.0f}" for name in names]
        print(f"| {row['document']} | {row['bytes']} | " + " | ".join(cells) + " |")
    columns = [name for name in found["claims"][0] if name not in ("text", "bytes")]
    print("\n| saved, % | bytes | " + " | ".join(columns) + " |")
    for row in found["claims"]:
        print(f"| {row['text']} | {row['bytes']} | " + " | ".join(f"{row[name]:.0f}" for name in columns) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {
        "streams": of_streams(),
        "documents": of_documents(),
        "memory_kib": {coding.decode(): memory_kib(coding) for coding in CODINGS},
        "claims": of_claims(),
    }
    if asked.json:
        print(json.dumps(found))
    else:
        shown(found)


if __name__ == "__main__":
    main()
