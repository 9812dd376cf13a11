"""Voice calls and uploads: `python -m tests.bench.sessions.mixed URL SECONDS VOICES UPLOAD_BYTES RESULT`.

Voices at a time talk for `CALL` seconds: a numbered piece of audio every 20 ms, which the provider echoes. An upload of
random bytes begins every `UPLOAD_EVERY` seconds. It says "ready" and begins when it gets a line on its standard input.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from typing import Any

import aiohttp

CALL = 8.0
PIECE_BYTES = 480
EVERY = 0.02
LINGER = 6.0
UPLOAD_EVERY = 10.0
UPLOAD_PATIENCE = 60.0
_DELTA = "response.output_audio.delta"
_TEXT = aiohttp.WSMsgType.TEXT


class Call:
    """One voice call."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, float]] = []
        self.trips: list[float] = []
        self.back = 0
        self.wrong = 0
        self.fault = ""

    async def talk(self, http: aiohttp.ClientSession, url: str) -> None:
        try:
            async with http.ws_connect(f"{url}/v1/realtime?model=gpt-realtime", max_msg_size=1 << 20) as socket:
                hearing = asyncio.ensure_future(self._hear(socket))  # noqa: TID251 - awaited or cancelled below
                try:
                    await self._speak(socket)
                    async with asyncio.timeout(LINGER):
                        await hearing
                finally:
                    hearing.cancel()
        except (aiohttp.ClientError, OSError, TimeoutError, ConnectionError) as error:
            self.fault = f"{type(error).__name__}: {str(error)[:80]}"
        if not self.fault and self.back < len(self.pieces):
            self.fault = "audio is missing"

    async def _speak(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        began = time.monotonic()
        for number in range(int(CALL / EVERY)):
            await asyncio.sleep(max(0.0, began + number * EVERY - time.monotonic()))
            audio = base64.b64encode(os.urandom(PIECE_BYTES)).decode()
            self.pieces.append((audio, time.monotonic()))
            await socket.send_str(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while self.back < int(CALL / EVERY):
            message = await socket.receive()
            if message.type is not _TEXT:
                raise ConnectionError(f"the call ended: {message.type.name} {socket.close_code}")
            event = json.loads(message.data)
            if event["type"] != _DELTA:
                continue
            if self.back >= len(self.pieces) or self.pieces[self.back][0] != event["delta"]:
                self.wrong += 1
            else:
                self.trips.append(time.monotonic() - self.pieces[self.back][1])
            self.back += 1

    def plain(self) -> dict[str, Any]:
        return {
            "sent": len(self.pieces),
            "back": self.back,
            "wrong": self.wrong,
            "trips": [round(trip, 4) for trip in self.trips],
            "fault": self.fault,
        }


async def upload(http: aiohttp.ClientSession, url: str, size: int) -> dict[str, Any]:
    """One multipart upload; the hash of the whole body."""
    edge = b"farline" + os.urandom(8).hex().encode()
    body = (
        b'--%b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nassistants\r\n--%b\r\n'
        b'content-disposition: form-data; name="file"; filename="x.bin"\r\n'
        b"content-type: application/octet-stream\r\n\r\n%b\r\n--%b--\r\n" % (edge, edge, os.urandom(size), edge)
    )
    said: dict[str, Any] = {"sha256": hashlib.sha256(body).hexdigest(), "status": 0, "fault": ""}
    headers = {"content-type": f"multipart/form-data; boundary={edge.decode()}", "authorization": "Bearer any"}
    began = time.monotonic()
    try:
        async with asyncio.timeout(UPLOAD_PATIENCE), http.post(f"{url}/v1/files", data=body, headers=headers) as reply:
            await reply.read()
            said["status"] = reply.status
            if reply.status != 200:
                said["fault"] = f"upload: status {reply.status}"
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        said["fault"] = f"upload: {type(error).__name__}: {str(error)[:80]}"
    said["seconds"] = time.monotonic() - began
    return said


async def run(url: str, seconds: float, voices: int, size: int) -> dict[str, Any]:
    """Until `seconds` are over and everything begun has ended."""
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    end = time.monotonic() + seconds
    calls: list[Call] = []
    uploads: list[dict[str, Any]] = []

    async def talk_on(wait: float) -> None:
        await asyncio.sleep(wait)
        while time.monotonic() < end - CALL:
            calls.append(Call())
            await calls[-1].talk(http, url)
            await asyncio.sleep(0.3)

    async def upload_on() -> None:
        while size and time.monotonic() < end - UPLOAD_EVERY:
            began = time.monotonic()
            uploads.append(await upload(http, url, size))
            await asyncio.sleep(max(0.5, began + UPLOAD_EVERY - time.monotonic()))

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        for number in range(voices):
            group.create_task(talk_on(number * CALL / max(voices, 1)))
        group.create_task(upload_on())
    return {"calls": [call.plain() for call in calls], "uploads": uploads}


def main() -> None:
    url, seconds, voices, size, result = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        said = asyncio.run(run(url, float(seconds), int(voices), int(size)))
        with open(result, "w") as file:
            json.dump(said, file)


if __name__ == "__main__":
    main()
