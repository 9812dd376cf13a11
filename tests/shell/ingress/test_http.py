"""The ingress against raw sockets: framing, keep-alive, pipelining, refusals, deadlines, clients that leave."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import replace

import pytest

from edge.config.model import Limits
from edge.ingress.request import ClientRequest
from edge.serve.client import BadBody, BodyTooLarge, ClientGone
from tests.shell.ingress.support import GET, echo, raw, serving
from tests.support.waiting import until

FAST = replace(Limits(), client_header_seconds=0.3, client_body_seconds=0.3, client_idle_seconds=0.3)


class Sink:
    """Collects a streamed body and what the client does."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = asyncio.Event()
        self.gone = asyncio.Event()
        self.slow = asyncio.Event()
        self.ready = asyncio.Event()
        self.gone_count = 0

    def on_body(self, data: bytes) -> None:
        self.data += data

    def on_body_end(self) -> None:
        self.ended.set()

    def on_client_gone(self) -> None:
        self.gone_count += 1
        self.gone.set()

    def on_client_slow(self) -> None:
        self.slow.set()

    def on_client_ready(self) -> None:
        self.ready.set()


async def test_keep_alive_serves_several_requests_on_one_connection() -> None:
    async with serving(echo) as ingress, raw(ingress) as client:
        for number in range(3):
            client.send(b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi" % number)
            reply = await client.reply()
            assert (reply.status, reply.body) == (200, b"POST /%d hi" % number)
            assert b"connection" not in reply.headers
            assert b"date" in reply.headers
        assert ingress.counts.accepted == 1
        assert ingress.counts.requests == 3


async def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    running = 0

    async def slow_first(request: ClientRequest) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.05 if request.target == b"/0" else 0)
        running -= 1
        await echo(request)

    async with serving(slow_first) as ingress, raw(ingress) as client:
        client.send(
            b"".join(b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n%d" % (i, i) for i in range(5))
            + b"POST /5 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
            + b"GET /6 HTTP/1.1\r\nhost: a\r\n\r\n"
        )
        for i in range(5):
            assert (await client.reply()).body == b"POST /%d %d" % (i, i)
        assert (await client.reply()).body == b"POST /5 ab"
        assert (await client.reply()).body == b"GET /6 "


async def test_pipelined_requests_before_a_half_close_are_all_answered() -> None:
    async with serving(echo) as ingress, raw(ingress) as client:
        client.send(GET * 3)
        client.writer.write_eof()
        for _ in range(2):
            assert (await client.reply()).status == 200


async def test_unparsed_pipelined_bytes_are_bounded() -> None:
    release = asyncio.Event()

    async def waits(request: ClientRequest) -> None:
        await release.wait()
        await echo(request)

    async with serving(waits) as ingress, raw(ingress) as client:
        client.send(GET)
        await until(lambda: ingress.counts.active == 1)
        flood = GET * 400_000
        client.send(flood)
        await asyncio.sleep(0.2)
        (connection,) = ingress._service.connections
        assert len(connection._buffer) < 1 << 20
        release.set()
        for _ in range(50):
            assert (await client.reply()).status == 200
        client.writer.transport.abort()


@pytest.mark.parametrize(
    "message",
    [
        b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nx-t: 1\r\n\r\n",
    ],
)
async def test_a_request_may_arrive_byte_by_byte(message: bytes) -> None:
    async with serving(echo) as ingress, raw(ingress) as client:
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(message)):
            client.send(message[i : i + 1])
            await asyncio.sleep(0)
        assert (await client.reply()).body == b"POST /x hello"


BODY = b"content-length: 4\r\n\r\nevil"
REFUSED = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\nevil", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4, 4\r\n\r\nevil", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nevil", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -4\r\n\r\nevil", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x4\r\n\r\nevil", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length : 4\r\n\r\nevil", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\nx: 1\r\n content-length: 4\r\n\r\nevil", 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\nx: 1\n" + BODY, 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\nx: 1\r" + BODY, 400),
    (b"POST / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n" + BODY, 400),
    (b"GET / HTTP/1.1\nhost: a\n\n", 400),
    (b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n", 405),
    (b"FROB / HTTP/1.1\r\nhost: a\r\n\r\n", 501),
    (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\ncontent-length: 1\r\n\r\n", 417),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 300 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"y" * 200_000, 431),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n", 413),
]


