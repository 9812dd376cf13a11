"""transport/dns.py: fresh, expired, failed and stale names."""

from __future__ import annotations

from transport.dns import Answer, DnsCache, DnsPolicy, NameFailure

ADDRESSES = ("192.0.2.1", "2001:db8::1")
DOWN = NameFailure("dns_timeout", "no answer")
POLICY = DnsPolicy(ttl=100, negative_ttl=5, stale=1000, failure_recheck=30, refresh_ahead=0.8)


def test_unknown_then_fresh_then_expired() -> None:
    cache = DnsCache(POLICY)
    assert cache.get("a", 0) is None
    cache.store("a", ADDRESSES, 0)
    assert cache.get("a", 79) == Answer(ADDRESSES)
    assert cache.get("b", 79) is None
    assert cache.get("a", 100) is None


def test_a_refresh_is_asked_for_once() -> None:
    cache = DnsCache(POLICY)
    cache.store("a", ADDRESSES, 0)
    assert cache.get("a", 80) == Answer(ADDRESSES, refresh=True)
    assert cache.get("a", 81) == Answer(ADDRESSES)
    cache.store("a", ("192.0.2.9",), 82)
    assert cache.get("a", 100) == Answer(("192.0.2.9",))


def test_a_failure_is_remembered_for_a_short_while() -> None:
    cache = DnsCache(POLICY)
    assert cache.fail("a", DOWN, 0) is DOWN
    assert cache.get("a", 4.9) is DOWN
    assert cache.get("a", 5) is None
    cache.fail("a", DOWN, 6)
    cache.store("a", ADDRESSES, 7)
    assert cache.get("a", 7) == Answer(ADDRESSES)


def test_stale_answers_while_the_resolver_fails() -> None:
    cache = DnsCache(POLICY)
    cache.store("a", ADDRESSES, 0)
    assert cache.fail("a", DOWN, 150) == Answer(ADDRESSES)
    assert cache.get("a", 179) == Answer(ADDRESSES)
    assert cache.get("a", 180) is None
    assert cache.fail("a", DOWN, 1100) is DOWN
    assert cache.get("a", 1101) is DOWN


def test_a_failed_refresh_never_shortens_a_fresh_answer() -> None:
    cache = DnsCache(POLICY)
    cache.store("a", ADDRESSES, 0)
    assert cache.fail("a", DOWN, 20) == Answer(ADDRESSES)
    assert cache.get("a", 99) == Answer(ADDRESSES)


def test_defaults() -> None:
    cache = DnsCache()
    cache.store("a", ADDRESSES, 0)
    assert cache.get("a", 59) == Answer(ADDRESSES, refresh=True)
