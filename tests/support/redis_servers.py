"""Real redis-server processes on loopback, from a temporary directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.servers import free_port


class RedisServer:
    """One process, which can be killed and started again on the same port."""

    def __init__(self, directory: Path, port: int, arguments: Sequence[str] = (), sentinel: bool = False) -> None:
        self.port = port
        self._directory = directory
        self._arguments = list(arguments)
        self._is_sentinel = sentinel
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = ["redis-server"]
        if self._is_sentinel:
            config = self._directory / f"sentinel-{self.port}.conf"
            config.write_text("\n".join(self._arguments) + "\n")
            command += [str(config), "--sentinel"]
        command += ["--port", str(self.port)] if "--tls-port" not in self._arguments else ["--port", "0"]
        command += ["--bind", "127.0.0.1", "--dir", str(self._directory)]
        if not self._is_sentinel:
            command += ["--save", "", "--appendonly", "no", *self._arguments]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        await self._until_up()

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def stop(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(19)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(18)

    async def _until_up(self) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    await writer.wait_closed()
                    return


@asynccontextmanager
async def redis_server(
    directory: Path, *arguments: str, port: int | None = None, sentinel: bool = False
) -> AsyncIterator[RedisServer]:
    """A running server; killed in the end."""
    server = RedisServer(directory, port or free_port(), arguments, sentinel)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


async def redis_cli(port: int, *arguments: str) -> str:
    """What redis-cli prints."""
    command = ["redis-cli", "-p", str(port), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()
