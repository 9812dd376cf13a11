"""`farline relay` as a process: sessions over real sockets, restarts that cut nothing, kills that are noticed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.shell.test_relay import CHAT, HEADERS, chat, tokens
from tests.support.nodes import Process, Provider, fetch_json
from tests.support.relaying import Reply
from tests.support.sessions import Heard
from tests.support.waiting import until
from transport.message import RequestHead
from transport.path import Line
from transport.session import keys
from transport.session.aio.identity import NodeKey
from transport.session.aio.link import RelayLink, RelayTarget

CONFIG = """
[node]
name = "sjc"
role = "relay"
key = "file:{folder}/relay.key"

[listen]
session = ["127.0.0.1:{port}"]
admin = "127.0.0.1:{admin}"

[limits]
drain_seconds = 20

[[edge]]
id = "bj-1"
fingerprint = "{edge}"

[[provider]]
id = "sim"
dialect = "openai"
credential = "env:SIM_KEY"

[[provider.endpoint]]
url = "{url}"
protocols = ["http/1.1"]
"""
EDGE = NodeKey.generate()


def configuration(folder: Path, provider: str, port: int = 0) -> Path:
    """A file for a relay in front of `provider` with one edge; its key is made once."""
    key, path = folder / "relay.key", folder / "relay.toml"
    if not key.exists():
        key.write_bytes(keys.make())
        key.chmod(0o600)
    path.write_text(CONFIG.format(folder=folder, port=port, admin=0, edge=EDGE.fingerprint, url=provider))
    return path


class RelayProcess(Process):
    """`farline relay`."""

    def __init__(self, config: Path) -> None:
        super().__init__(["-m", "edge.cli", "relay", "-c", str(config)], {"SIM_KEY": "ours"})
        self.admin = self.wait_for(r"admin (http://\S+)", self.err).group(1)
        self.port = int(self.wait_for(r"sessions 127\.0\.0\.1:(\d+)", self.err).group(1))
        self.fingerprint = self.wait_for(r"key (\S+)", self.err).group(1)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(sim="think_ms=5,interval_ms=5,tokens=10") as provider:
        yield provider


@asynccontextmanager
async def linked(relay: RelayProcess) -> AsyncIterator[RelayLink]:
    lines = (Line("one", source="127.0.0.2"), Line("two", source="127.0.0.3"))
    target = RelayTarget("sjc", "127.0.0.1", relay.port, relay.fingerprint, lines)
    link = RelayLink(target, EDGE, "bj-1", Heard(), linger=5.0)
    link.start()
    try:
        await until(lambda: link.is_ready, 30)
        yield link
    finally:
        await link.close()


def ask(link: RelayLink, provider: Provider, number: int, sim: str = "") -> Reply:
    assert link.session is not None
    reply = Reply(link.session, number.to_bytes(16, "big"))
    body = chat()
    authority = provider.url.removeprefix("http://").encode()
    fields = [*HEADERS, (b"content-length", b"%d" % len(body)), *([(b"x-sim", sim.encode())] if sim else [])]
    head = RequestHead(b"POST", CHAT.encode(), authority, fields, b"http")
    writer = reply.writer
    reply.send(writer.request(head, "sim", 60.0, len(body)) + writer.body(body) + writer.end(), end=True)
    return reply


async def test_requests_metrics_sessions_and_the_log(provider: Provider, tmp_path: Path) -> None:
    with RelayProcess(configuration(tmp_path, provider.url)) as relay:
        async with linked(relay) as link:
            replies = [ask(link, provider, number) for number in range(1, 21)]
            for reply in replies:
                await reply.done()
                assert len(tokens(bytes(reply.body))) == 10
            assert fetch_json(f"{relay.admin}/readyz") == {"status": "ready"}
            (session,) = fetch_json(f"{relay.admin}/api/v1/sessions")["sessions"]
            assert session["edge"] == "bj-1"
            assert {carrier["line"] for carrier in session["carriers"]} == {"one", "two"}
            told = fetch_json(f"{relay.admin}/api/v1/executions")
            assert len(told["latest"]) == 20
            assert told["executing"] == []
            assert fetch_json(f"{relay.admin}/api/v1/node")["fingerprint"] == relay.fingerprint
            metrics = await asyncio.to_thread(read, f"{relay.admin}/metrics")
            assert 'farline_executions_total{edge="bj-1",outcome="done",provider="sim",status="200"} 20.0' in metrics
            assert 'farline_sessions{edge="bj-1"} 1.0' in metrics
            assert 'farline_session_sent_bytes_total{cause="first",edge="bj-1"}' in metrics
        assert relay.stop() == 0
        lines = [json.loads(line) for line in relay.out.read_text().splitlines()]
        assert [line["outcome"] for line in lines if line["log"] == "request"] == ["done"] * 20
        assert "ours" not in relay.out.read_text() + relay.err.read_text()


def read(url: str) -> str:
    with urllib.request.urlopen(url) as reply:
        return str(reply.read().decode())


async def test_a_planned_restart_cuts_no_stream(provider: Provider, tmp_path: Path) -> None:
    with RelayProcess(configuration(tmp_path, provider.url)) as relay:
        async with linked(relay) as link:
            before = link.session
            slow = [ask(link, provider, number, "tokens=100,interval_ms=40") for number in range(1, 11)]
            for reply in slow:
                await reply.until(lambda reply: len(reply.body) > 500)
            relay.child.send_signal(signal.SIGUSR2)
            await until(lambda: link.session is not before and link.is_ready, 45)
            quick = [ask(link, provider, number) for number in range(101, 111)]
            for reply in quick:
                await reply.done()
                assert len(tokens(bytes(reply.body))) == 10
            for reply in slow:
                await reply.done(60)
                assert reply.end is not None
                assert len(tokens(bytes(reply.body))) == 100
            async with asyncio.timeout(45):
                assert await asyncio.to_thread(relay.child.wait) == 0
            successor = int(relay.wait_for(r"process (\d+) takes over", relay.err).group(1))
            again = await ask(link, provider, 200).done()
            assert len(tokens(bytes(again.body))) == 10
            os.kill(successor, signal.SIGTERM)
            await until(lambda: not Path(f"/proc/{successor}").exists(), 45)


async def test_a_killed_relay_is_noticed_and_its_next_process_used(provider: Provider, tmp_path: Path) -> None:
    with ExitStack() as processes:  # they end when the link has: it lives in this event loop, which the ends hold up
        relay = processes.enter_context(RelayProcess(configuration(tmp_path, provider.url)))
        async with linked(relay) as link:
            reply = ask(link, provider, 1, "tokens=100,interval_ms=50")
            await reply.until(lambda reply: len(reply.body) > 500)
            relay.child.kill()
            relay.child.wait()
            processes.enter_context(RelayProcess(configuration(tmp_path, provider.url, relay.port)))
            await reply.done(30)
            assert reply.over is not None
            assert reply.end is None
            await until(lambda: link.is_ready, 30)
            again = await ask(link, provider, 2).done()
            assert len(tokens(bytes(again.body))) == 10


async def test_edges_that_are_renamed_and_removed_while_they_are_connected(provider: Provider, tmp_path: Path) -> None:
    with RelayProcess(configuration(tmp_path, provider.url)) as relay:
        path = tmp_path / "relay.toml"
        async with linked(relay) as link:
            before = link.session
            path.write_text(path.read_text().replace("bj-1", "bj-2"))
            relay.child.send_signal(signal.SIGHUP)
            await asyncio.to_thread(relay.wait_for, "generation 2", relay.err)
            await until(lambda: link.session is not before and link.is_ready, 30)
            reply = await ask(link, provider, 1).done()  # by its new name
            assert len(tokens(bytes(reply.body))) == 10
            path.write_text(path.read_text().replace(EDGE.fingerprint, NodeKey.generate().fingerprint))
            relay.child.send_signal(signal.SIGHUP)
            await until(lambda: not link.is_ready, 30)
            told = await asyncio.to_thread(fetch_json, f"{relay.admin}/api/v1/sessions")
            assert told["sessions"] == []


async def test_a_successor_that_cannot_start_changes_nothing(provider: Provider, tmp_path: Path) -> None:
    with RelayProcess(configuration(tmp_path, provider.url)) as relay:
        path = tmp_path / "relay.toml"
        good = path.read_text()
        async with linked(relay) as link:
            path.write_text(good + "[nonsense]\n")
            relay.child.send_signal(signal.SIGUSR2)
            await asyncio.to_thread(relay.wait_for, "did not become ready", relay.err)
            reply = await ask(link, provider, 1).done()
            assert len(tokens(bytes(reply.body))) == 10
            assert await asyncio.to_thread(fetch_json, f"{relay.admin}/readyz") == {"status": "ready"}
