"""What a worker asks of those beside it, over their unix sockets in the run directory. (Shell.)"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import aiohttp

log = logging.getLogger("farline.admin")

PURGE_SECONDS = 35.0  # a purge walks over all that is stored
PEER_SECONDS = 2.0  # a worker that doesn't answer within this long is left out


class PeerFailed(Exception):
    """A worker didn't answer as it should."""


class Peers:
    """The other workers of this node: 0 to `count` - 1 without `own`."""

    def __init__(self, run_dir: Path, own: int, count: int) -> None:
        self._run_dir = run_dir
        self.numbers = tuple(number for number in range(count) if number != own)

    async def ask(self, path: str) -> dict[int, Any]:
        """GET of a JSON document from each; those that don't answer are left out, and logged."""
        return {number: told for number, told in (await self._each("GET", path)).items() if not _failed(number, told)}

    async def texts(self, path: str) -> dict[int, str]:
        """The same for text."""
        answers = await self._each("GET", path, is_text=True)
        return {number: told for number, told in answers.items() if not _failed(number, told)}

    async def tell(self, path: str, document: Any) -> dict[int, str | None]:
        """PUT to each: None where it was taken, else why it wasn't."""
        answers = await self._each("PUT", path, document)
        return {number: str(told) if isinstance(told, PeerFailed) else None for number, told in answers.items()}

    async def have_done(self, path: str, document: Any, seconds: float) -> dict[int, Any]:
        """PUT to each, which may take so many seconds: the answers; a text says what went wrong."""
        answers = await self._each("PUT", path, document, seconds=seconds)
        return {number: str(told) if isinstance(told, PeerFailed) else told for number, told in answers.items()}

    async def _each(
        self, method: str, path: str, document: Any = None, *, is_text: bool = False, seconds: float = PEER_SECONDS
    ) -> dict[int, Any]:
        answers = await asyncio.gather(
            *(self._call(number, method, path, document, is_text, seconds) for number in self.numbers)
        )
        return dict(zip(self.numbers, answers, strict=True))

    async def _call(self, number: int, method: str, path: str, document: Any, is_text: bool, seconds: float) -> Any:
        """The answer, or a PeerFailed: values, so that one worker's silence costs nothing of the others' answers."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with (
                aiohttp.ClientSession(connector=self._connector(number), timeout=timeout) as session,
                session.request(method, f"http://worker{path}", json=document) as reply,
            ):
                if reply.status == 404:
                    return PeerFailed("doesn't have it")
                reply.raise_for_status()
                return await (reply.text() if is_text else reply.json())
        except TimeoutError:
            return PeerFailed(f"worker {number} doesn't answer within {seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return PeerFailed(f"worker {number} can't be reached: {type(error).__name__}")

    def _connector(self, number: int) -> aiohttp.UnixConnector:
        return aiohttp.UnixConnector(str(socket_of(self._run_dir, number)))


def socket_of(run_dir: Path, worker: int) -> Path:
    """Where a worker listens for the others."""
    return run_dir / f"worker-{worker}.sock"


def _failed(number: int, told: Any) -> bool:
    if not isinstance(told, PeerFailed):
        return False
    log.debug("worker %d: %s", number, told)
    return True
