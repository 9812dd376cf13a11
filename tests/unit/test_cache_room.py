"""What is kept (sketch, W-TinyLFU), what goes (purges), and when a store is left alone (circuit)."""

from __future__ import annotations

import hashlib
from random import Random

import pytest

from cache.address import BadAddress, RedisAddress, parse_address
from cache.circuit import Circuit
from cache.purge import Purge
from cache.sketch import Sketch
from cache.tinylfu import TinyLfu
from tests.support.cache_values import key


def digest(n: int) -> bytes:
    return hashlib.sha256(b"%d" % n).digest()


def test_the_sketch_never_counts_too_little() -> None:
    sketch = Sketch(256)
    for n in range(60):
        for _ in range(n % 20):
            sketch.record(digest(n))
    for n in range(60):
        assert sketch.estimate(digest(n)) >= min(15, n % 20)
    assert sketch.estimate(digest(1000)) <= 2


def test_counts_stop_at_fifteen_and_fade() -> None:
    sketch = Sketch(64)
    for _ in range(640):
        sketch.record(digest(1))
    assert sketch.estimate(digest(1)) == 15
    sketch.record(digest(2))
    assert sketch.estimate(digest(1)) == 7


def test_a_tiny_sketch_works() -> None:
    sketch = Sketch(0)
    sketch.record(digest(1))
    assert sketch.estimate(digest(1)) == 1


def test_gives_back_what_was_put() -> None:
    lfu: TinyLfu[str] = TinyLfu(1000, window_ratio=0.2)
    lfu.put(digest(1), "one", 100)
    lfu.put(digest(1), "uno", 150)
    lfu.put(digest(2), "two", 100)
    assert lfu.get(digest(1)) == lfu.peek(digest(1)) == "uno"
    assert lfu.get(digest(2)) == "two"
    assert lfu.get(digest(3)) is lfu.peek(digest(3)) is None
    assert (len(lfu), lfu.used_bytes, set(lfu)) == (2, 250, {digest(1), digest(2)})
    assert lfu.pop(digest(1)) == "uno"
    assert lfu.pop(digest(1)) is None
    lfu.clear()
    assert (len(lfu), lfu.used_bytes, lfu.get(digest(2))) == (0, 0, None)


def test_what_does_not_fit_is_not_kept() -> None:
    lfu: TinyLfu[int] = TinyLfu(1000)
    lfu.put(digest(1), 1, 500)
    lfu.put(digest(2), 2, 1001)
    assert (lfu.get(digest(1)), lfu.get(digest(2))) == (1, None)
    empty: TinyLfu[int] = TinyLfu(0)
    empty.put(digest(1), 1, 1)
    assert len(empty) == 0


def test_a_flood_of_single_questions_does_not_empty_it() -> None:
    lfu: TinyLfu[int] = TinyLfu(10_000)
    for _ in range(3):
        for n in range(50):
            if lfu.get(digest(n)) is None:
                lfu.put(digest(n), n, 100)
    for n in range(1000, 5000):
        assert lfu.get(digest(n)) is None
        lfu.put(digest(n), n, 100)
    assert sum(lfu.peek(digest(n)) is not None for n in range(50)) >= 45
    assert lfu.evictions > 3000


def test_a_large_newcomer_must_outweigh_all_its_victims() -> None:
    lfu: TinyLfu[int] = TinyLfu(1000, window_ratio=0.0)
    for n in range(10):
        lfu.get(digest(n))
        lfu.get(digest(n))
        lfu.put(digest(n), n, 100)
    for _ in range(3):
        lfu.get(digest(99))
    lfu.put(digest(99), 99, 500)
    assert lfu.peek(digest(99)) is None
    for _ in range(12):
        lfu.get(digest(99))
    lfu.put(digest(99), 99, 500)
    assert lfu.peek(digest(99)) == 99
    assert lfu.used_bytes == 1000


def test_a_third_hit_protects_and_the_protected_overflow() -> None:
    lfu: TinyLfu[int] = TinyLfu(1000, window_ratio=0.0)
    for n in range(10):
        lfu.put(digest(n), n, 100)
    for n in range(10):
        assert lfu.get(digest(n)) == n  # to protected, until 800 bytes are
        assert lfu.get(digest(n)) == n
    assert len(lfu) == 10 and lfu.used_bytes == 1000
    for _ in range(5):
        lfu.get(digest(50))
    lfu.put(digest(50), 50, 100)
    assert lfu.peek(digest(50)) == 50
    assert len(lfu) == 10


