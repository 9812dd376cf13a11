"""`farline lines qlog` at a running edge and at its relay: files that qlog tools read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_relays import stream
from tests.support.nodes import Edge
from tests.support.relays import relayed
from tests.unit.session.test_qlog import check, records

pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")


async def farline(*words: str) -> tuple[int, str]:
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge.cli", *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await asked.communicate()
    return asked.returncode or 0, said.decode()


async def test_both_ends_of_a_session(tmp_path: Path) -> None:
    with relayed() as (_, relay, edge, _):
        near, far = tmp_path / "edge.sqlog", tmp_path / "relay.sqlog"
        at_relay = ("--at-relay", "--admin", relay.wait_for(r"admin (\S+)", relay.err).group(1))
        at_edge = ("--admin", edge.admin_url)
        talking = asyncio.get_running_loop().create_task(talk(edge))
        asked = [
            farline("lines", "qlog", "sjc", "--seconds", "2", "-o", str(near), *at_edge),
            farline("lines", "qlog", "bj-1", "--seconds", "2", "-o", str(far), *at_relay),
        ]
        (code, said), (far_code, far_said) = await asyncio.gather(*asked)
        talking.cancel()
        assert (code, far_code) == (0, 0), said + far_said
        assert "events of 1 sessions" in said and "events of 1 sessions" in far_said
        for file, kind in ((near, "client"), (far, "server")):
            found = records(file.read_bytes())
            events = check(found)
            assert found[0]["trace"]["vantage_point"]["type"] == kind
            kinds = {frame["frame_type"] for event in events for frame in event["data"].get("frames", ())}
            assert {"stream", "ack"} <= kinds
        refusals = await asyncio.gather(
            farline("lines", "qlog", "nobody", "-o", str(near), *at_edge),
            farline("lines", "qlog", "nobody", "-o", str(near), *at_relay),
        )
        assert [code for code, _ in refusals] == [1, 1]
        assert 'no relay "nobody"; there is sjc' in refusals[0][1]
        assert 'no session with an edge "nobody"' in refusals[1][1]


async def talk(edge: Edge) -> None:
    while True:
        await asyncio.gather(*(stream(edge) for _ in range(3)))
        await asyncio.sleep(0.1)
