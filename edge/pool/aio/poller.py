"""Asks each server of the local pool how it is, once a second: health, load, and once its models and context.

A server that is new or has come back gets one small request first (`warm_up`): engines compile kernels, allocate
caches and load weights into memory at the first one, and no user should be the one who waits for that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp

from edge.config.model import Pool
from edge.pool import load
from edge.pool.board import PoolBoard
from edge.pool.load import UNKNOWN, UNLISTED, Load, Served
from transport.aio.tasks import TaskOwner

log = logging.getLogger("farline.pool")

LOOK_SECONDS = 2.0  # a server that doesn't answer a look within this long is taken for dead
WARM_UP_SECONDS = 120.0  # weights may have to come from a disk
BODY_BYTES = 8 * 1024**2  # longest answer that is read
_LIST_EVERY = 30  # looks; models can be loaded and unloaded while a server runs


class _Loading(Exception):
    """503: it is there, and not ready."""


class Poller:
    """One task per server. `start`, `update` at a reload, and in the end `close`."""

    def __init__(self, board: PoolBoard, clock: Callable[[], float]) -> None:
        self._board = board
        self._clock = clock
        self._tasks = TaskOwner("pool poller")
        self._running: dict[Pool, asyncio.Task[None]] = {}

    def start(self, pools: Iterable[Pool]) -> None:
        """Begins to look at `pools`, and ends with all others. Call on the event loop."""
        wanted = set(pools)
        for pool in self._running.keys() - wanted:
            self._running.pop(pool).cancel()
        for pool in wanted - self._running.keys():
            self._running[pool] = self._tasks.start(self._watch(pool))

    async def close(self) -> None:
        self._running.clear()
        await self._tasks.close()

    async def _watch(self, pool: Pool) -> None:
        headers = {} if pool.credential is None else {"authorization": f"Bearer {pool.credential.value}"}
        tls = ssl.create_default_context(cafile=pool.ca_file) if pool.tls else True
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=2),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=LOOK_SECONDS),
        ) as session:
            server = _Server(pool, session)
            is_up, looks = False, 0
            while True:
                if not is_up:
                    looks = 0
                is_up = await self._look(server, is_new=not is_up, lists=looks % _LIST_EVERY == 0)
                looks += 1
                await asyncio.sleep(pool.poll)

    async def _look(self, server: _Server, *, is_new: bool, lists: bool) -> bool:
        """One look; did it answer well?"""
        board, id = self._board, server.pool.id
        try:
            await server.health()
            if lists:
                board.lists(id, await server.served())
            if is_new:
                await self._warm_up(server)
            board.told(id, await server.load(), self._clock())
        except _Loading:
            board.loading(id)
            return False
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if not is_new:
                log.warning("pool %s doesn't answer: %s", id, _words(error))
            board.failed(id, _words(error), self._clock())
            return False
        if is_new:
            log.info("pool %s is up: %s", id, ", ".join(board.backends[id].models) if id in board.backends else "gone")
        return True

    async def _warm_up(self, server: _Server) -> None:
        backend = self._board.backends.get(server.pool.id)
        models = tuple(backend.models.values()) if backend is not None else ()
        if not server.pool.warm_up or not models:
            return
        self._board.warming(server.pool.id, True)
        try:
            await server.warm_up(models[0])
        finally:
            self._board.warming(server.pool.id, False)


@dataclass(frozen=True, slots=True)
class _Server:
    """The questions, in each engine's way."""

    pool: Pool
    session: aiohttp.ClientSession

    async def health(self) -> None:
        """
        Raises:
            aiohttp.ClientError, TimeoutError: it isn't there, or not well.
            _Loading: it is loading its model.
        """
        path = "/v1/models" if self.pool.engine == "openai" else "/health"
        status, _ = await self._get(path)
        if status == 503:
            raise _Loading
        if status >= 400:
            raise aiohttp.ClientError(f"{path} answers {status}")

    async def served(self) -> Served:
        status, body = await self._get("/v1/models")
        told = load.from_models(body) if status == 200 else UNLISTED
        if self.pool.engine != "llama.cpp":
            return told
        status, body = await self._get("/props")
        return Served(told.models, load.context_from_props(body) if status == 200 else None)

    async def load(self) -> Load:
        """As far as it tells: metrics are an option of most engines."""
        if self.pool.engine == "openai":
            return UNKNOWN
        status, body = await self._get("/metrics")
        told = load.from_metrics(body.decode("utf-8", "replace")) if status == 200 else UNKNOWN
        if told.running is None and self.pool.engine == "llama.cpp":
            status, body = await self._get("/slots")
            return load.from_slots(body) if status == 200 else UNKNOWN
        return told

    async def warm_up(self, model: str) -> None:
        """One token. What the server makes of it doesn't matter: one for embeddings refuses it."""
        asked = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        async with self.session.post(
            self.pool.url + "/v1/chat/completions",
            data=json.dumps(asked),
            headers={"content-type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=WARM_UP_SECONDS),
        ) as reply:
            await reply.content.read(BODY_BYTES)
            if reply.status == 503:
                raise _Loading

    async def _get(self, path: str) -> tuple[int, bytes]:
        async with self.session.get(self.pool.url + path, allow_redirects=False) as reply:
            body = bytearray()
            async for data in reply.content.iter_any():
                body += data
                if len(body) > BODY_BYTES:
                    raise aiohttp.ClientError(f"{path} is longer than {BODY_BYTES} bytes")
            return reply.status, bytes(body)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
