"""Similar questions over real stores: found, kept, reported, in shadow, sealed, purged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cache.aio.cache import Cache
from cache.aio.disk import DiskStore
from cache.aio.embedder import Embedder, EmbedError, Lexical
from cache.aio.memory import MemoryStore
from cache.aio.similar import Found, Similar
from cache.aio.store import StoreError
from cache.entry import Entry, Spent
from cache.key import Key
from cache.policy import Decision, judge
from cache.purge import Purge
from cache.rules import Rule, Rules
from cache.similar.asked import Asked
from tests.support.cache_values import question
from tests.support.waiting import until

SEMANTIC = Rule(similar="semantic", is_shadow=False)


def ask(text: str, tenant: str = "team") -> Any:
    body = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": text}]}
    return question(body, tenant=tenant)


class Desk:
    """What the pipeline does, in one object."""

    def __init__(self, cache: Cache, rule: Rule = SEMANTIC, embedder: Embedder | None = None) -> None:
        self.cache = cache
        self.similar = Similar(cache, embedder)
        self.rule = rule

    def seen(self, text: str, tenant: str = "team", **headers: str) -> tuple[Asked, Decision]:
        asked = ask(text, tenant)
        if headers:
            fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
            asked = replace(asked, headers=asked.headers + fields)
        decision = judge(asked, Rules((self.rule,)))
        found = self.similar.asked(asked, decision)
        assert found is not None
        return found, decision

    async def look_up(self, text: str, id: str = "r", tenant: str = "team", **headers: str) -> Found | None:
        return await self.similar.look_up(*self.seen(text, tenant, **headers), id, tenant)

    async def keep(self, text: str, answer: bytes, ttl: float = 60.0, tenant: str = "team") -> None:
        asked, decision = self.seen(text, tenant)
        now = self.cache.now_utc()
        entry = Entry(200, (), answer, ((len(answer), 0),), False, Spent(), now, now + ttl)
        self.similar.keep(asked, decision, entry, self.cache.keep(decision, entry))
        await self.settled()

    async def settled(self) -> None:
        await until(lambda: not len(self.similar._beside) and not len(self.cache._storing))

    async def close(self) -> None:
        await self.similar.close()
        await self.cache.close()


async def test_another_spelling_and_another_wording() -> None:
    desk = Desk(Cache(MemoryStore(1 << 20)))
    assert await desk.look_up("怎么取消订单") is None
    await desk.keep("怎么取消订单", b"A")
    spelling = await desk.look_up("你好,请问怎么取消订单?谢谢")
    assert spelling is not None
    assert (spelling.kind, spelling.similarity, spelling.entry.body) == ("normalised", 1.0, b"A")
    wording = await desk.look_up("怎么取消我的订单")
    assert wording is not None
    assert wording.kind == "semantic"
    assert 0.3 <= wording.similarity < 1
    for other in ("怎么取消会员", "怎么不取消订单", "为什么取消订单", "怎么取消3个订单", "How do I cancel my order"):
        assert await desk.look_up(other) is None
    counts = desk.similar.counts
    assert (counts.normalised, counts.semantic, counts.misses) == (1, 1, 6)
    await desk.close()


async def test_only_normalised_where_the_rule_says_so_and_nothing_where_it_says_off() -> None:
    desk = Desk(Cache(MemoryStore(1 << 20)), Rule(similar="normalised", is_shadow=False))
    await desk.keep("怎么取消订单", b"A")
    assert await desk.look_up("怎么取消我的订单") is None
    assert await desk.look_up("怎么取消订单?") is not None
    asked = ask("怎么取消订单")
    assert desk.similar.asked(asked, judge(asked, Rules())) is None
    assert desk.similar.counts.not_comparable == 0
    asked = ask("translate it")
    assert desk.similar.asked(asked, judge(asked, Rules((SEMANTIC,)))) is None
    assert desk.similar.counts.not_comparable == 1
    await desk.close()


async def test_the_similarity_of_the_rule_counts() -> None:
    desk = Desk(Cache(MemoryStore(1 << 20)), Rule(similar="semantic", similarity=0.999, is_shadow=False))
    await desk.keep("怎么取消订单", b"A")
    assert await desk.look_up("怎么取消我的订单") is None
    await desk.close()


async def test_shadow_answers_nothing_and_says_what_it_would_have(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cache")
    desk = Desk(Cache(MemoryStore(1 << 20)), Rule(similar="semantic"))
    await desk.keep("怎么取消订单", b"A")
    for text in ("怎么取消订单?", "怎么取消我的订单", "怎么修改订单"):
        assert await desk.look_up(text, f"id of {text}") is None
        await desk.settled()
    counts = desk.similar.counts
    assert (counts.shadow_normalised, counts.shadow_semantic, counts.misses) == (1, 1, 1)
    assert (counts.normalised, counts.semantic) == (0, 0)
    said = [record.getMessage() for record in caplog.records if "would have" in record.getMessage()]
    assert len(said) == 2
    assert "semantic, similarity 0." in said[1]
    assert not any("取消" in text.split(" would")[1] for text in said)  # no questions in the log
    assert await desk.similar.wrong("id of 怎么取消订单?") is False
    await desk.close()


async def test_the_callers_wishes_and_freshness() -> None:
    desk = Desk(Cache(MemoryStore(1 << 20)))
    await desk.keep("怎么取消订单", b"A", ttl=5.0)
    assert await desk.look_up("怎么取消订单?", x_farline_cache="refresh") is None
    assert await desk.look_up("怎么取消订单?", cache_control="min-fresh=50") is None
    assert await desk.look_up("怎么取消订单?", x_farline_cache="only") is not None
    asked, decision = desk.seen("怎么退款", x_farline_cache="only")
    entry = Entry(200, (), b"", (), False, Spent(), 0, 9e9)
    desk.similar.keep(asked, decision, entry, desk.cache.keep(decision, entry))
    await desk.settled()
    assert await desk.look_up("怎么退款?") is None
    await desk.close()


async def test_tenants_never_share() -> None:
    desk = Desk(Cache(MemoryStore(1 << 20)))
    await desk.keep("怎么取消订单", b"A", tenant="one")
    assert await desk.look_up("怎么取消订单?", tenant="two") is None
    assert await desk.look_up("怎么取消订单?", tenant="one") is not None
    await desk.close()


async def test_a_wrong_answer_is_purged_and_the_pair_blocked(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    desk = Desk(Cache(DiskStore(path, 1 << 22)))
    await desk.keep("怎么取消订单", b"A")
    assert await desk.look_up("怎么取消我的订单", "r1") is not None
    assert await desk.similar.wrong("r1", "another tenant") is False
    assert await desk.similar.wrong("unknown", "team") is False
    assert await desk.similar.wrong("r1", "team") is True
    assert await desk.similar.wrong("r1", "team") is False
    _, decision = desk.seen("怎么取消订单")
    assert await desk.cache.look_up(decision) is None
    await desk.keep("怎么取消订单", b"A2")
    assert await desk.look_up("怎么取消我的订单") is None
    assert desk.similar.counts.reported == 1
    await desk.close()
    again = Desk(Cache(DiskStore(path, 1 << 22)))
    assert await again.look_up("怎么取消我的订单") is None
    found = await again.look_up("怎么取消订单!")
    assert found is not None
    assert found.entry.body == b"A2"
    await again.close()


async def test_an_entry_that_is_gone_answers_nothing() -> None:
    desk = Desk(Cache(MemoryStore(1 << 20)))
    await desk.keep("怎么取消订单", b"A")
    _, decision = desk.seen("怎么取消订单")
    assert decision.key is not None
    await desk.cache.delete(decision.key)
    assert await desk.look_up("怎么取消订单?") is None
    await desk.keep("怎么取消我的订单", b"B")
    found = await desk.look_up("怎么取消订单?")
    assert found is not None
    assert found.entry.body == b"B"
    await desk.close()


async def test_a_purge_takes_questions_too() -> None:
    store = MemoryStore(1 << 20)
    desk = Desk(Cache(store))
    await desk.keep("怎么取消订单", b"A")
    assert await desk.cache.purge(Purge(tenant="team")) == 2
    assert (await store.stats())[0].entries == 0
    await desk.close()


class Failing(Embedder):
    name, least = "failing", 0.5

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        raise EmbedError("no vectors today")


async def test_without_vectors_only_normal_forms_meet(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(Cache(MemoryStore(1 << 20)), embedder=Failing())
    await desk.keep("怎么取消订单", b"A")
    assert await desk.look_up("怎么取消我的订单") is None
    assert await desk.look_up("怎么取消我的订单") is None
    assert await desk.look_up("怎么取消订单?") is not None
    assert desk.similar.counts.faults == 2
    assert sum("no vectors today" in record.getMessage() for record in caplog.records) == 1
    await desk.close()


async def test_most_questions_are_never_embedded() -> None:
    class Counting(Lexical):
        calls = 0

        async def embed(self, texts: Sequence[str]) -> list[bytes]:
            self.calls += 1
            return await super().embed(texts)

    embedder = Counting()
    desk = Desk(Cache(MemoryStore(1 << 20)), embedder=embedder)
    for number in range(20):
        await desk.keep(f"怎么取消{number}号订单", b"A")
        await desk.look_up(f"怎么取消{number}号会员")
    assert embedder.calls == 0
    await desk.close()


class Broken(MemoryStore):
    """Takes nothing."""

    async def put(self, key: Key, blob: bytes, ttl: float) -> None:
        raise StoreError("full")


async def test_a_store_that_fails_costs_nothing_but_hits() -> None:
    cache = Cache(Broken(1 << 20))
    similar = Similar(cache)
    asked = ask("怎么取消订单")
    decision = judge(asked, Rules((SEMANTIC,)))
    seen = similar.asked(asked, decision)
    assert seen is not None
    entry = Entry(200, (), b"", (), False, Spent(), 0, 9e9)
    similar.keep(seen, decision, entry, cache.keep(decision, entry))
    await until(lambda: not len(similar._beside))
    assert similar._beside.failures == 0
    await similar.close()
    await cache.close()


async def test_more_than_can_be_done_beside_is_left_out() -> None:
    for rule in (SEMANTIC, Rule(similar="semantic")):
        desk = Desk(Cache(MemoryStore(1 << 20)), rule)
        asked, decision = desk.seen("怎么取消订单")
        entry = Entry(200, (), b"", (), False, Spent(), 0, 9e9)
        stored = desk.cache.keep(decision, entry)
        for _ in range(70):
            desk.similar.keep(asked, decision, entry, stored)
        assert desk.similar.counts.left_out == 6
        if rule.is_shadow:
            await desk.similar.look_up(asked, decision, "r", "team")
            assert desk.similar.counts.left_out == 7
        await desk.settled()
        await desk.close()
