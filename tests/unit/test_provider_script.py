"""The fake provider's pure parts: orders, scripts, words, ledger."""

from __future__ import annotations

import pytest

from netem.provider import files, gemini, live, words
from netem.provider.app import App
from netem.provider.ledger import Ledger, Rule, rules_from
from netem.provider.reply import Piece, Reply, Stream
from netem.provider.request import KEEP_BYTES, Body, Request
from netem.provider.routes import Routes, api_of
from netem.provider.script import HEAD_PARTS, Act, script
from netem.provider.sim import DEFAULT, FAULTS, Sim, SimError, from_body, from_header, from_mapping

STREAM = Reply(stream=Stream(b"open", lambda i: b"t%d" % i, 4, b"close", b"error"))
WHOLE = Reply(body=b"0123456789", worked=10)


def acts(reply: Reply, orders: str) -> list[tuple[Act, object]]:
    return [(act, argument) for _, act, argument in script(reply, from_header(orders)) if act is not Act.HEAD]


def test_a_stream_in_order_and_in_time():
    steps = list(
        script(STREAM, from_header("think_ms=500,interval_ms=100,reasoning_ms=50,pause_after=2,pause_ms=1000"))
    )
    assert [round(wait, 3) for wait, _, _ in steps] == [0.5, 0, 0.05, 0.1, 1.1, 0.1, 0, 0]
    assert b"".join(a for _, act, a in steps if act in (Act.DATA, Act.TOKEN)) == b"opent0t1t2t3close"


def test_a_whole_reply_waits_for_its_tokens():
    steps = list(script(WHOLE, from_header("think_ms=500,interval_ms=100"), (("x", "y"),)))
    assert steps[0] == (1.5, Act.HEAD, (200, (("content-type", "application/json"), ("x", "y")), 10))
    assert [act for _, act, _ in steps] == [Act.HEAD, Act.DATA, Act.END]


@pytest.mark.parametrize(
    ("fault", "last", "tokens"),
    [
        ("reset", Act.RESET, 2),
        ("rst_stream", Act.RST_STREAM, 2),
        ("stall", Act.STALL, 2),
        ("truncate", Act.END, 2),
        ("short_length", Act.CLOSE, 2),
        ("half_close", Act.HALF_CLOSE, 2),
        ("goaway_hard", Act.GOAWAY_HARD, 2),
        ("error_event", Act.END, 2),
        ("goaway", Act.END, 4),
        ("malformed", Act.END, 4),
        ("stall_end", Act.STALL, 4),
        ("reset_after_head", Act.RESET, 0),
        ("stall_after_head", Act.STALL, 0),
        ("reset_before_head", Act.RESET, 0),
        ("stall_before_head", Act.STALL, 0),
        ("refuse", Act.REFUSE, 0),
    ],
)
def test_faults_of_a_stream(fault: str, last: Act, tokens: int):
    done = acts(STREAM, f"fault={fault},after=2")
    assert done[-1][0] is last
    assert sum(act is Act.TOKEN for act, _ in done) == tokens


def test_a_cut_comes_inside_a_piece():
    assert acts(STREAM, "fault=cut,after=1")[-2:] == [(Act.DATA, b"t"), (Act.CLOSE, None)]
    stamped = Reply(stream=Stream(b"", lambda i: Piece(b"a", b"b"), 2, b"", b""))
    assert [act for act, _ in acts(stamped, "fault=cut,after=1")] == [Act.TOKEN, Act.CLOSE]


def test_drips():
    done = acts(STREAM, "fault=drip_body")
    assert sum(act is Act.TOKEN for act, _ in done) == 4
    assert (Act.DATA, b"t") in done
    heads = [act for _, act, _ in script(STREAM, from_header("fault=drip_head"))]
    assert heads.count(Act.HEAD_PART) == HEAD_PARTS


def test_faults_of_a_whole_reply():
    assert acts(WHOLE, "fault=short_length") == [(Act.DATA, b"01234"), (Act.CLOSE, None)]
    assert acts(WHOLE, "fault=reset,chunk_bytes=3,after=2")[:2] == [(Act.DATA, b"012"), (Act.DATA, b"345")]
    assert acts(WHOLE, "fault=malformed") == [(Act.DATA, b"01234"), (Act.DATA, b"\0" * 5), (Act.END, None)]
    assert (Act.GOAWAY, None) in acts(WHOLE, "fault=goaway")
    assert acts(WHOLE, "fault=stall_end")[-1][0] is Act.STALL
    assert acts(WHOLE, "fault=stall_after_head") == [(Act.STALL, None)]
    assert acts(Reply(), "") == [(Act.END, None)]


def test_jitter_comes_from_the_seed():
    def waits(seed: int) -> list[float]:
        return [wait for wait, _, _ in script(STREAM, Sim(jitter_ratio=0.5, seed=seed))]

    assert waits(1) == waits(1) != waits(2)
    assert all(0.0165 <= wait <= 0.0495 for wait in waits(3)[3:6])


@pytest.mark.parametrize(
    "orders", ["colour=red", "tokens=many", "tokens", "fault=x", "answer=x", "status=99", "tokens=-1", "burst=0"]
)
def test_orders_that_make_no_sense(orders: str):
    with pytest.raises(SimError):
        from_header(orders)


def test_orders_in_a_body():
    assert from_body(None, DEFAULT) is DEFAULT
    assert from_body({"metadata": 3}, DEFAULT) is DEFAULT
    assert from_body({"metadata": {"x_sim": "tokens=3"}}, DEFAULT).tokens == 3
    assert from_body({"x_sim": {"tokens": 4}}, DEFAULT).tokens == 4
    assert {from_mapping({"fault": fault}).without_fault().fault for fault in FAULTS} == {""}