@pytest.mark.parametrize(("message", "status"), REFUSED)
async def test_a_bad_request_is_refused_and_ends_the_connection(message: bytes, status: int) -> None:
    async def never(request: ClientRequest) -> None:
        raise AssertionError("the handler must not see it")

    async with serving(never) as ingress, raw(ingress) as client:
        client.send(message + GET)
        reply = await client.reply()
        assert reply.status == status
        assert reply.headers[b"connection"] == b"close"
        assert json.loads(reply.body)["error"]["message"]
        assert await client.closed()
        assert ingress.counts.refused == 1


async def test_error_bodies_are_the_applications() -> None:
    def render(status: int, detail: str, target: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        return [(b"content-type", b"text/x")], b"%d %s %b" % (status, detail.encode(), target)

    limits = replace(Limits(), body_bytes=10)
    async with serving(echo, limits, render_error=render) as ingress, raw(ingress) as client:
        client.send(b"POST /v1 HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n")
        reply = await client.reply()
        assert reply.body == b"413 the request's body is too large /v1"


@pytest.mark.parametrize(
    ("message", "target", "host"),
    [
        (b"GET http://b.example/p?q HTTP/1.1\r\nhost: a\r\n\r\n", b"/p?q", b"b.example"),
        (b"GET http://b:80?q HTTP/1.1\r\nhost: a\r\n\r\n", b"/?q", b"b:80"),
        (b"GET HTTP://b HTTP/1.0\r\n\r\n", b"/", b"b"),
        (b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", b"*", b"a"),
        (b"\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", b"/", b"a"),
    ],
)
async def test_targets_of_every_form(message: bytes, target: bytes, host: bytes) -> None:
    async def tells(request: ClientRequest) -> None:
        text = request.target + b" " + dict(request.headers)[b"host"]
        request.start(200, [(b"content-length", b"%d" % len(text))])
        request.write(text)
        request.end()

    async with serving(tells) as ingress, raw(ingress) as client:
        client.send(message)
        assert (await client.reply()).body == target + b" " + host


async def test_http10_closes_or_keeps_alive_as_asked() -> None:
    async def streams(request: ClientRequest) -> None:
        request.start(200, [])
        request.write(b"abc")
        request.end()

    async with serving(streams) as ingress, raw(ingress) as client:
        client.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        reply = await client.reply()
        assert (reply.headers[b"connection"], reply.body) == (b"close", b"abc")
    async with serving(echo) as ingress, raw(ingress) as client:
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            assert (await client.reply()).headers[b"connection"] == b"keep-alive"
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await client.reply()).headers[b"connection"] == b"close"
        assert await client.closed()


async def test_connection_close_is_obeyed() -> None:
    async with serving(echo) as ingress, raw(ingress) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: TE, Close\r\n\r\n")
        assert (await client.reply()).headers[b"connection"] == b"close"
        assert await client.closed()


async def test_head_204_and_304_have_no_body() -> None:
    async def status(request: ClientRequest) -> None:
        code = int(request.target[1:])
        request.start(code, [(b"content-length", b"5")] if code != 304 else [])
        request.write(b"hello")
        request.end()

    async with serving(status) as ingress, raw(ingress) as client:
        client.send(b"HEAD /200 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await client.reply(head_only=True)).headers[b"content-length"] == b"5"
        for code in (204, 304):
            client.send(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % code)
            reply = await client.reply()
            assert reply.status == code
            assert not {b"content-length", b"transfer-encoding"} & set(reply.headers)
        client.send(b"GET /200 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await client.reply()).body == b"hello"


async def test_a_streamed_reply_is_chunked_and_its_head_goes_out_at_once() -> None:
    go_on = asyncio.Event()

    async def streams(request: ClientRequest) -> None:
        request.start(200, [(b"transfer-encoding", b"gzip"), (b"connection", b"x"), (b"date", b"then")])
        await go_on.wait()
        request.write(b"one")
        request.write(b"")
        request.write(b"two")
        request.end([(b"x-trailer", b"1")])

    async with serving(streams) as ingress, raw(ingress) as client:
        client.send(GET)
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 5)
        assert head == b"HTTP/1.1 200 OK\r\ndate: then\r\ntransfer-encoding: chunked\r\n\r\n"
        go_on.set()
        assert await client.reader.readuntil(b"1\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\nx-trailer: 1\r\n\r\n"


async def test_continue_is_sent_only_when_the_body_is_wanted() -> None:
    async def picks(request: ClientRequest) -> None:
        if request.target == b"/no":
            request.start(403, [(b"content-length", b"0")])
            request.end()
        else:
            await echo(request)

    expect = b"host: a\r\ncontent-length: 2\r\nexpect: 100-Continue\r\n\r\n"
    async with serving(picks) as ingress:
        async with raw(ingress) as client:
            client.send(b"POST /yes HTTP/1.1\r\n" + expect)
            assert (await client.reply()).status == 100
            client.send(b"hi")
            assert (await client.reply()).body == b"POST /yes hi"
            client.send(b"POST /yes HTTP/1.1\r\n" + expect + b"hi")  # it didn't wait: no 100 then
            assert (await client.reply()).status == 200
        async with raw(ingress) as client:
            client.send(b"POST /no HTTP/1.1\r\n" + expect)
            reply = await client.reply()
            assert (reply.status, reply.headers[b"connection"]) == (403, b"close")
            assert await client.closed()


async def test_an_early_reply_reaches_a_client_that_is_still_uploading() -> None:
    async def refuses(request: ClientRequest) -> None:
        request.start(403, [(b"content-length", b"2")])
        request.write(b"no")
        request.end()

    async with serving(refuses) as ingress, raw(ingress) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 3_000_000)
        reply = await client.reply()
        assert (reply.status, reply.body) == (403, b"no")
        client.send(b"x" * 2_000_000)
        assert await client.closed()


async def test_read_body_stops_at_its_limit_and_the_rest_is_streamed() -> None:
    sink = Sink()
    first: list[tuple[int, bool]] = []

    async def streams(request: ClientRequest) -> None:
        data, complete = await request.read_body(1000)
        first.append((len(data), complete))
        await asyncio.sleep(0.05)
        request.stream_body(sink)
        await sink.ended.wait()
        request.start(200, [(b"content-length", b"0")])
        request.end()
        sink.data[:0] = data

    body = bytes(range(256)) * 20_000
    async with serving(streams) as ingress, raw(ingress) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert (await client.reply()).status == 200
        assert first[0][0] >= 1000
        assert not first[0][1]
        assert sink.data == body


async def test_a_paused_consumer_stops_the_client() -> None:
    sink = Sink()
    holder: list[ClientRequest] = []

    async def streams(request: ClientRequest) -> None:
        holder.append(request)
        request.stream_body(sink)
        request.pause_body()
        await sink.ended.wait()
        request.start(200, [(b"content-length", b"0")])
        request.end()

    async with serving(streams) as ingress, raw(ingress) as client:
        size = 30_000_000
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))
        await until(lambda: bool(holder) and holder[0]._buffered > 0)
        await asyncio.sleep(0.2)
        assert not sink.data
        assert client.writer.transport.get_write_buffer_size() > 1_000_000  # type: ignore[attr-defined]  # typeshed
        assert holder[0]._buffered < 1 << 20
        holder[0].resume_body()
        assert (await client.reply()).status == 200
        assert len(sink.data) == size


