"""Every fault of the fake provider, over real HTTP/1.1, HTTP/2 and HTTP/3 connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.events
import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset
from hyperframe.frame import DataFrame, Frame, GoAwayFrame

from netem.provider import FakeProvider
from tests.support.waiting import until

BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
SILENCE = 0.3  # seconds without a byte that count as a stall
ALL_FAULTS = (
    ("", "end", 4),
    ("reset_before_head", "reset", 0),
    ("reset_after_head", "reset", 0),
    ("reset", "reset", 2),
    ("rst_stream", "reset", 2),
    ("stall_before_head", "silence", 0),
    ("stall_after_head", "silence", 0),
    ("stall", "silence", 2),
    ("stall_end", "silence", 4),
    ("truncate", "end", 2),
    ("drip_head", "end", 4),
    ("goaway", "end", 4),
    ("refuse", "refused", 0),
    ("error_event", "end", 2),
    ("malformed", "end", 3),
)


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    quick = "think_ms=1,interval_ms=1,tokens=4,drip_ms=1"
    async with FakeProvider(tls=True, h3=True, sim=quick, alt_svc=True) as running:
        yield running
        assert running.counters()["failures"] == 0


def tls(provider: FakeProvider, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=provider.ca_file)
    context.set_alpn_protocols(list(protocols))
    return context


def head(orders: str, identity: str, body: bytes = BODY) -> bytes:
    lines = "POST /v1/chat/completions HTTP/1.1", "host: x", f"x-sim: {orders}", f"x-sim-id: {identity}"
    return "\r\n".join((*lines, f"content-length: {len(body)}", "", "")).encode()


async def drained(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """All bytes until the end, and how it came: end, reset or silence."""
    got = b""
    while True:
        try:
            data = await asyncio.wait_for(reader.read(65536), SILENCE)
        except TimeoutError:
            return got, "silence"
        except (ConnectionResetError, ssl.SSLError):
            return got, "reset"
        if not data:
            return got, "end"
        got += data


async def ask_h1(provider: FakeProvider, orders: str, identity: str = "x", source: str | None = None):
    local = (source, 0) if source else None
    reader, writer = await asyncio.open_connection(
        provider.host, provider.port, ssl=tls(provider, "http/1.1"), local_addr=local
    )
    writer.write(head(orders, identity) + BODY)
    got, how = await drained(reader)
    writer.transport.abort()
    return got, how


@pytest.mark.parametrize(("fault", "how", "tokens"), ALL_FAULTS)
async def test_h1(provider: FakeProvider, fault: str, how: str, tokens: int):
    got, ended = await ask_h1(provider, f"fault={fault},after=2")
    complete = got.endswith(b"0\r\n\r\n")
    assert got.count(b'"content":"t0') == tokens
    if how == "end":
        assert complete
        assert ended == ("silence" if fault != "goaway" else "end")  # kept alive
    else:
        assert not complete
        assert ended == ("end" if how == "refused" else how)
    assert (b"[DONE]" in got) == (tokens >= 3)
    assert provider.executions("x") == (0 if fault == "refuse" else 1)
    assert provider.log[-1].tokens_written == (4 if fault == "malformed" else tokens)


@pytest.mark.parametrize("fault", ["cut", "short_length", "goaway_hard"])
async def test_h1_early_end(provider: FakeProvider, fault: str):
    got, how = await ask_h1(provider, f"fault={fault},after=2")
    assert how == "end"
    assert not got.endswith(b"0\r\n\r\n")
    assert got.count(b'"content":"t0') in (2, 3)
    assert (b"content-length: 1073741824" in got) == (fault == "short_length")


async def test_h1_half_close_on_a_plain_connection():
    async with FakeProvider(sim="think_ms=1,interval_ms=1") as plain:
        reader, writer = await asyncio.open_connection(plain.host, plain.port)
        writer.write(head("fault=half_close,after=1", "x") + BODY)
        assert (await drained(reader))[1] == "end"
        assert plain.log[-1].ended_at is None
        writer.close()
        await writer.wait_closed()
        await until(lambda: plain.log[-1].outcome == "cancelled")


async def test_h1_drips_the_body_byte_by_byte(provider: FakeProvider):
    got, _ = await ask_h1(provider, "fault=drip_body,tokens=1,drip_ms=0")
    assert got.count(b"\r\n1\r\n") > 100
    assert provider.log[-1].tokens_written == 1


@pytest.mark.parametrize(("fault", "how"), [("stall_upload", "silence"), ("reset_upload", "reset")])
async def test_h1_upload_faults(provider: FakeProvider, fault: str, how: str):
    _, ended = await ask_h1(provider, f"fault={fault}")
    assert ended == how
    assert provider.executions("x") == 0


async def test_whole_replies_break_too(provider: FakeProvider):
    reader, writer = await asyncio.open_connection(provider.host, provider.port, ssl=tls(provider, "http/1.1"))
    writer.write(b"GET /bytes/1000 HTTP/1.1\r\nhost: x\r\nx-sim: fault=short_length\r\n\r\n")
    got, how = await drained(reader)
    assert (how, len(got.partition(b"\r\n\r\n")[2])) == ("end", 500)
    assert b"content-length: 1000\r\n" in got
    writer.transport.abort()


class Client2:
    """A bare HTTP/2 client: what happened to each stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self.data: dict[int, bytes] = {}
        self.how: dict[int, str] = {}
        self.goaway: int | None = None

    def ask(self, orders: str, identity: str, body: bytes = BODY) -> int:
        sid = self._h2.get_next_available_stream_id()
        fields = {":method": "POST", ":path": "/v1/chat/completions", ":scheme": "https", ":authority": "x"}
        self._h2.send_headers(sid, list({**fields, "x-sim": orders, "x-sim-id": identity}.items()))
        self._h2.send_data(sid, body, end_stream=True)
        self._writer.write(self._h2.data_to_send())
        self.data[sid] = b""
        return sid

    def cancel(self, sid: int) -> None:
        self._h2.reset_stream(sid, 8)
        self._writer.write(self._h2.data_to_send())

    async def drain(self, stop=lambda self: False) -> str:
        while not stop(self):
            try:
                raw = await asyncio.wait_for(self._reader.read(65536), SILENCE)
            except TimeoutError:
                return "silence"
            except (ConnectionResetError, ssl.SSLError):
                return "reset"
            if not raw:
                return "end"
            for event in self._h2.receive_data(raw):
                self._event(event)
            self._writer.write(self._h2.data_to_send())
        return "stopped"

    async def read_raw(self) -> list[Frame]:
        """All frames until the connection ends, past the h2 library."""
        raw, frames = await self._reader.read(), []
        while raw:
            frame, length = Frame.parse_frame_header(memoryview(raw)[:9])
            frame.parse_body(memoryview(raw)[9 : 9 + length])
            raw = raw[9 + length :]
            frames.append(frame)
        return frames

    def _event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived():
                self.data[event.stream_id] += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.how[event.stream_id] = "end"
            case h2.events.StreamReset():
                self.how[event.stream_id] = "refused" if event.error_code == 7 else "reset"
            case h2.events.ConnectionTerminated():
                self.goaway = event.last_stream_id

    def close(self) -> None:
        self._writer.transport.abort()


