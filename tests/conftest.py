"""Settings for all tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.redis_servers import RedisServer
from tests.support.servers import free_port

# Deadlines measure the machine, not the code. In continuous integration the same examples run every time: a failure
# there must be of the change, not of the dice; new examples are found wherever developers run the tests.
settings.register_profile("farline", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("farline")


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A real Redis of the test's own."""
    server = RedisServer(tmp_path, free_port())
    await server.start()
    yield server
    await server.kill()