@pytest.mark.parametrize(
    ("framing", "body", "fault"),
    [
        (b"transfer-encoding: chunked", b"zz\r\n", BadBody),
        (b"transfer-encoding: chunked", b"3\r\nabcd\r\n", BadBody),
        (b"transfer-encoding: chunked", b"3\nabc\n0\n\n", BadBody),
        (b"transfer-encoding: chunked", b"-1\r\n\r\n", BadBody),
        (b"transfer-encoding: chunked", b"5000\r\n" + b"x" * 0x5000 + b"\r\n0\r\n\r\n", BodyTooLarge),
    ],
)
async def test_a_broken_body_is_raised_to_the_reader_or_answered(
    framing: bytes, body: bytes, fault: type[Exception]
) -> None:
    seen: list[type[Exception]] = []
    sink = Sink()

    async def reads(request: ClientRequest) -> None:
        if request.target == b"/stream":
            request.watch(sink)
            request.stream_body(sink)
            await sink.gone.wait()
            seen.append(type(request.fault))
            assert request.is_gone
            request.start(200, [])  # does nothing any more
            request.write(b"x")
            request.end()
            return
        try:
            await request.read_body(1 << 20)
        except (BadBody, BodyTooLarge) as error:
            seen.append(type(error))
            request.start(error.status, [(b"content-length", b"0")])
            request.end()

    async with serving(reads, replace(Limits(), body_bytes=10_000)) as ingress:
        for target in (b"/read", b"/stream"):
            async with raw(ingress) as client:
                client.send(b"POST %b HTTP/1.1\r\nhost: a\r\n%b\r\n\r\n%b" % (target, framing, body))
                reply = await client.reply()
                assert reply.status == fault.status  # type: ignore[attr-defined]  # both have it
                assert reply.headers[b"connection"] == b"close"
                assert await client.closed()
    assert seen == [fault, fault]
    assert sink.gone_count == 1