def test_never_over_its_bound_whatever_comes() -> None:
    chance, lfu = Random(1), TinyLfu[int](20_000)
    for _ in range(20_000):
        n = int(chance.paretovariate(0.7)) % 3000
        if chance.random() < 0.02:
            lfu.pop(digest(n))
        elif lfu.get(digest(n)) is None:
            lfu.put(digest(n), n, 1 + n * 37 % 3000)
        assert lfu.used_bytes <= 20_000
    segments = (lfu._window, lfu._probation, lfu._protected)
    assert lfu.used_bytes == sum(size for segment in segments for _, size in segment.values())


def test_purges() -> None:
    one = key("x", tenant="team+abc", provider="openai", model="gpt-4.1")
    fitting = [
        Purge(),
        Purge(digest=one.digest),
        Purge(model="gpt-4.1"),
        Purge(tenant="team"),
        Purge(tenant="team+abc"),
        Purge(prefix="openai/gpt-4"),
        Purge(model="gpt-4.1", tenant="team", prefix=one.name),
    ]
    others = [
        Purge(digest=b"x"),
        Purge(model="gpt-4"),
        Purge(tenant="tea"),
        Purge(prefix="anthropic"),
        Purge(model="gpt-4.1", tenant="other"),
    ]
    assert all(purge.fits(one) for purge in fitting)
    assert not any(purge.fits(one) for purge in others)


def test_three_faults_in_a_row_open_the_circuit() -> None:
    circuit = Circuit()
    assert not circuit.failed(0.0)
    assert not circuit.failed(0.0)
    assert not circuit.succeeded()
    assert [circuit.failed(0.0) for _ in range(3)] == [False, False, True]
    assert not circuit.is_admitted and circuit.trips == 1
    assert not circuit.may_call(0.9)


def opened() -> Circuit:
    circuit = Circuit(tolerated=1, base=1.0, longest=4.0)
    assert circuit.failed(0.0)
    return circuit


def test_one_trial_after_the_pause() -> None:
    circuit = opened()
    assert circuit.may_call(1.0)
    assert not circuit.may_call(1.5)
    assert circuit.succeeded()
    assert circuit.is_admitted and circuit.may_call(1.5)


def test_a_lost_trial_is_followed_by_another() -> None:
    circuit = opened()
    assert circuit.may_call(1.0)
    assert circuit.may_call(2.0)


def test_the_pause_doubles_up_to_its_bound() -> None:
    circuit, now = opened(), 1.0
    for pause in (2.0, 4.0, 4.0):
        assert circuit.may_call(now)
        assert not circuit.failed(now)
        assert not circuit.may_call(now + pause - 0.1)
        now += pause
    assert circuit.trips == 1


def test_late_faults_change_nothing() -> None:
    circuit = opened()
    assert not circuit.failed(0.5)
    assert circuit.may_call(1.0)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://r", RedisAddress("single", (("r", 6379),))),
        ("redis://app@r:1/2", RedisAddress("single", (("r", 1),), "app", 2)),
        ("rediss://[::1]:7/", RedisAddress("single", (("::1", 7),), is_tls=True)),
        ("redis+cluster://a,b:7", RedisAddress("cluster", (("a", 6379), ("b", 7)))),
        ("rediss+sentinel://s1,s2:9/m%2F/3", RedisAddress("sentinel", (("s1", 26379), ("s2", 9)), None, 3, "m/", True)),
    ],
)
def test_addresses(url: str, expected: RedisAddress) -> None:
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://r", "not redis"),
        ("redis+other://r", "not redis"),
        ("redis://", "host"),
        ("redis://r:x", "host"),
        ("redis://r,", "host"),
        ("redis://a,b", "several"),
        ("redis://u:p@r", "password"),
        ("redis://r?x=1", "query"),
        ("redis://r/x", "database"),
        ("redis://r/1/2", "database"),
        ("redis+cluster://r/1", "database"),
        ("redis+sentinel://r", "master"),
    ],
)
def test_bad_addresses(url: str, why: str) -> None:
    with pytest.raises(BadAddress, match=why):
        parse_address(url)