async def dial_h2(provider: FakeProvider, source: str | None = None) -> Client2:
    local = (source, 0) if source else None
    return Client2(
        *await asyncio.open_connection(provider.host, provider.port, ssl=tls(provider, "h2"), local_addr=local)
    )


@pytest.mark.parametrize(("fault", "how", "tokens"), [each for each in ALL_FAULTS if each[0] != "goaway"])
async def test_h2(provider: FakeProvider, fault: str, how: str, tokens: int):
    client = await dial_h2(provider)
    sid = client.ask(f"fault={fault},after=2", "x")
    ended = await client.drain(lambda c: sid in c.how)
    assert client.data[sid].count(b'"content":"t0') == tokens
    assert client.how.get(sid, ended) == how
    assert provider.executions("x") == (0 if fault == "refuse" else 1)
    client.close()


async def test_h2_graceful_goaway_finishes_its_stream(provider: FakeProvider):
    client = await dial_h2(provider)
    sid = client.ask("fault=goaway,after=2,tokens=4", "x")
    raw = await client.read_raw()  # the h2 library's client closes its streams at a GOAWAY, so look at the frames
    going = next(index for index, frame in enumerate(raw) if isinstance(frame, GoAwayFrame))
    assert (raw[going].last_stream_id, raw[going].error_code) == (sid, 0)
    after = b"".join(frame.data for frame in raw[going:] if isinstance(frame, DataFrame))
    assert after.count(b'"content":"t0') == 2
    assert after.endswith(b"[DONE]\n\n")
    assert "END_STREAM" in raw[-1].flags
    client.close()


async def test_h2_hard_goaway_disowns_its_stream(provider: FakeProvider):
    client = await dial_h2(provider)
    sid = client.ask("fault=goaway_hard,after=1", "x")
    assert await client.drain() == "end"
    assert client.goaway == sid - 2 if sid > 2 else client.goaway == 0
    client.close()


async def test_h2_streams_are_apart_and_cancel_is_noticed(provider: FakeProvider):
    client = await dial_h2(provider)
    long = client.ask("interval_ms=20,tokens=1000", "long")
    short = client.ask("", "short")
    await client.drain(lambda c: c.how.get(short) == "end" and c.data[long].count(b"t0") > 1)
    client.cancel(long)
    await until(lambda: provider.log[0].outcome == "cancelled")
    assert 0 < provider.log[0].tokens_written < 1000
    client.close()


async def test_h2_big_reply_through_flow_control(provider: FakeProvider):
    client = await dial_h2(provider)
    sid = client.ask("tokens=40,token_bytes=100000,interval_ms=0", "x")
    await client.drain(lambda c: sid in c.how)
    assert len(client.data[sid]) > 4_000_000
    assert client.data[sid].count(b'"content":"t0') == 40
    client.close()


