from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.sdks import Sdks
from tests.support.worlds import PROTOCOLS, World
from tests.support.worlds import world as start_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with start_world() as running:
        yield running
        assert "Traceback" not in running.edge.err.read_text()


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """Upstream."""
    return str(request.param)


@pytest.fixture(params=(False, True), ids=("sync", "async"))
async def sdks(request: pytest.FixtureRequest, world: World, protocol: str) -> AsyncIterator[Sdks]:
    sdks = Sdks(world, protocol, request.param)
    async with sdks.stack:
        yield sdks
    sdks.check_seen()
