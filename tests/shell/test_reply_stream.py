"""A committed reply on its way to the client, against doubles of both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edge.dialects import by_name
from edge.dialects.facts import Facts
from edge.serve import streaming
from edge.serve.streaming import ReplyStream, StreamPolicy, Sweep
from tests.support.waiting import until
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers

SSE: Headers = [(b"content-type", b"text/event-stream")]
EVENT = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
CUT = Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TERMINATED, "reset")


class Client:
    def __init__(self) -> None:
        self.log: list[object] = []
        self.body = b""

    def start(self, status: int, headers: Headers) -> None:
        self.log.append(status)

    def write(self, data: bytes) -> None:
        self.body += data

    def end(self, trailers: Headers | None = None) -> None:
        self.log.append("end")

    def abort(self) -> None:
        self.log.append("abort")


class Upstream:
    def __init__(self) -> None:
        self.log: list[str] = []

    def pause(self) -> None:
        self.log.append("pause")

    def resume(self) -> None:
        self.log.append("resume")

    def cancel(self) -> None:
        self.log.append("cancel")


class Gaps:
    def __init__(self) -> None:
        self.seen: list[float] = []

    def observe(self, gap: float) -> None:
        self.seen.append(gap)


class Scene:
    def __init__(self, headers: Headers = SSE, *, drain: bool = False, dialect: str = "openai") -> None:
        self.client, self.upstream, self.gaps = Client(), Upstream(), Gaps()
        shape = by_name(dialect)
        policy = StreamPolicy(idle=60.0, keepalive=15.0, drain_when_gone=drain)
        loop = asyncio.get_running_loop()
        self.stream = ReplyStream(self.client, shape, policy, "r-1", loop, self.gaps)  # type: ignore[arg-type]
        facts = Facts("chat", streaming=True)
        self.stream.begin(self.upstream, 200, headers, shape.meter(facts, 200, headers))  # type: ignore[arg-type]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [1000.0]
    monkeypatch.setattr(streaming, "monotonic", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


async def test_chunks_pass_as_they_come_and_gaps_are_measured(clock: Callable[[float], None]) -> None:
    scene = Scene()
    for _ in range(3):
        scene.stream.on_data(EVENT)
        clock(0.5)
    scene.stream.on_data(b"data: [DONE]\n\n")
    scene.stream.on_end([])
    await scene.stream.finished()
    assert scene.client.body == EVENT * 3 + b"data: [DONE]\n\n"
    assert scene.client.log == [200, "end"]
    assert scene.gaps.seen == [0.5, 0.5, 0.5]
    assert scene.stream.bytes_out == len(scene.client.body)
    assert scene.stream.failure is None


async def test_a_clean_end_without_the_streams_own_end_is_a_cut() -> None:
    scene = Scene()
    scene.stream.on_data(EVENT)
    scene.stream.on_end([])
    await scene.stream.finished()
    assert scene.client.log == [200, "abort"]
    assert b'"error"' in scene.client.body
    assert scene.stream.failure is not None
    assert scene.stream.failure.code == Code.HTTP_RESPONSE_INCOMPLETE


async def test_inside_an_event_nothing_is_added() -> None:
    scene = Scene()
    scene.stream.on_data(EVENT + EVENT[:20])
    scene.stream.on_failure(CUT)
    assert scene.client.body == EVENT + EVENT[:20]
    assert scene.client.log == [200, "abort"]


@pytest.mark.parametrize(
    "headers",
    [[(b"content-type", b"application/json")], [*SSE, (b"content-encoding", b"gzip")]],
    ids=["json", "compressed"],
)
async def test_nothing_is_added_to_what_is_no_plain_event_stream(headers: Headers) -> None:
    scene = Scene(headers)
    scene.stream.on_data(b"{")
    scene.stream.on_failure(CUT)
    assert scene.client.body == b"{"
    assert scene.client.log == [200, "abort"]


async def test_a_slow_client_pauses_the_far_end_and_is_not_taken_for_its_silence(
    clock: Callable[[float], None],
) -> None:
    scene = Scene()
    scene.stream.on_data(EVENT)
    scene.stream.on_client_slow()
    clock(100.0)
    scene.stream.check(1100.0)
    assert scene.client.log == [200]
    scene.stream.on_client_ready()
    scene.stream.check(1100.0)
    assert scene.upstream.log == ["pause", "resume"]
    assert scene.client.log == [200]


async def test_silence_is_bridged_by_the_dialects_keep_alive_and_ends_in_a_cut(clock: Callable[[float], None]) -> None:
    scene = Scene()
    scene.stream.on_data(EVENT)
    for now in (1010.0, 1016.0, 1017.0, 1032.0):
        scene.stream.check(now)
    assert scene.client.body.count(b": ping") == 2
    scene.stream.check(1061.0)
    await scene.stream.finished()
    assert scene.upstream.log == ["cancel"]
    assert scene.client.log == [200, "abort"]
    assert scene.stream.failure is not None
    assert scene.stream.failure.code == Code.IDLE_TIMEOUT


async def test_no_keep_alive_inside_an_event(clock: Callable[[float], None]) -> None:
    scene = Scene()
    scene.stream.on_data(EVENT[:10])
    scene.stream.check(1020.0)
    assert scene.client.body == EVENT[:10]


async def test_a_client_that_leaves_cancels_the_far_end() -> None:
    scene = Scene()
    scene.stream.on_data(EVENT)
    scene.stream.on_client_gone()
    await scene.stream.finished()
    assert scene.upstream.log == ["cancel"]
    assert scene.stream.client_left
    assert scene.stream.tokens_when_left == 1


async def test_or_lets_it_finish_where_the_provider_is_configured_so() -> None:
    scene = Scene(drain=True)
    scene.stream.on_data(EVENT)
    scene.stream.on_client_gone()
    assert not scene.stream._done.done()
    scene.stream.on_data(EVENT)
    scene.stream.on_data(b"data: [DONE]\n\n")
    scene.stream.on_end([])
    await scene.stream.finished()
    assert "cancel" not in scene.upstream.log
    assert scene.stream.meter.tokens_seen() - scene.stream.tokens_when_left == 2  # events: a token and the end


async def test_one_sweep_looks_at_all_streams_and_rests_when_there_are_none() -> None:
    sweep = Sweep(asyncio.get_running_loop(), interval=0.01)
    seen: list[float] = []

    class Watched:
        def check(self, now: float) -> None:
            seen.append(now)
            if len(seen) == 2:
                sweep.remove(self)  # type: ignore[arg-type]  # a double

    watched = Watched()
    sweep.add(watched)  # type: ignore[arg-type]
    await until(lambda: len(seen) == 2)
    await until(lambda: sweep._timer is None)
