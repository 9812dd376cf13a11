"""Hit ratio of W-TinyLFU beside LRU, and the cost of the cache's steps: `python -m tests.bench.cache_policy`.

Traces are drawn with a fixed seed: questions of a customer service (Zipf), the same with bursts of questions asked once
(scans), and with a popularity that moves on. Each policy gets the same bytes. Costs are medians on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import statistics
import tempfile
import time
import timeit
import tracemalloc
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

import msgspec

from cache.address import parse_address
from cache.aio.cache import Cache
from cache.aio.disk import DiskStore
from cache.aio.memory import MemoryStore
from cache.aio.redis_client import RedisAccess, connect
from cache.aio.redis_store import RedisStore
from cache.canonical import read
from cache.entry import Entry
from cache.key import key_of
from cache.policy import Decision, judge
from cache.rules import Rules
from cache.seal import Sealer
from cache.tinylfu import TinyLfu
from tests.support.cache_values import entry, key, question
from tests.support.redis_servers import redis_server

QUESTIONS = 20_000
Trace = Callable[[Random, int], Iterator[int]]


class Lru:
    """The yardstick."""

    def __init__(self, max_bytes: int) -> None:
        self._held: OrderedDict[bytes, int] = OrderedDict()
        self._room = max_bytes

    def get(self, digest: bytes) -> int | None:
        size = self._held.get(digest)
        if size is not None:
            self._held.move_to_end(digest)
        return size

    def put(self, digest: bytes, value: int, size: int) -> None:
        self._held[digest] = size
        self._room -= size
        while self._room < 0:
            self._room += self._held.popitem(last=False)[1]


def zipf(chance: Random, count: int, exponent: float = 0.9) -> Iterator[int]:
    """Ranks of questions, the most popular first."""
    weights = list(accumulate(rank**-exponent for rank in range(1, QUESTIONS + 1)))
    for _ in range(count):
        yield bisect_left(weights, chance.random() * weights[-1])


def scans(chance: Random, count: int) -> Iterator[int]:
    """Now and then a batch job asks a thousand questions of its own."""
    for n, question_number in enumerate(zipf(chance, count)):
        yield question_number
        if n % 10_000 == 0:
            yield from range(1_000_000 + n, 1_001_000 + n)


def moving(chance: Random, count: int) -> Iterator[int]:
    """What is asked about today isn't tomorrow: a fifth of the ranks change hands ten times."""
    for n, rank in enumerate(zipf(chance, count)):
        yield rank if rank % 5 else rank + QUESTIONS * (1 + n * 10 // count)


def ratio(policy: Lru | TinyLfu[int], trace: Iterator[int]) -> float:
    """Of requests answered."""
    hits = asked = 0
    for number in trace:
        digest = hashlib.sha256(b"%d" % number).digest()
        size = 400 + digest[0] * 12  # 0.4 to 3.5 KB
        asked += 1
        if policy.get(digest) is not None:
            hits += 1
        else:
            policy.put(digest, size, size)
    return hits / asked


def ratios(requests: int) -> None:
    print(f"{requests:,} requests over {QUESTIONS:,} questions, seed 7; hit ratio in %")
    print(f"{'trace':8} {'room':>6} {'LRU':>6} {'W-TinyLFU':>10}")
    traces: dict[str, Trace] = {"zipf 0.9": zipf, "scans": scans, "moving": moving}
    for name, trace in traces.items():
        for share in (0.01, 0.05, 0.2):
            room = int(QUESTIONS * 1930 * share)
            lru = ratio(Lru(room), trace(Random(7), requests))
            lfu = ratio(TinyLfu(room), trace(Random(7), requests))
            print(f"{name:8} {share:6.0%} {lru * 100:6.1f} {lfu * 100:10.1f}")


def cost(name: str, work: Callable[[], object], number: int) -> None:
    runs = timeit.repeat(work, number=number, repeat=7)
    print(f"{name:44} {statistics.median(runs) / number * 1e6:9.1f}")


def conversation(size: int) -> bytes:
    turn = {"role": "user", "content": 'Where is my order "4711"? 我的订单在哪里？ ' * 5}
    body = {"model": "gpt-4.1", "temperature": 0, "messages": [turn] * max(1, size // 250)}
    return json.dumps(body, ensure_ascii=False).encode()


def costs() -> None:
    print("\nmicroseconds per call")
    rules, sealer, digest = Rules(), Sealer(), bytes(32)
    for size, number in ((2_000, 2000), (200_000, 20)):
        asked = question(conversation(size))
        cost(f"judge, {len(asked.body):,} bytes of request", lambda a=asked: judge(a, rules), number)
        cost("  of it SHA-256 of the raw bytes", lambda a=asked: hashlib.sha256(a.body).digest(), number)
        cost("  of it the key", lambda a=asked: key_of(a, read(a.body).document), number)
    picture = base64.b64encode(Random(1).randbytes(150_000)).decode()
    seen = question({"temperature": 0, "messages": [{"image_url": {"url": f"data:image/png;base64,{picture}"}}]})
    cost(f"judge, a picture of {len(picture):,} characters", lambda: judge(seen, rules), 50)
    plain = question(conversation(2000).replace(b'"temperature": 0,', b""))
    cost("judge, the first without temperature", lambda: judge(plain, rules), 5000)
    drawn = question(b'{"model":"m"}', headers=[(b"cache-control", b"no-store")])
    cost("judge, no-store", lambda: judge(drawn, rules), 5000)
    reply = entry(b'data: {"choices":[{"index":0,"delta":{"content":" word"}}]}\n\n' * 60)
    blob = sealer.seal(reply, digest)
    cost(f"seal, {len(reply.body):,} bytes of reply", lambda: sealer.seal(reply, digest), 2000)
    cost(f"open, {len(blob):,} bytes stored", lambda: sealer.open(blob, digest), 2000)
    lfu: TinyLfu[bytes] = TinyLfu(10_000_000)
    lfu.put(digest, b"", 100)
    cost("W-TinyLFU: a hit", lambda: lfu.get(digest), 5000)
    asyncio.run(stores(reply))


async def stores(reply: Entry) -> None:
    """Whole lookups, one after the other; wall time."""
    decision = judge(question(), Rules())
    reply = msgspec.structs.replace(reply, created_at_utc=time.time(), expires_at_utc=time.time() + 600)
    with tempfile.TemporaryDirectory() as folder:
        async with redis_server(Path(folder)) as server:
            far = RedisStore(connect(parse_address(f"redis://127.0.0.1:{server.port}"), RedisAccess()))
            disk = DiskStore(Path(folder, "cache.db"), 10_000_000)
            for name, store in (("memory", MemoryStore(10_000_000)), ("disk", disk), ("Redis on loopback", far)):
                await look_up(f"{name}: a hit, opened", Cache(store), decision, reply)


async def look_up(name: str, cache: Cache, decision: Decision, reply: Entry) -> None:
    cache.keep(decision, reply)
    while not cache.counts.stored:
        await asyncio.sleep(0.01)
    taken = []
    for _ in range(2000):
        began = time.perf_counter()
        found = await cache.look_up(decision)
        taken.append(time.perf_counter() - began)
        assert found is not None
    await cache.close()
    p50, p99 = statistics.median(taken), sorted(taken)[int(len(taken) * 0.99)]
    print(f"{name:44} {p50 * 1e6:9.1f}   (p99 {p99 * 1e6:.0f})")


def overhead() -> None:
    """Memory of an entry beside its bytes, for the memory store's own bookkeeping."""
    count, blob_bytes = 20_000, 500
    tracemalloc.start()
    store = MemoryStore(10**9)
    before = tracemalloc.get_traced_memory()[0]
    for n in range(count):
        coroutine = store.put(key(n), b"%500d" % n, 60.0)
        try:
            coroutine.send(None)
        except StopIteration:
            pass
    used = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    print(f"\nmemory per entry beside its bytes: {used - blob_bytes:.0f} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    ratios(parser.parse_args().requests)
    costs()
    overhead()


if __name__ == "__main__":
    main()