def test_words():
    burst = words.words_for(from_header("tokens=5,burst=2,token_bytes=8"), "", None)
    assert [burst.run(index) for index in range(burst.pieces)] == ["t0001.. t0002.. ", "t0003.. t0004.. ", "t0005.. "]
    assert words.words_for(DEFAULT, "", 3).finish == "length"
    echo = words.words_for(from_header("answer=echo"), "a b", "many")
    assert (echo.text(), echo.word(9), echo.finish) == ("a b ", "", "stop")
    assert words.text_of({"unknown": 1}) == words.text_of(7) == ""


def request(path: str, method: str = "POST", body: bytes = b"", **headers: str) -> Request:
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method, path, given, body, len(body))


def test_which_api():
    routes = Routes(files.FileStore())
    for path, operation in (
        ("/openai/v1/chat/completions", "chat"),
        ("/gemini/v1/models/g:generateContent", "generate"),
        ("/v1/messages/batches/x", "batches"),
        ("/openai/deployments/d/embeddings", "embeddings"),
        ("/bytes/10", "bytes"),
    ):
        found = routes.find(request(path))
        assert found is not None
        assert found.operation == operation
    assert routes.find(request("/nothing")) is None
    assert routes.find(request("/v1/chat/completions", "GET")) is None
    assert api_of(request("/v1/models?key=1")) == "gemini"
    assert api_of(request("/v1/models", anthropic_version="x")) == "anthropic"
    assert api_of(request("/v1/files?upload_id=1")) == "gemini"


def test_resumable_upload_asks_how_far_it_is():
    store = files.FileStore()
    path = "/upload/v1beta/files"
    started = store.gemini(request(path, x_goog_upload_command="start", host="h"), DEFAULT)
    url = dict(started.headers)["x-goog-upload-url"]
    assert url.startswith("http://h/upload/v1beta/files?upload_id=")
    target = url.removeprefix("http://h")
    store.gemini(request(target, body=b"abc", x_goog_upload_command="upload"), DEFAULT)
    asked = store.gemini(request(target, x_goog_upload_command="query"), DEFAULT)
    assert dict(asked.headers)["x-goog-upload-size-received"] == "3"
    last = request(target, body=b"def", x_goog_upload_command="upload, finalize", x_goog_upload_offset="3")
    assert b'"sizeBytes":"6"' in store.gemini(last, DEFAULT).body
    assert store.gemini(request("/upload/v1beta/files?upload_id=x"), DEFAULT).status == 404


def test_old_files_go():
    store = files.FileStore()
    first = store.add("file-")
    for _ in range(files.KEPT_FILES):
        store.add("file-")
    assert store.get(first.name) is None
    assert len(store.all("file-")) == files.KEPT_FILES


def test_ledger_counts_what_was_executed():
    ledger = Ledger(log_size=2)
    app = App(DEFAULT, ledger)
    for orders in ("", "status=503", "fault=refuse", "fault=reset_before_head"):
        app.answer(request("/v1/embeddings", x_sim=orders, x_sim_id="a"), "s", 1, 0.0)
    assert ledger.executions("a") == 2
    assert len(ledger.log) == 2


def test_a_fault_for_the_first_execution_only():
    app = App(DEFAULT, Ledger())
    faults = []
    for _ in range(2):
        _, record = app.answer(request("/v1/embeddings", x_sim="fault=reset,times=1", x_sim_id="a"), "s", 1, 0.0)
        faults.append(record.fault)
    assert faults == ["reset", ""]
    statuses = []
    for _ in range(3):
        _, record = app.answer(request("/v1/embeddings", x_sim="status=503,times=2", x_sim_id="b"), "s", 1, 0.0)
        statuses.append(record.status)
    assert statuses == [503, 503, 200]


def test_upload_faults_strike_before_the_body():
    app = App(DEFAULT, Ledger())
    assert app.early({"x-sim": "fault=stall_upload"}, "s", "/") == "stall_upload"
    assert app.early({"x-sim": "fault=_upload"}, "s", "/") == ""
    app.ledger.set_rules([Rule("fault=reset_upload", source="s", times=1)])
    assert app.early({}, "other", "/") == ""
    assert app.early({}, "s", "/") == "reset_upload"
    assert app.early({}, "s", "/") == ""


def test_rules_are_checked():
    with pytest.raises(SimError):
        rules_from([{"nope": 1}])
    with pytest.raises(SimError):
        Ledger().set_rules([Rule("fault=x")])


def test_long_bodies_are_hashed_whole_and_kept_in_part():
    body = Body()
    chunk = bytes(KEEP_BYTES)
    body.feed(chunk)
    body.feed(b"more")
    assert (body.length, len(body.kept())) == (KEEP_BYTES + 4, KEEP_BYTES)


def test_live_conversations():
    assert live.conversation_for("/v1/other", "", DEFAULT) is None
    realtime = live.Realtime("", DEFAULT)
    for message in ("nonsense", "[]", '{"type": "strange"}'):
        assert '"error"' in str(realtime.receive(message)[0][1])
    for kind in ("commit", "clear"):
        event = '{"type": "input_audio_buffer.' + kind + '"}'
        assert f"buffer.{kind}" in str(realtime.receive(event)[0][1])
    gem = live.Live(from_header("tokens=1"))
    assert gem.receive(b"\xff\x00") == [(0.0, b"\xff\x00")]
    assert gem.receive("3") == [(0.0, "3")]
    assert len(gem.receive('{"realtimeInput": {"text": "hi"}}')) == 2
    assert gem.receive('{"clientContent": {}}') == []


def test_gemini_batch_embeddings():
    reply = gemini.embed(request("/v1beta/models/e:batchEmbedContents", body=b'{"requests": [{}, {}]}'), DEFAULT)
    assert reply.body.count(b'"values"') == 2