async def test_a_handler_that_fails_or_forgets_gives_500_or_a_broken_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(request: ClientRequest) -> None:
        if request.target == b"/forgets":
            return
        if request.target == b"/midway":
            request.start(200, [])
            request.write(b"abc")
        raise ValueError("a bug")

    async with serving(fails) as ingress:
        for target in (b"/", b"/forgets"):
            async with raw(ingress) as client:
                client.send(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % target)
                assert (await client.reply()).status == 500
                assert await client.closed()
        async with raw(ingress) as client:
            client.send(b"GET /midway HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await client.rest()).endswith(b"3\r\nabc\r\n")
        assert ingress.counts.handler_failures == 2
    assert len(caplog.records) == 2


async def test_a_reply_that_breaks_its_content_length_never_looks_complete() -> None:
    async def lies(request: ClientRequest) -> None:
        request.start(200, [(b"content-length", b"5")])
        request.write(b"abc")
        if request.target == b"/long":
            request.write(b"defgh")
        request.end()

    async with serving(lies) as ingress:
        async with raw(ingress) as client:
            client.send(GET)
            assert (await client.rest()).endswith(b"\r\n\r\nabc")
        async with raw(ingress) as client:
            client.send(b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await client.rest()


async def test_abort_delivers_what_was_written_and_never_looks_complete() -> None:
    """Chunked: the last chunk is missing, and everything else arrives. Until close: only a reset can tell."""

    async def aborts(request: ClientRequest) -> None:
        request.start(200, [])
        request.write(b"x" * 300_000)
        request.write(b"event: error")
        request.abort()

    async with serving(aborts) as ingress:
        async with raw(ingress) as client:
            client.send(GET)
            got = await client.rest()
            assert got.endswith(b"event: error\r\n")
            assert len(got) > 300_000
        async with raw(ingress) as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await client.rest()
        await until(lambda: ingress.counts.open == 0)


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_client_that_leaves_is_noticed_once_and_soon(how: str) -> None:
    sink = Sink()
    noticed: list[float] = []

    async def streams(request: ClientRequest) -> None:
        request.watch(sink)
        request.start(200, [])
        request.write(b"x")
        await sink.gone.wait()
        noticed.append(asyncio.get_running_loop().time())
        assert isinstance(request.fault, ClientGone)
        request.write(b"ignored")
        request.end()

    async with serving(streams) as ingress, raw(ingress) as client:
        client.send(GET)
        await client.reader.readuntil(b"1\r\nx\r\n")
        if how == "rst":
            linger = struct.pack("ii", 1, 0)
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.writer.close()
        await asyncio.wait_for(sink.gone.wait(), 2)
        await until(lambda: ingress.counts.open == 0)
        await asyncio.sleep(0.1)
    assert sink.gone_count == 1
    assert noticed


async def test_a_client_that_leaves_in_its_body_raises_client_gone() -> None:
    caught: list[Exception] = []

    async def reads(request: ClientRequest) -> None:
        late = Sink()
        try:
            await request.read_body(100)
        except ClientGone as error:
            caught.append(error)
            request.watch(late)
            await late.gone.wait()

    async with serving(reads) as ingress, raw(ingress) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
        await until(lambda: ingress.counts.active == 1)
        await client.close()
        await until(lambda: bool(caught))
        await until(lambda: len(ingress._service.tasks) == 0)


async def test_a_slow_reader_is_reported_and_then_ready() -> None:
    sink = Sink()

    async def floods(request: ClientRequest) -> None:
        request.watch(sink)
        request.start(200, [])
        while not sink.slow.is_set():
            request.write(b"x" * 65536)
            await asyncio.sleep(0)
        late = Sink()
        request.watch(late)
        assert late.slow.is_set()
        request.watch(sink)
        await sink.ready.wait()
        request.end()

    async with serving(floods) as ingress, raw(ingress) as client:
        client.send(GET)
        await asyncio.wait_for(sink.slow.wait(), 10)
        assert not sink.ready.is_set()
        assert b"xxx" in (await client.reply()).body


async def test_a_reader_that_reads_nothing_is_given_up() -> None:
    sink = Sink()

    async def floods(request: ClientRequest) -> None:
        request.watch(sink)
        request.start(200, [])
        for _ in range(400):
            request.write(b"x" * 65536)
        await sink.gone.wait()

    async with serving(floods, replace(Limits(), client_write_seconds=0.3)) as ingress, raw(ingress) as client:
        client.send(GET)
        await asyncio.wait_for(sink.gone.wait(), 10)
        await until(lambda: ingress.counts.open == 0)


async def test_a_connection_without_requests_is_closed() -> None:
    async with serving(echo, FAST) as ingress, raw(ingress) as client:
        client.send(GET)
        await client.reply()
        assert await client.closed()


async def test_a_head_that_comes_too_slowly_gets_408() -> None:
    async with serving(echo, FAST) as ingress, raw(ingress) as client:
        reply = asyncio.get_running_loop().create_task(client.reply())
        for byte in b"GET / HTTP/1.1\r\nhost: " + b"a" * 100:
            if reply.done():
                break
            client.send(bytes([byte]))
            await asyncio.sleep(0.02)
        assert (await reply).status == 408


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_silent_body_gets_408(streamed: bool) -> None:
    gone = asyncio.Event()

    async def reads(request: ClientRequest) -> None:
        sink = Sink()
        try:
            if streamed:
                request.watch(sink)
                request.stream_body(sink)
                await sink.gone.wait()
                raise ClientGone
            await request.read_body(100)
        except ClientGone:
            gone.set()

    async with serving(reads, FAST) as ingress, raw(ingress) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
        assert (await client.reply()).status == 408
        assert gone.is_set()


async def test_making_a_reply_may_take_longer_than_any_client_deadline() -> None:
    async def thinks(request: ClientRequest) -> None:
        await asyncio.sleep(0.8)
        await echo(request)

    async with serving(thinks, FAST) as ingress, raw(ingress) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
        assert (await client.reply()).status == 200


async def test_beyond_max_connections_there_is_503() -> None:
    async with serving(echo, replace(Limits(), max_connections=1)) as ingress, raw(ingress) as first:
        first.send(GET)
        await first.reply()
        async with raw(ingress) as second:
            assert (await second.reply()).status == 503
            assert await second.closed()
        first.send(GET)
        assert (await first.reply()).status == 200


async def test_a_header_with_a_line_break_never_goes_out() -> None:
    async def injects(request: ClientRequest) -> None:
        request.start(200, [(b"x", b"a\r\nset-cookie: b")])

    async with serving(injects) as ingress, raw(ingress) as client:
        client.send(GET)
        reply = await client.reply()
        assert reply.status == 500
        assert b"set-cookie" not in reply.headers


async def test_a_tunnel_carries_raw_bytes_both_ways_and_half_closes() -> None:
    sink = Sink()

    async def tunnels(request: ClientRequest) -> None:
        assert request.upgrade == b"echo"
        request.tunnel([(b"x-a", b"1")])
        request.stream_body(sink)
        request.write(b"\x00raw")
        await sink.ended.wait()
        request.write(bytes(sink.data))
        request.end()

    async with serving(tunnels) as ingress, raw(ingress) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: Echo\r\n\r\nearly ")
        reply = await client.reply()
        assert reply.status == 101
        assert reply.headers[b"connection"] == b"upgrade"
        assert reply.headers[b"upgrade"] == b"echo"
        assert await client.reader.readexactly(4) == b"\x00raw"
        client.send(b"late")
        client.writer.write_eof()
        assert await client.rest() == b"early late"


async def test_misuse_of_the_exchange_is_an_error() -> None:
    errors: list[str] = []

    async def misuses(request: ClientRequest) -> None:
        for call in (request.end, lambda: request.tunnel([])):
            try:
                call()
            except RuntimeError as error:
                errors.append(str(error))
        request.start(200, [(b"content-length", b"0")])
        try:
            request.start(200, [])
        except RuntimeError as error:
            errors.append(str(error))
        request.end()
        request.end()
        request.abort()
        request.tunnel([])

    async with serving(misuses) as ingress, raw(ingress) as client:
        client.send(GET)
        assert (await client.reply()).status == 200
    assert len(errors) == 3
