"""[cache] and [[cache.rule]] in the file; what stores are made from."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from cache.rules import DEFAULT_RULES, Rule
from cache.settings import CacheSettings
from edge.config.caching import MIB, settings
from edge.config.model import Cache, Snapshot
from edge.config.read import Outcome, read
from edge.config.summary import document, summary, warnings

SECRET = "s" * 32
ENVIRONMENT = {"SECRET": SECRET, "SHORT": "short", "PASSWORD": "pw"}


def reading(text: str) -> Outcome:
    return read(text, ENVIRONMENT, lambda name: b"", "/etc/farline/farline.toml")


def made(text: str) -> Snapshot:
    outcome = reading(text)
    assert outcome.faults == () and outcome.snapshot is not None
    return outcome.snapshot


def fault(text: str) -> str:
    (only,) = reading(text).faults
    return str(only)


def test_without_a_section_there_is_a_cache_in_memory() -> None:
    assert made("").cache == Cache() == Snapshot().cache
    assert Cache().rules.rules == DEFAULT_RULES
    assert settings(Snapshot(), None) == CacheSettings(memory_bytes=256 * MIB, disk_bytes=0)
    assert settings(Snapshot(), None).cipher_key is None


@pytest.mark.parametrize(
    ("store", "wanted"),
    [
        ("off", {"kind": "off"}),
        ("memory", {"kind": "memory"}),
        ("disk", {"kind": "disk", "file": "/var/state/cache/answers-0.sqlite"}),
        ("disk:answers", {"kind": "disk", "file": "/etc/farline/answers/answers-0.sqlite"}),
        ("redis://u@h:1/2", {"kind": "redis"}),
    ],
)
def test_stores(store: str, wanted: dict[str, Any]) -> None:
    snapshot = made(f'[node]\nstate_dir = "/var/state"\n[cache]\nstore = "{store}"\nsecret = "env:SECRET"')
    told = settings(snapshot, None)
    assert {name: getattr(told, name) for name in wanted} == wanted
    assert told.cipher_key == hashlib.sha256(b"farline cache\0" + SECRET.encode()).digest()
    assert str(snapshot.cache.store) == store
    if told.redis is not None:
        assert (told.redis.hosts, told.redis.user, told.redis.database) == ((("h", 1),), "u", 2)


def test_workers_share_what_the_node_has() -> None:
    text = '[listen]\nworkers = 4\n[cache]\nstore = "disk:/d"\nmemory_mb = 100\ndisk_mb = 1000\nlookup_ms = 20'
    told = settings(made(text), 2)
    assert (told.memory_bytes, told.disk_bytes, told.lookup_timeout) == (25 * MIB, 250 * MIB, 0.02)
    assert told.file == "/d/answers-2.sqlite"


def test_redis_and_its_password() -> None:
    told = settings(made('[cache]\nstore = "redis://h"\nredis_password = "env:PASSWORD"'), None)
    assert told.login.password == "pw" and "pw" not in repr(told)
    assert told.shares_flights
    text = '[cache]\nstore = "redis://h"\nsingle_flight = false'
    assert not settings(made(text), None).shares_flights


def test_rules_stand_before_the_built_in_ones() -> None:
    text = """
    [[key]]
    id = "app"
    key = "env:SECRET"
    zero_retention = true
    [[cache.rule]]
    models = ["gpt-4*"]
    keys = ["app"]
    providers = ["openai", "azure-*"]
    what = "all"
    ttl_seconds = 60
    max_reply_mb = 2
    max_request_mb = 0.5
    headers = ["X-Variant"]
    [[cache.rule]]
    what = "none"
    """
    rules = made(text).cache.rules
    first = Rule(
        models=("gpt-4*",),
        tenants=("app",),
        providers=("openai", "azure-*"),
        what="all",
        ttl=60.0,
        largest_reply_bytes=2 * MIB,
        largest_request_bytes=MIB // 2,
        headers=(b"x-variant",),
    )
    assert rules.rules == (first, Rule(what="none"), *DEFAULT_RULES)
    assert rules.zero_retention == {"app"}
    assert not rules.only_deterministic and rules.largest_request_bytes == MIB
    assert made("[cache]\ndefault_rules = false").cache.rules.rules == ()
    assert made("[cache]\ndefault_rules = false").cache.rules.largest_request_bytes == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cache]\nstore = 1", "is an integer"),
        ('[cache]\nstore = "tape"', "is no store"),
        ('[cache]\nstore = "disk:"', "is no store"),
        ('[cache]\nstore = "redis://a,b"', "several hosts"),
        ('[cache]\nstore = "disk"', "has no directory"),
        ("[cache]\nmemory_mb = 0", "no memory"),
        ('[cache]\nsecret = "env:SHORT"', "fewer than 32"),
        ('[cache]\nredis_password = "env:PASSWORD"', "for a store at redis"),
        ('[[cache.rule]]\nproviders = ["opena"]', "is no provider"),
        ('[[key]]\nid = "a"\nkey = "env:SECRET"\n[[cache.rule]]\nkeys = ["b"]', "is no key"),
        ('[[cache.rule]]\nheaders = ["connection"]', "never reaches a provider"),
        ('[[cache.rule]]\nheaders = ["x-farline-line"]', "never reaches a provider"),
        ("[[cache.rule]]\nttl_seconds = 0", "is too small"),
    ],
)
def test_faults(text: str, told: str) -> None:
    assert told in fault(text)


def test_a_password_in_a_url_is_not_repeated() -> None:
    told = fault('[cache]\nstore = "redis://me:hunter22@h"')
    assert "hunter22" not in told and "password" in told


def test_summary_and_warnings() -> None:
    text = """
    [cache]
    store = "redis://h"
    [[cache.rule]]
    operations = ["embeddings"]
    scope = "shared"
    """
    snapshot = made(text)
    assert len([one for one in warnings(snapshot) if "shared" in one or "no secret" in one]) == 2
    told = summary(snapshot)["cache"]
    assert told["store"] == "redis://h" and not told["encrypted"] and told["disk_mb"] is None
    assert told["rules"][0]["for"] == {"operations": ["embeddings"]}
    whole = document(made('[[cache.rule]]\nheaders = ["x-variant"]\n[cache]\nsecret = "env:SECRET"').cache)
    assert whole["secret"] == "env:SECRET" and whole["rules"]["rules"][0]["headers"] == ["x-variant"]