class Client3(QuicConnectionProtocol):
    """A bare HTTP/3 client with one request."""

    def __init__(self, *args, **rest) -> None:
        super().__init__(*args, **rest)
        self.h3 = H3Connection(self._quic)
        self.data = b""
        self.head: dict[bytes, bytes] = {}
        self.how = ""
        self.changed = asyncio.Event()

    def ask(self, orders: str, identity: str) -> int:
        sid = self._quic.get_next_available_stream_id()
        fields = {b":method": b"POST", b":path": b"/v1/chat/completions", b":scheme": b"https", b":authority": b"x"}
        fields |= {b"x-sim": orders.encode(), b"x-sim-id": identity.encode()}
        self.h3.send_headers(sid, list(fields.items()))
        self.h3.send_data(sid, BODY, end_stream=True)
        self.transmit()
        return sid

    def cancel(self, sid: int) -> None:
        self._quic.stop_stream(sid, 0x10C)
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamReset):
            self.how = "refused" if event.error_code == 0x10B else "reset"
        elif isinstance(event, ConnectionTerminated):
            self.how = self.how or "reset"
        for each in self.h3.handle_event(event):
            if isinstance(each, DataReceived):
                self.data += each.data
            elif isinstance(each, HeadersReceived):
                self.head = dict(each.headers)
            if getattr(each, "stream_ended", False):
                self.how = "end"
        self.changed.set()

    async def drain(self) -> str:
        while not self.how:
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), SILENCE)
            except TimeoutError:
                return "silence"
        return self.how


def quic(provider: FakeProvider) -> QuicConfiguration:
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"])
    configuration.load_verify_locations(provider.ca_file)
    configuration.server_name = "localhost"
    return configuration


@pytest.mark.parametrize(("fault", "how", "tokens"), [*ALL_FAULTS, ("goaway_hard", "reset", 2)])
async def test_h3(provider: FakeProvider, fault: str, how: str, tokens: int):
    async with connect(
        provider.host, provider.port, configuration=quic(provider), create_protocol=Client3, wait_connected=True
    ) as client:
        client.ask(f"fault={fault},after=2", "x")
        assert await client.drain() == how
        seen = client.data.count(b'"content":"t0')
        assert seen == tokens or (fault == "rst_stream" and seen < tokens)  # a reset may overtake data (RFC 9000 §3.5)
        if client.head:
            assert client.head[b"alt-svc"] == f'h3=":{provider.port}"; ma=3600'.encode()
    assert provider.executions("x") == (0 if fault == "refuse" else 1)


async def test_h3_cancel_is_noticed(provider: FakeProvider):
    async with connect(provider.host, provider.port, configuration=quic(provider), create_protocol=Client3) as client:
        sid = client.ask("interval_ms=10,tokens=1000", "x")
        await until(lambda: client.data.count(b"t0") > 1)
        client.cancel(sid)
        await until(lambda: provider.log[0].outcome == "cancelled")
        assert provider.log[0].protocol == "h3"


async def test_rules_by_source_are_used_up(provider: FakeProvider):
    provider.rule("fault=reset_before_head", source="127.0.1.2", times=1)
    assert (await ask_h1(provider, "", source="127.0.1.3"))[0].count(b'"content":"t0') == 4
    assert (await ask_h1(provider, "", source="127.0.1.2"))[1] == "reset"
    assert (await ask_h1(provider, "", source="127.0.1.2"))[0].count(b'"content":"t0') == 4
    assert provider.counters()["executions_by_source"] == {"127.0.1.3": 1, "127.0.1.2": 2}


async def test_blackhole_by_source_and_back(provider: FakeProvider):
    client = await dial_h2(provider, "127.0.1.2")
    sid = client.ask("interval_ms=10,tokens=20", "x")
    await client.drain(lambda c: c.data[sid].count(b"t0") > 1)
    provider.blackhole("127.0.1.2")
    await client.drain()
    seen = client.data[sid].count(b'"content":"t0')
    assert await client.drain() == "silence"
    assert client.data[sid].count(b'"content":"t0') == seen
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(dial_h2(provider, "127.0.1.2"), SILENCE)
    assert (await ask_h1(provider, "", source="127.0.1.3"))[0].count(b'"content":"t0') == 4
    provider.blackhole()
    await client.drain(lambda c: sid in c.how)
    assert client.data[sid].count(b'"content":"t0') == 20
    client.close()


async def test_blackhole_h3(provider: FakeProvider):
    async with connect(provider.host, provider.port, configuration=quic(provider), create_protocol=Client3) as client:
        client.ask("interval_ms=20,tokens=20", "x")
        await until(lambda: client.data.count(b"t0") > 1)
        provider.blackhole("*")
        await asyncio.sleep(0.05)
        seen = len(client.data)
        assert await client.drain() == "silence"
        assert len(client.data) == seen
        provider.blackhole()
        await until(lambda: client.how == "end")
        assert client.data.count(b'"content":"t0') == 20


async def test_reset_sources_and_refuse(provider: FakeProvider):
    provider.reset_sources("127.0.1.2")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await dial_h2(provider, "127.0.1.2")
    provider.reset_sources()
    await provider.refuse(True)
    with pytest.raises(ConnectionRefusedError):
        await dial_h2(provider)
    await provider.refuse(False)
    (await dial_h2(provider)).close()
