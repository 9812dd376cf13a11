from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.sdks import Sdks
from tests.support.worlds import PROTOCOLS, World
from tests.support.worlds import world as start_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with start_world() as running, pytest.MonkeyPatch.context() as patch:
        assert running.provider.ca_file is not None
        # google-genai reads it; the usual bundle takes it 0.2 s
        patch.setenv("SSL_CERT_FILE", running.provider.ca_file)
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
