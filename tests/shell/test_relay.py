"""A relay's executions between sessions and a real provider: once each, whole or honestly cut, at the reader's pace."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace

import pytest

from edge.config.model import Secret
from netem.provider.aio.server import FakeProvider
from tests.support.relaying import relayed, snapshot_for
from tests.support.sessions import Heard, Wires
from tests.support.waiting import until
from transport.failure import Code, Origin, Verdict
from transport.path import Protocol
from transport.session.values import Code as Ended
from transport.session.values import Limits

CHAT = "/v1/chat/completions"


def chat(**fields: object) -> bytes:
    return json.dumps(
        {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}], **fields}
    ).encode()


def tokens(body: bytes) -> list[str]:
    events = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    deltas = [choice.get("delta", {}) for event in events for choice in event.get("choices", [])]
    return [delta["content"].strip() for delta in deltas if delta.get("content")]


@pytest.mark.parametrize("protocol", [Protocol.H1, Protocol.H2])
async def test_a_stream_comes_through_whole(protocol: Protocol) -> None:
    async with FakeProvider(sim="think_ms=5,interval_ms=2,tokens=20") as provider:
        async with relayed(snapshot_for(provider.port, protocols=(protocol,))) as relay:
            headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer k"), (b"x-sim-id", b"one")]
            reply = await relay.ask("POST", CHAT, chat(), headers=headers).done()
            assert reply.end is not None
            assert reply.head is not None
            assert reply.head.status == 200
            assert tokens(bytes(reply.body)) == [f"t{n:04}" for n in range(1, 21)]
            assert bytes(reply.body).endswith(b"data: [DONE]\n\n")
            assert reply.stamps
            assert provider.executions("one") == 1
            await until(lambda: not relay.service.streams["edge"])
            (record,) = relay.watching.records
            assert (record.outcome, record.status, record.dials, record.endpoint) == ("done", 200, 1, "sim-0")
            assert record.bytes_out == len(reply.body)
            assert not relay.service.kept.size
            assert relay.service.streams["edge"] == 0
            assert relay.service.quotas.in_flight["edge"] == 0


ONE = b"\x01" * 16
HEADERS = [(b"content-type", b"application/json"), (b"x-sim-id", b"one")]


async def test_a_request_that_is_asked_again_while_it_executes_is_joined() -> None:
    async with FakeProvider(sim="think_ms=20,interval_ms=10,tokens=20") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            first = relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE)
            await first.until(lambda reply: len(reply.body) > 500)
            second = relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE)
            await second.done()
            assert first.over == (Ended.CANCELLED, "the request was asked again")
            assert len(tokens(bytes(second.body))) == 20
            assert bytes(second.body).startswith(bytes(first.body))
            assert provider.executions("one") == 1
            assert relay.watching.repetitions == ["joined"]
            assert relay.watching.records[0].joined == 1


async def test_a_request_that_was_executed_is_answered_from_what_is_kept_or_refused() -> None:
    async with FakeProvider(sim="think_ms=5,interval_ms=1,tokens=5") as provider:
        async with relayed(snapshot_for(provider.port), delay=0.1) as relay:
            first = relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE)
            await until(lambda: relay.watching.records)
            second = relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE)  # arrives before the acknowledgement
            relay.service.acked = relay.service.closed  # type: ignore[method-assign]  # as if that never came
            await first.done()
            await second.done()
            assert second.body == first.body
            relay.service.kept.drop(b"edge\0" + ONE)
            third = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE).done()
            assert third.over is not None
            assert third.over[0] == Ended.DUPLICATE
            assert relay.watching.repetitions == ["replayed", "refused"]
            assert provider.executions("one") == 1


async def test_another_session_of_the_same_edge_joins_after_the_first_is_lost() -> None:
    async with FakeProvider(sim="think_ms=20,interval_ms=10,tokens=20") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            first = relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE)
            await first.until(lambda reply: len(reply.body) > 500)
            relay.wires.relay.close(Ended.INTERNAL, "lost")
            await first.done()
            wires = Wires(Heard(), relay.service)
            try:
                await wires.joined()
                second = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE, session=wires.edge).done()
                assert len(tokens(bytes(second.body))) == 20
                assert provider.executions("one") == 1
            finally:
                wires.end()


@pytest.mark.parametrize(("policy", "outcome", "written"), [("cancel", "cancelled", False), ("drain", "done", True)])
async def test_a_client_that_left(policy: str, outcome: str, written: bool) -> None:
    async with FakeProvider(sim="think_ms=5,interval_ms=10,tokens=20") as provider:
        async with relayed(snapshot_for(provider.port, on_client_gone=policy)) as relay:
            reply = relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE)
            await reply.until(lambda reply: len(reply.body) > 500)
            relay.session.reset(reply.stream, Ended.CANCELLED, "the client left")
            await until(lambda: relay.watching.records)
            assert relay.watching.records[0].outcome == outcome
            again = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE).done()
            if written:
                assert len(tokens(bytes(again.body))) == 20
            else:
                assert again.over is not None
                assert again.over[0] == Ended.DUPLICATE
            assert provider.executions("one") == 1
            await until(lambda: provider.log[-1].outcome != "open")
            assert provider.log[-1].outcome == ("complete" if written else "cancelled")


@pytest.mark.parametrize("protocol", [Protocol.H1, Protocol.H2])
async def test_a_large_reply_waits_for_a_slow_reader(protocol: Protocol) -> None:
    size = 20_000_000
    async with FakeProvider(sim="think_ms=1") as provider:
        async with relayed(snapshot_for(provider.port, protocols=(protocol,))) as relay:
            reply = relay.ask("GET", f"/bytes/{size}", slow=True)
            await reply.until(lambda reply: reply.received > 900_000)
            await asyncio.sleep(0.3)
            (execution,) = relay.service.executions
            assert execution._paused
            assert execution.record.bytes_out < 12_000_000
            assert reply.received <= Limits().stream_window
            reply.catch_up()
            await reply.done(30)
            assert reply.end is not None
            assert len(reply.body) == size
            assert not relay.service.kept.size


@pytest.mark.parametrize("protocol", [Protocol.H1, Protocol.H2])
async def test_an_upload_comes_through_whole_and_waits_for_a_slow_provider(protocol: Protocol) -> None:
    body = bytes(range(256)) * 20_000
    async with FakeProvider(sim="think_ms=1") as provider:
        async with relayed(snapshot_for(provider.port, protocols=(protocol,))) as relay:
            reply = relay.ask("POST", "/v1/unknown", headers=HEADERS, end=False)
            for at in range(0, len(body), 65_536):
                while not relay.session.writable(reply.stream):
                    reply.changed.clear()
                    await asyncio.wait_for(reply.changed.wait(), 5)
                reply.send(reply.writer.body(body[at : at + 65_536]))
            reply.send(reply.writer.end(), end=True)
            await reply.done()
            assert provider.log[-1].body_length == len(body)
            assert provider.log[-1].body_sha256 == hashlib.sha256(body).hexdigest()


async def test_an_upload_that_the_provider_does_not_take_holds_the_edge_up() -> None:
    async with FakeProvider(sim="fault=stall_upload") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            reply = relay.ask("POST", "/v1/unknown", headers=HEADERS, end=False)
            sent = 0
            for _ in range(400):
                if not relay.session.writable(reply.stream):
                    await asyncio.sleep(0.005)
                    continue
                reply.send(reply.writer.body(bytes(65_536)))
                sent += 65_536
            assert sent < 20_000_000
            relay.session.reset(reply.stream, Ended.CANCELLED, "enough")
            await until(lambda: relay.watching.records)


async def test_errors_of_the_provider_pass_as_they_are() -> None:
    async with FakeProvider(sim="status=500") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            reply = await relay.ask("POST", CHAT, chat(), headers=HEADERS).done()
            assert reply.head is not None
            assert reply.head.status == 500
            assert reply.end is not None
            assert "error" in json.loads(bytes(reply.body))


@pytest.mark.parametrize("fault", ["reset", "rst_stream", "cut", "short_length"])
@pytest.mark.parametrize("protocol", [Protocol.H1, Protocol.H2])
async def test_a_reply_that_breaks_is_a_failure_and_no_end(fault: str, protocol: Protocol) -> None:
    async with FakeProvider(sim=f"think_ms=2,interval_ms=2,tokens=20,fault={fault},after=3") as provider:
        async with relayed(snapshot_for(provider.port, protocols=(protocol,))) as relay:
            reply = await relay.ask("POST", CHAT, chat(stream=fault != "short_length"), headers=HEADERS).done()
            assert reply.end is None
            assert reply.failure is not None
            assert reply.failure.verdict is not Verdict.SAFE
            assert reply.head is not None
            assert relay.watching.records[-1].outcome == "failed"


async def test_a_request_that_cannot_have_run_is_tried_again_and_may_come_again() -> None:
    async with FakeProvider(sim="think_ms=2,interval_ms=1,tokens=3") as provider:
        async with relayed(snapshot_for(provider.port, protocols=(Protocol.H2,))) as relay:
            provider.rule("fault=refuse", times=2)
            reply = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE).done()
            assert len(tokens(bytes(reply.body))) == 3
            assert relay.watching.records[-1].dials == 3
            provider.rule("fault=refuse", times=3)
            two = b"\x02" * 16
            refused = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=two).done()
            assert refused.failure is not None
            assert (refused.failure.verdict, refused.failure.code) == (Verdict.SAFE, Code.STREAM_REFUSED)
            again = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=two).done()
            assert len(tokens(bytes(again.body))) == 3
            assert provider.executions("one") == 2


async def test_a_provider_that_cannot_be_reached() -> None:
    async with FakeProvider() as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            await provider.refuse(True)
            reply = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE).done()
            assert reply.failure is not None
            assert (reply.failure.origin, reply.failure.verdict) == (Origin.ENDPOINT, Verdict.SAFE)
            assert reply.failure.code == Code.CONNECTION_REFUSED
            assert relay.watching.records[-1].outcome == "failed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"provider": "other"}, Code.HTTP_REQUEST_DENIED),
        ({"target": "/admin"}, Code.HTTP_REQUEST_DENIED),
        ({"target": "/v1/../admin"}, Code.HTTP_REQUEST_DENIED),
        ({"headers": [(b"x", b"a\r\nb: c")]}, Code.HTTP_REQUEST_ERROR),
    ],
)
async def test_what_is_not_configured_is_not_asked(change: dict[str, object], code: str) -> None:
    async with FakeProvider() as provider:
        async with relayed(snapshot_for(provider.port, base_path="/v1")) as relay:
            asked = {"method": "POST", "target": CHAT, "body": chat(), "headers": HEADERS, "id": ONE, **change}
            reply = await relay.ask(**asked).done()  # type: ignore[arg-type]  # a table of arguments
            assert reply.failure is not None
            assert (reply.failure.verdict, reply.failure.code) == (Verdict.SAFE, code)
            assert relay.watching.records[0].outcome == "refused"
            assert len(provider.log) == 0
            good = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE).done()
            assert good.end is not None


async def test_the_relays_own_credential_replaces_whatever_the_edge_sent() -> None:
    async with FakeProvider(sim="think_ms=1,interval_ms=1,tokens=1") as provider:
        async with relayed(snapshot_for(provider.port, credential=Secret("env:K", "ours"))) as relay:
            headers = [*HEADERS, (b"authorization", b"Bearer theirs"), (b"x-farline-line", b"cn2"), (b"te", b"x")]
            await relay.ask("POST", CHAT, chat(), headers=headers).done()
            sent = {name.lower(): value for name, value in provider.log[-1].headers}
            assert sent["authorization"] == "Bearer ours"
            assert not any(name.startswith("x-farline") for name in sent)
            assert "te" not in sent


async def test_more_requests_than_an_edge_may_have_are_refused() -> None:
    async with FakeProvider(sim="think_ms=200,tokens=1") as provider:
        snapshot = snapshot_for(provider.port)
        edges = (replace(snapshot.edges[0], max_streams=2),)
        async with relayed(replace(snapshot, edges=edges)) as relay:
            replies = [relay.ask("POST", CHAT, chat(), headers=HEADERS) for _ in range(3)]
            for reply in replies:
                await reply.done()
            assert [reply.over is None for reply in replies] == [True, True, False]
            assert replies[2].over is not None
            assert replies[2].over[0] == Ended.STREAM_LIMIT


async def test_nobody_waits_longer_than_the_edge_said() -> None:
    async with FakeProvider(sim="fault=stall_before_head") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            reply = await relay.ask("POST", CHAT, chat(), headers=HEADERS, patience=0.2).done()
            assert reply.failure is not None
            assert (reply.failure.code, reply.failure.verdict) == (Code.DEADLINE, Verdict.UNKNOWN)


async def test_bytes_that_are_no_request_give_the_stream_up() -> None:
    async with FakeProvider() as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            reply = relay.ask("POST", CHAT, chat(), end=False)
            reply.send(b"\x07\x02\x81x")
            await reply.done()
            assert reply.over is not None
            assert reply.over[0] == Ended.MALFORMED
            await until(lambda: not relay.service.executions)
            cut = relay.ask("POST", CHAT, chat(), end=False)
            cut.send(b"", end=True)
            await cut.done()
            assert cut.over is not None
            assert cut.over[0] == Ended.MALFORMED


async def test_loss_and_delay_change_nothing() -> None:
    async with FakeProvider(sim="think_ms=5,interval_ms=2,tokens=100") as provider:
        async with relayed(snapshot_for(provider.port), lines=("a", "b"), delay=0.02, loss=0.1) as relay:
            replies = [relay.ask("POST", CHAT, chat(), headers=HEADERS) for _ in range(10)]
            for reply in replies:
                await reply.done(20)
                assert len(tokens(bytes(reply.body))) == 100
            assert provider.executions("one") == 10


async def test_an_upload_goes_on_where_another_stream_left_it() -> None:
    body = bytes(range(256)) * 2000
    async with FakeProvider(sim="think_ms=1") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            first = relay.ask("POST", "/v1/unknown", body[:200_000], headers=HEADERS, id=ONE, end=False)
            await until(lambda: relay.service.executions and next(iter(relay.service.executions)).body_bytes == 200_000)
            second = await relay.ask("POST", "/v1/unknown", body, headers=HEADERS, id=ONE).done()
            assert first.over is not None
            assert second.end is not None
            assert len(provider.log) == 1
            assert provider.log[-1].body_sha256 == hashlib.sha256(body).hexdigest()


async def test_an_execution_that_nobody_asks_for_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.relay.execution.HOLD_SECONDS", 0.2)
    async with FakeProvider(sim="think_ms=5,interval_ms=20,tokens=500") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            reply = relay.ask("POST", CHAT, chat(), headers=HEADERS, id=ONE)
            await reply.until(lambda reply: len(reply.body) > 500)
            relay.wires.relay.close(Ended.EXPIRED, "no carrier")
            await reply.done()
            (execution,) = relay.service.executions
            assert not execution.is_waited_for
            await until(lambda: relay.watching.records)
            assert relay.watching.records[0].outcome == "cancelled"
            await until(lambda: provider.log[-1].outcome == "cancelled")


async def test_a_reply_that_nobody_waits_for_is_read_only_as_far_as_it_is_kept() -> None:
    async with FakeProvider(sim="think_ms=1") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            reply = relay.ask("GET", "/bytes/20000000", slow=True, id=ONE)
            await reply.until(lambda reply: reply.received > 100_000)
            relay.wires.relay.close(Ended.INTERNAL, "lost")
            await reply.done()
            (execution,) = relay.service.executions
            read = execution.record.bytes_out
            await asyncio.sleep(0.1)
            assert execution._paused
            assert execution.record.bytes_out - read < 2_000_000
            assert execution.record.bytes_out < 19_000_000


async def test_requests_without_an_id_are_not_told_apart() -> None:
    async with FakeProvider(sim="think_ms=2,interval_ms=1,tokens=2") as provider:
        async with relayed(snapshot_for(provider.port)) as relay:
            for _ in range(2):
                reply = await relay.ask("POST", CHAT, chat(), headers=HEADERS, id=bytes(16)).done()
                assert reply.end is not None
            assert provider.executions("one") == 2
            assert not relay.service.kept.size
