"""Uploads one after the other, kept alive: `python -m tests.bench.sessions.uploading URL CA PLAN RESULT`.

PLAN is JSON, [[bytes, how many], …]; CA a file with the authority, or "". A small upload goes first, uncounted.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.sessions.mixed import upload

WARM_UP = 64
PAUSE = 1.0


async def run(url: str, ca_file: str, plan: list[tuple[int, int]]) -> list[dict[str, Any]]:
    context = ssl.create_default_context(cafile=ca_file) if ca_file else True
    connector = aiohttp.TCPConnector(ssl=context, limit=1)
    done = []
    async with aiohttp.ClientSession(connector=connector) as http:
        await upload(http, url, WARM_UP)
        for size, times in plan:
            for _ in range(times):
                await asyncio.sleep(PAUSE)
                done.append({**await upload(http, url, size), "bytes": size})
    return done


def main() -> None:
    url, ca_file, plan, result = sys.argv[1:]
    done = asyncio.run(run(url, ca_file, json.loads(plan)))
    Path(result).write_text(json.dumps(done))


if __name__ == "__main__":
    main()
