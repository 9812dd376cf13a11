"""The poller against engines that answer like the real ones, load, die and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic

import pytest

from edge.config.model import Pool, Secret
from edge.pool.aio.poller import Poller
from edge.pool.board import Backend, PoolBoard
from edge.pool.load import UNKNOWN, Load
from health.standing import Standing
from tests.support.engine import Engine
from tests.support.waiting import until

KINDS = ("vllm", "sglang", "llama.cpp")


def pool_at(engine: Engine, kind: str = "", **settings: object) -> Pool:
    made = Pool("gpu", engine.url, "127.0.0.1", engine.port, False, engine=kind or engine.kind, poll=0.02)
    return replace(made, **settings)  # type: ignore[arg-type]  # keywords by name


@asynccontextmanager
async def polled(*pools: Pool) -> AsyncIterator[tuple[PoolBoard, Poller]]:
    board = PoolBoard(pools)
    poller = Poller(board, monotonic)
    poller.start(pools)
    try:
        yield board, poller
    finally:
        await poller.close()


def standing(backend: Backend) -> Standing:
    return backend.standing(monotonic())


@pytest.mark.parametrize("kind", KINDS)
async def test_what_each_engine_tells(kind: str) -> None:
    async with Engine(kind, running=3, waiting=1) as engine:
        async with polled(pool_at(engine)) as (board, _):
            backend = board.backends["gpu"]
            await until(lambda: backend.load.running == 3)
            assert backend.load.waiting == 1
            assert backend.load.cache_ratio == (None if kind == "llama.cpp" else 0.25)
            assert (dict(backend.models), backend.context_tokens) == ({"qwen3-32b": "qwen3-32b"}, 4096)
            assert backend.others == 4
            assert standing(backend) is Standing.ADMITTED


async def test_anything_like_openai() -> None:
    async with Engine() as engine:
        async with polled(pool_at(engine, "openai")) as (board, _):
            await until(lambda: board.backends["gpu"].models)
            assert engine.looks == 0  # it need not have /health
            assert board.backends["gpu"].load == UNKNOWN


@pytest.mark.parametrize(("kind", "expected"), [("vllm", UNKNOWN), ("llama.cpp", Load(running=2))])
async def test_without_metrics(kind: str, expected: Load) -> None:
    async with Engine(kind, running=2, has_metrics=False) as engine:
        async with polled(pool_at(engine)) as (board, _):
            await until(lambda: engine.looks > 2)
            assert board.backends["gpu"].load == expected
            assert standing(board.backends["gpu"]) is Standing.ADMITTED


async def test_it_is_warmed_up_at_the_start_and_after_each_recovery() -> None:
    async with Engine() as engine:
        async with polled(pool_at(engine)) as (board, _):
            backend = board.backends["gpu"]
            await until(lambda: engine.looks > 2)
            assert engine.warm_ups == 1
            engine.health_status = 500
            await until(lambda: standing(backend) is Standing.EJECTED)
            assert "500" in backend.reason
            engine.health_status = 200
            await until(lambda: standing(backend) is Standing.ADMITTED)
            assert engine.warm_ups == 2


async def test_while_it_warms_up_it_is_on_probation() -> None:
    async with Engine(holds=True) as engine:
        async with polled(pool_at(engine)) as (board, _):
            await until(lambda: engine.warm_ups)
            assert standing(board.backends["gpu"]) is Standing.PROBATION
            engine.release.set()
            await until(lambda: standing(board.backends["gpu"]) is Standing.ADMITTED)


async def test_warming_up_can_be_left_out() -> None:
    async with Engine() as engine:
        async with polled(pool_at(engine, warm_up=False)):
            await until(lambda: engine.looks > 2)
            assert engine.warm_ups == 0


async def test_a_model_that_refuses_the_warm_up_is_up() -> None:
    async with Engine(status=400) as engine:
        async with polled(pool_at(engine)) as (board, _):
            await until(lambda: engine.looks > 2)
            assert standing(board.backends["gpu"]) is Standing.ADMITTED


async def test_loading_a_model_is_no_fault() -> None:
    async with Engine("llama.cpp", is_loading=True) as engine:
        async with polled(pool_at(engine)) as (board, _):
            backend = board.backends["gpu"]
            await until(lambda: backend.is_loading)
            assert standing(backend) is Standing.EJECTED
            engine.is_loading = False
            await until(lambda: standing(backend) is Standing.ADMITTED)


async def test_a_server_that_dies_and_is_started_again() -> None:
    engine = Engine()
    await engine.__aenter__()
    async with polled(pool_at(engine)) as (board, _):
        backend = board.backends["gpu"]
        await until(lambda: backend.models)
        await engine.__aexit__(None, None, None)
        await until(lambda: standing(backend) is Standing.EJECTED)
        async with Engine(port=engine.port, model="another"):
            await until(lambda: dict(backend.models) == {"another": "another"})
            await until(lambda: standing(backend) is Standing.ADMITTED)


async def test_a_reload() -> None:
    async with Engine() as one, Engine() as other:
        first, second = pool_at(one), pool_at(other, id="two", credential=Secret("env:K", "secret"))
        async with polled(first) as (board, poller):
            await until(lambda: one.looks)
            board.update([second])
            poller.start([second])
            await until(lambda: other.looks > 1)
            seen = one.looks
            await until(lambda: other.looks > 4)
            assert one.looks <= seen + 1
            assert other.heads[0]["authorization"] == "Bearer secret"
